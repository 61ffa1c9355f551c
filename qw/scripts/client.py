"""The scripts a client calls: queue, fetch, release, finish, locate, requeue, delete, deregister; a method for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final, Literal, cast

import attrs

from qw.errors import UnknownName
from qw.keys import OWN, Keys, to_bytes, to_str
from qw.scripts._script import Call, Script

QUEUE: Final = Script.load("queue")
FETCH: Final = Script.load("fetch")
RELEASE: Final = Script.load("release")
FINISH: Final = Script.load("finish")
LOCATE: Final = Script.load("locate")
REQUEUE: Final = Script.load("requeue")
DELETE: Final = Script.load("delete")
DEREGISTER: Final = Script.load("deregister")

#: What became of an id that was to be finished: 1 finished; 0 another's now; -1 there is no such job (any more).
Finish = Literal[1, 0, -1]


#: What became of a buried job that was to be queued again: 1 queued; 0 it is not buried; -1 nothing was left of it but
#: its id, which is gone now; -2 its key, or that of its queue, is of another type, and it stays where it is.
Requeue = Literal[1, 0, -1, -2]


@attrs.frozen
class Knock:
    """A job that BLMOVE has put into a worker's own list."""

    job_id: str
    #: The manager whose list it came from; None for all:jobs, '' when it was in the worker's own list.
    manager: str | None


@attrs.frozen
class Fetched:
    """What `fetch` answers."""

    #: (id, data), in the order they were queued; the data without the fields that are qw's own.
    jobs: Sequence[tuple[str, dict[str, str]]]
    #: Ids without a hash.
    dropped: Sequence[str]
    #: Ids whose key is no hash.
    buried: Sequence[str]
    #: Ids in hand that are not in the worker's list any more.
    gone: Sequence[str]


@attrs.frozen
class Place:
    """Where a job is, as `locate` saw it."""

    state: Literal["result", "dead", "alive", "gone"]
    #: What `result:<id>` holds: JSON; empty without a result.
    content: str = ""
    #: Why it was buried, and the traceback; empty unless it is dead and its result has expired.
    error: str = ""
    traceback: str = ""
    #: Whether a result is to come of it; only known of one that is alive.
    has_result: bool = False


