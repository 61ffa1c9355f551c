"""The scripts a dispatcher calls: `register`, `beat`, `exchange`, `leave`; one typed method for each."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, cast

import attrs

from qw.keys import Keys, to_bytes, to_str
from qw.scripts._script import Call, Script

#: A job whose process died this often is buried.
MOST_CRASHES: Final = 3

#: 'missing': Redis does not know this start (any more). 'struck': it was taken for dead and struck off.
Status = Literal["ok", "missing", "struck"]

REGISTER: Final = Script.load("register")
BEAT: Final = Script.load("beat")
EXCHANGE: Final = Script.load("exchange")
LEAVE: Final = Script.load("leave")


@attrs.frozen
class Content:
    """An outcome that carries something: a result, or the reason why a job is buried, or would be."""

    kind: Literal["result", "bury", "crash"]
    worker: str
    job_id: str
    #: Seconds for which `result:<id>` keeps `body`.
    ttl: float
    #: JSON: `{"result": ...}` or `{"error": ..., "traceback": ...}`
    body: str
    #: Fields added to the hash of a buried job.
    fields: Mapping[str, str] = {}


@attrs.frozen
class Adopt:
    """Look in a worker's own list for jobs that are not in hand."""

    worker: str
    in_hand: Sequence[str]
    #: Ids that a knock announced → the queue they came from ('' for all:jobs).
    knocked: Mapping[str, str]
    #: The queue written down for any other id found there that has none, '' for all:jobs; None: those stay.
    others: str | None


@attrs.frozen
class Plan:
    """What one `exchange` is to do; ids in the order in which they were taken."""

    done: Sequence[tuple[str, Sequence[str]]] = ()
    contents: Sequence[Content] = ()
    release: Sequence[tuple[str, Sequence[str]]] = ()
    adopt: Sequence[Adopt] = ()
    want: Sequence[tuple[str, int]] = ()


@attrs.frozen
class Batch:
    """Jobs for one worker: their ids, and one JSON line for each as `qw.slots` reads them."""

    worker: str
    ids: Sequence[str]
    lines: bytes


@attrs.frozen
class Exchanged:
    """What `exchange` answers."""

    status: Status
    #: Redis's clock, ms.
    now: int
    refused: frozenset[str]
    #: (id, reason) of ids that could not be read.
    dropped: Sequence[tuple[str, str]]
    #: Whether a queue still holds jobs.
    more: bool
    batches: Sequence[Batch]


def dump(value: object) -> bytes:
    """Encode ids and names as JSON; a lone surrogate becomes the byte it stands for."""
    return to_bytes(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def load(raw: object) -> object:
    """Decode what `dump`, or Lua's cjson of strings, has made."""
    return json.loads(to_str(cast("bytes", raw)))


class DispatcherScripts:
    """Makes the calls for one manager's start, under the names of one namespace."""

    def __init__(self, keys: Keys, manager: str, start: str, workers: Sequence[str]) -> None:
        self._keys = keys
        self._manager = to_bytes(manager)
        self._start = to_bytes(f"{manager}.{start}")
        self._queue = to_bytes(f"{manager}:jobs")
        self._workers = [to_bytes(worker) for worker in workers]
        self._set = keys.workers(manager)
        self._manager_jobs = keys.jobs(manager)
        self._nothing = keys.prefix + b"qw:nothing"

    def register(self) -> Call[Status]:
        """Make this start known, with its workers and its first beat."""
        keys = (self._keys.all_managers, self._keys.all_beats, self._set)
        return Call(REGISTER, keys, (self._manager, self._start, self._nothing, *self._workers), _status)

    def beat(self) -> Call[tuple[Status, Sequence[int]]]:
        """Say alive; returns how many ids the list of each worker holds."""
        args = (self._start, self._nothing, self._keys.prefix, *self._workers)
        return Call(BEAT, (self._keys.all_beats,), args, _beaten)

    def exchange(self, plan: Plan) -> Call[Exchanged]:
        """Finish what is done, give back what is released, and fetch what is wanted."""
        k = self._keys
        keys = (k.all_beats, k.all_jobs, self._manager_jobs, k.all_dead, k.all_stats)
        wire = dump(
            {
                "done": plan.done,
                "release": plan.release,
                "adopt": [(a.worker, a.in_hand, a.knocked, a.others) for a in plan.adopt],
                "want": plan.want,
            }
        )
        args = (k.prefix, self._start, self._queue, wire, b"%d" % MOST_CRASHES, *_contents(plan.contents))
        return Call(EXCHANGE, keys, args, _exchanged)

    def leave(self) -> Call[int]:
        """Take this start out of Redis; returns how many jobs were given back, or -1 when it was struck off."""
        k = self._keys
        keys = (k.all_managers, k.all_beats, self._set, k.all_jobs, k.all_stats)
        return Call(LEAVE, keys, (k.prefix, self._manager, self._start, *self._workers), _number)


def _contents(contents: Iterable[Content]) -> list[bytes]:
    args: list[bytes] = []
    for c in contents:
        fields = [part for pair in c.fields.items() for part in pair]
        args += (c.kind.encode(), to_bytes(c.worker), to_bytes(c.job_id), b"%f" % c.ttl, to_bytes(c.body), dump(fields))
    return args


def _status(reply: object) -> Status:
    return cast("Status", cast("bytes", reply).decode())


def _number(reply: object) -> int:
    return cast("int", reply)


def _beaten(reply: object) -> tuple[Status, Sequence[int]]:
    status, *lengths = cast("list[object]", reply)
    return _status(status), cast("list[int]", lengths)


def _exchanged(reply: object) -> Exchanged:
    status, now, refused, dropped, more, *rest = cast("list[object]", reply)
    batches = [
        Batch(to_str(cast("bytes", worker)), cast("list[str]", load(ids)), cast("bytes", lines))
        for worker, ids, lines in zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    ]
    return Exchanged(
        _status(status),
        int(cast("bytes", now)),
        frozenset(cast("list[str]", load(refused))),
        [(job_id, why) for job_id, why in cast("list[tuple[str, str]]", load(dropped))],
        more == 1,
        batches,
    )
