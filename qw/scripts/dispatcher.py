"""The scripts a dispatcher calls: register, beat, exchange, due, rescue, trim, leave; a typed method for each."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, cast

import attrs

from qw.keys import Keys, to_bytes, to_str
from qw.scripts._script import Call, Script

#: A job whose process died this often is buried.
MOST_CRASHES: Final = 3
#: So is one that was in the hands of this many managers when they died.
MOST_RESCUES: Final = 5
#: Seconds for which `result:<id>` keeps the reason then.
RESCUE_TTL: Final = 3600.0

#: 'missing': Redis does not know this start (any more). 'struck': it was taken for dead and struck off.
Status = Literal["ok", "missing", "struck"]

REGISTER: Final = Script.load("register")
BEAT: Final = Script.load("beat")
EXCHANGE: Final = Script.load("exchange")
LEAVE: Final = Script.load("leave")
RESCUE: Final = Script.load("rescue")
DUE: Final = Script.load("due")
TRIM: Final = Script.load("trim")


@attrs.frozen
class Content:
    """An outcome that carries something: a result, or why a job is tried again or buried, or would be."""

    kind: Literal["result", "bury", "crash", "retry"]
    worker: str
    job_id: str
    #: Seconds for which `result:<id>` keeps `body`; of a retry, seconds until then.
    ttl: float
    #: JSON: `{"result": ...}` or `{"error": ..., "traceback": ...}`; nothing for a retry.
    body: str
    #: Fields added to the hash of a job that is buried or tried again.
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
    #: Of this load of outcomes and releases; the same when it is sent again. 0: there are none.
    number: int = 0
    #: Whether a job that was rescued before is in hand.
    rescued: bool = False


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
    #: Whether a queue still holds jobs that could be dealt.
    more: bool
    #: How many jobs that were rescued before wait for the one in hand.
    skipped: int
    batches: Sequence[Batch]


@attrs.frozen
class Beaten:
    """What `beat` answers."""

    status: Status
    #: Every start `<manager>.<start>` → what it shows.
    beats: Mapping[str, str]
    #: How many ids the list of each worker holds, in the order of the workers.
    lengths: Sequence[int]


@attrs.frozen
class Trimmed:
    """What `trim` answers: how many buried jobs it deleted, and why."""

    too_old: int
    too_many: int
    #: Whether there is more to delete.
    more: bool


@attrs.frozen
class Rescued:
    """What `rescue` answers; `alive`: it was not dead, or is another's to sweep."""

    status: Literal["ok", "alive", "struck"]
    rescued: int
    buried: int
    #: Whether there is more to sweep.
    more: bool
    #: What the start shows now.
    mark: str


@attrs.frozen
class Due:
    """What `due` answers."""

    status: Status
    #: How many jobs went to their queues.
    moved: int
    #: Seconds until the next job is due, counted from the call: 0 when more are due already, infinity without any.
    wait: float
    #: (id, reason) of ids that could not be read.
    dropped: Sequence[tuple[str, str]]


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

    def beat(self) -> Call[Beaten]:
        """Say alive; returns what all starts show, and how many ids the list of each worker holds."""
        keys = (self._keys.all_beats, self._keys.all_managers, self._set)
        args = (self._manager, self._start, self._nothing, self._keys.prefix, *self._workers)
        return Call(BEAT, keys, args, _beaten)

    def exchange(self, plan: Plan) -> Call[Exchanged]:
        """Finish what is done, give back what is released, and fetch what is wanted."""
        k = self._keys
        keys = (k.all_beats, k.all_jobs, self._manager_jobs, k.all_dead, k.all_stats, k.all_scheduled)
        wire = dump(
            {
                "done": plan.done,
                "release": plan.release,
                "adopt": [(a.worker, a.in_hand, a.knocked, a.others) for a in plan.adopt],
                "want": plan.want,
                "number": plan.number,
                "rescued": plan.rescued,
            }
        )
        args = (k.prefix, self._start, self._queue, wire, b"%d" % MOST_CRASHES, *_contents(plan.contents))
        return Call(EXCHANGE, keys, args, _exchanged)

    def rescue(self, start: str, seen: str, *, forget: bool) -> Call[Rescued]:
        """Strike off the start `<manager>.<start>` that shows what was `seen` last ('': whatever); sweep its lists."""
        k = self._keys
        manager = start.rpartition(".")[0]
        keys = (k.all_beats, k.all_managers, k.workers(manager), k.all_jobs, k.all_dead, k.all_stats)
        words = (start, manager, seen, "1" if forget else "", str(MOST_RESCUES), str(RESCUE_TTL))
        return Call(RESCUE, keys, (k.prefix, self._start, *map(to_bytes, words)), _rescued)

    def due(self) -> Call[Due]:
        """Move jobs whose time has come to their queues; returns when the next one is due."""
        k = self._keys
        keys = (k.all_beats, k.all_scheduled, k.all_jobs, k.all_dead, k.all_stats)
        return Call(DUE, keys, (k.prefix, self._start, k.all_bell), _due)

    def trim(self, most: int, age: float) -> Call[Trimmed]:
        """Delete buried jobs: the oldest of more than `most`, and those that have been buried for `age` seconds."""
        words = (b"%d" % most, b"%.0f" % (1000 * age))
        return Call(TRIM, (self._keys.all_dead, self._keys.all_stats), (self._keys.prefix, *words), _trimmed)

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


def _beaten(reply: object) -> Beaten:
    status, flat, *lengths = cast("list[object]", reply)
    words = [to_str(word) for word in cast("list[bytes]", flat)]
    return Beaten(_status(status), dict(zip(words[::2], words[1::2], strict=True)), cast("list[int]", lengths))


def _rescued(reply: object) -> Rescued:
    status, rescued, buried, more, mark = cast("tuple[bytes, int, int, int, bytes]", reply)
    word = cast('Literal["ok", "alive", "struck"]', status.decode())
    return Rescued(word, rescued, buried, more == 1, to_str(mark))


def _due(reply: object) -> Due:
    status, moved, wait, dropped = cast("tuple[bytes, int, int, bytes]", reply)
    return Due(_status(status), moved, wait / 1000 if wait >= 0 else math.inf, _pairs(dropped))


def _trimmed(reply: object) -> Trimmed:
    too_old, too_many, more = cast("tuple[int, int, int]", reply)
    return Trimmed(too_old, too_many, more == 1)


def _pairs(dropped: object) -> list[tuple[str, str]]:
    return [(job_id, why) for job_id, why in cast("list[tuple[str, str]]", load(dropped))]


def _exchanged(reply: object) -> Exchanged:
    status, now, refused, dropped, more, skipped, *rest = cast("list[object]", reply)
    batches = [
        Batch(to_str(cast("bytes", worker)), cast("list[str]", load(ids)), cast("bytes", lines))
        for worker, ids, lines in zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    ]
    return Exchanged(
        _status(status),
        int(cast("bytes", now)),
        frozenset(cast("list[str]", load(refused))),
        _pairs(dropped),
        more == 1,
        cast("int", skipped),
        batches,
    )
