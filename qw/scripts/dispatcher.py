"""The scripts a dispatcher calls: register, beat, exchange, peek, due, rescue, trim, leave; a typed method for each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final, Literal, cast

import attrs

from qw.keys import Keys, to_bytes, to_str
from qw.scripts._script import Call, Script
from qw.scripts.exchange import (
    Exchanged,
    Peeked,
    Plan,
    Status,
    contents_of,
    exchanged,
    pairs_of,
    peeked,
    status_of,
    words_of,
)

#: A job whose process died this often is buried.
MOST_CRASHES: Final = 3
#: So is one that was in the hands of this many managers when they died.
MOST_RESCUES: Final = 5
#: Seconds for which `result:<id>` keeps the reason then.
RESCUE_TTL: Final = 3600.0

REGISTER: Final = Script.load("register")
BEAT: Final = Script.load("beat")
EXCHANGE: Final = Script.load("exchange")
PEEK: Final = Script.load("peek")
LEAVE: Final = Script.load("leave")
RESCUE: Final = Script.load("rescue")
DUE: Final = Script.load("due")
TRIM: Final = Script.load("trim")


@attrs.frozen
class Beaten:
    """What `beat` answers."""

    status: Status
    #: Every start `<manager>.<start>` → what it shows.
    beats: Mapping[str, str]
    #: How many ids the list of each worker holds, in the order of the workers.
    lengths: Sequence[int]
    #: Seconds until the next delayed job is due: 0 when one is due already, infinity without any.
    wait: float


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
        return Call(REGISTER, keys, (self._manager, self._start, self._nothing, *self._workers), status_of)

    def beat(self) -> Call[Beaten]:
        """Say alive; returns what all starts show, what the list of each worker holds, and when a job is due."""
        keys = (self._keys.all_beats, self._keys.all_managers, self._set, self._keys.all_scheduled)
        args = (self._manager, self._start, self._nothing, self._keys.prefix, *self._workers)
        return Call(BEAT, keys, args, _beaten)

    def exchange(self, plan: Plan) -> Call[Exchanged]:
        """Finish what is done, give back what is released, and fetch what is wanted."""
        k = self._keys
        keys = (k.all_beats, k.all_jobs, self._manager_jobs, k.all_dead, k.all_stats, k.all_scheduled)
        args = (k.prefix, self._start, self._queue, words_of(plan), b"%d" % MOST_CRASHES)
        return Call(EXCHANGE, keys, (*args, *contents_of(plan.contents)), exchanged)

    def peek(self, worker: str, queue: str) -> Call[Peeked]:
        """Read what a BLMOVE sent just before has moved to a worker; `queue`: it comes from there, '' for all:jobs."""
        k = self._keys
        keys = (k.all_beats, k.jobs(worker), k.all_jobs, self._manager_jobs)
        return Call(PEEK, keys, (k.prefix, self._start, to_bytes(queue)), partial(peeked, worker=worker))

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


def _number(reply: object) -> int:
    return cast("int", reply)


def _beaten(reply: object) -> Beaten:
    status, flat, wait, *lengths = cast("list[object]", reply)
    words = [to_str(word) for word in cast("list[bytes]", flat)]
    beats = dict(zip(words[::2], words[1::2], strict=True))
    return Beaten(status_of(status), beats, cast("list[int]", lengths), _seconds(cast("int", wait)))


def _rescued(reply: object) -> Rescued:
    status, rescued, buried, more, mark = cast("tuple[bytes, int, int, int, bytes]", reply)
    word = cast('Literal["ok", "alive", "struck"]', status.decode())
    return Rescued(word, rescued, buried, more == 1, to_str(mark))


def _due(reply: object) -> Due:
    status, moved, wait, dropped = cast("tuple[bytes, int, int, bytes]", reply)
    return Due(status_of(status), moved, _seconds(wait), pairs_of(dropped))


def _seconds(wait: int) -> float:
    return wait / 1000 if wait >= 0 else math.inf


def _trimmed(reply: object) -> Trimmed:
    too_old, too_many, more = cast("tuple[int, int, int]", reply)
    return Trimmed(too_old, too_many, more == 1)