class ClientScripts:
    """Makes the calls of a client, under the names of one namespace."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._nothing = keys.prefix + b"qw:nothing"

    def queue(
        self, words: Sequence[bytes], manager: str | None = None, worker: str | None = None, when: bytes = b""
    ) -> Call[int]:
        """
        Put jobs into the list of a worker, of a manager, or into all:jobs; returns how many were not there yet.

        `words` are those of the jobs, and `when` says when they are due, both as `queue.lua` wants them. Reading the
        reply raises `UnknownName` when the worker is not registered (with that manager, if one is named): nothing
        was queued then.
        """
        k = self._keys
        target = worker or manager
        keys = (k.jobs(target) if target else k.all_jobs, k.all_managers, k.all_scheduled)
        args = (k.prefix, to_bytes(manager or ""), to_bytes(worker or ""), k.all_bell, when, *words)

        def queued(reply: object) -> int:
            if reply == -1:
                raise UnknownName(_no_such_worker(manager, worker))
            return cast("int", reply)

        return Call(QUEUE, keys, args, queued)

    def fetch(
        self, manager: str, worker: str, count: int, in_hand: Iterable[str] = (), knocks: Sequence[Knock] = ()
    ) -> Call[Fetched]:
        """Claim up to `count` jobs for a worker; what is in its own list already comes first, unless it is in hand."""
        k = self._keys
        keys = (k.jobs(worker), k.jobs(manager), k.all_jobs, k.all_dead, k.all_stats)
        knocked = [knock for knock in knocks if knock.manager != ""]
        sources = [part for knock in knocked for part in (knock.job_id, _queue_name(knock.manager))]
        args = (k.prefix, self._nothing, to_bytes(_queue_name(manager)), b"%d" % count, b"%d" % len(knocked))
        return Call(FETCH, keys, (*args, *map(to_bytes, sources), *map(to_bytes, in_hand)), _fetched)

    def release(self, worker: str, manager: str | None, ids: Sequence[str]) -> Call[int]:
        """Give claimed jobs back to the manager's list or to all:jobs; returns how many were still the worker's."""
        queue = self._keys.all_jobs if manager is None else self._keys.jobs(manager)
        return Call(RELEASE, (self._keys.jobs(worker), queue), (self._nothing, *map(to_bytes, ids)), _number)

    def finish(self, worker: str, ids: Sequence[str]) -> Call[list[Finish]]:
        """Delete jobs that are done, at most 1,000; returns for each whether it was still the worker's."""
        keys = (self._keys.jobs(worker), self._keys.all_stats)
        return Call(FINISH, keys, (self._keys.prefix, *map(to_bytes, ids)), _finished)

    def locate(self, ids: Sequence[str]) -> Call[list[Place]]:
        """Say where jobs are."""
        return Call(LOCATE, (self._keys.all_dead,), (self._keys.prefix, *map(to_bytes, ids)), _places)

    def requeue(self, ids: Sequence[str]) -> Call[list[Requeue]]:
        """Put buried jobs, at most 1,000, back into their queues; returns for each what became of it."""
        keys = (self._keys.all_dead, self._keys.all_jobs, self._keys.all_stats)
        return Call(REQUEUE, keys, (self._keys.prefix, *map(to_bytes, ids)), _requeued)

    def delete(self, ids: Sequence[str]) -> Call[list[bool]]:
        """Delete buried jobs, at most 1,000; returns for each whether it was there."""
        return Call(DELETE, (self._keys.all_dead,), (self._keys.prefix, *map(to_bytes, ids)), _deleted)

    def deregister_workers(self, manager: str, names: Sequence[str]) -> Call[int]:
        """Take workers out of their manager's set; returns how many jobs were in their lists and went back."""
        keys = (self._keys.workers(manager), self._keys.all_jobs, self._keys.all_stats)
        return Call(DEREGISTER, keys, (self._keys.prefix, self._nothing, *map(to_bytes, names)), _number)


def _queue_name(manager: str | None) -> str:
    return "" if manager is None else f"{manager}:jobs"


def _no_such_worker(manager: str | None, worker: str | None) -> str:
    where = f"with manager {manager}" if manager else "with any manager"
    return f"worker {worker} is not registered {where}: nothing was queued. Queue to a manager, or to all, instead"


def _number(reply: object) -> int:
    return cast("int", reply)


def _finished(reply: object) -> list[Finish]:
    return cast("list[Finish]", reply)


def _requeued(reply: object) -> list[Requeue]:
    return cast("list[Requeue]", reply)


def _deleted(reply: object) -> list[bool]:
    return [said == 1 for said in cast("list[int]", reply)]


def _fetched(reply: object) -> Fetched:
    lines, dropped, buried, gone = cast("list[list[bytes]]", reply)
    return Fetched([_job(line) for line in lines], _ids(dropped), _ids(buried), _ids(gone))


def _ids(raw: Iterable[bytes]) -> list[str]:
    return [to_str(job_id) for job_id in raw]


def _job(line: bytes) -> tuple[str, dict[str, str]]:
    words: list[str] = json.loads(to_str(line))
    job_id = words.pop()
    pairs = zip(words[::2], words[1::2], strict=True)
    return job_id, {field: value for field, value in pairs if not field.startswith(OWN)}


def _places(reply: object) -> list[Place]:
    words = iter(_ids(cast("list[bytes]", reply)))
    return [_place(state, first, second) for state, first, second in zip(words, words, words, strict=True)]


def _place(state: str, first: str, second: str) -> Place:
    if state == "result":
        return Place("result", content=first)
    if state == "dead":
        return Place("dead", error=first, traceback=second)
    return Place("alive", has_result=first != "") if state == "alive" else Place("gone")
