"""Rules: what a start of a manager does while its process is up, whatever Redis thinks of it."""

from __future__ import annotations

import math

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from qw.scripts import Plan
from tests.statemachine import moves
from tests.statemachine.machine import MANAGERS, Machine, some, step
from tests.statemachine.process import Kind, Start, content
from tests.statemachine.producing import FOREIGN, OWN
from tests.statemachine.shadow import ALL

_ENDS: tuple[Kind, ...] = ("keep", "done", "result", "again", "later", "bury", "crash", "release")
_FAILURES: tuple[Kind, ...] = ("crash", "again", "later", "bury")
STARTS = some(lambda machine: machine.up.values())
BUSY = some(lambda machine: [start for start in machine.up.values() if start.holds])
#: Whether an answer gets lost.
RARELY = st.sampled_from([False, False, False, True])
WANTS = st.tuples(st.integers(0, 4), st.integers(0, 4))


def wants(start: Start, counts: tuple[int, int]) -> list[tuple[str, int]]:
    """Return what the two workers want."""
    return [(worker, count) for worker, count in zip(start.workers, counts, strict=True) if count]


def is_busy(machine: Machine) -> bool:
    """Whether anyone has a job in hand."""
    return any(start.holds for start in machine.up.values())


def hungry(machine: Machine) -> list[Start]:
    """Return the starts for which there is a job."""
    lists = machine.shadow.lists
    return [one for one in machine.up.values() if any(lists[name] for name in (ALL, one.manager, *one.workers))]


class Working(Machine):
    """Jobs go to workers, and out."""

    @precondition(lambda self: bool(hungry(self)))
    @rule(start=some(hungry), want=st.tuples(st.integers(1, 3), st.integers(0, 3)))
    @step
    def fetch(self, start: Start, want: tuple[int, int]) -> None:
        """Ask for jobs where there are some, and adopt what was moved or sent to the workers."""
        self.wake(start)
        self.exchange(start, Plan(adopt=start.adoptions(), want=wants(start, want)))

    @rule(start=STARTS, want=WANTS, adopts=st.booleans())
    @step
    def fetch_unheard(self, start: Start, want: tuple[int, int], adopts: bool) -> None:
        """Ask, and get no answer: jobs may have been dealt."""
        self.wake(start)
        plan = Plan(adopt=start.adoptions() if adopts else (), want=wants(start, want))
        self.exchange(start, plan, is_lost=True)

    @precondition(is_busy)
    @rule(start=BUSY, count=st.integers(1, 4), kind=st.sampled_from(["done", "result"]), is_lost=RARELY)
    @step
    def finish(self, start: Start, count: int, kind: Kind, is_lost: bool) -> None:
        """Let the oldest jobs in hand finish, with a result or without."""
        self._report(start, [kind] * count, is_lost=is_lost)

    @precondition(is_busy)
    @rule(start=BUSY, count=st.integers(1, 4), skip=st.integers(0, 1), is_lost=RARELY)
    @step
    def release(self, start: Start, count: int, skip: int, is_lost: bool) -> None:
        """Give jobs back that were not begun."""
        kept: list[Kind] = ["keep"] * skip
        given: list[Kind] = ["release"] * count
        self._report(start, kept + given, is_lost=is_lost)

    @precondition(is_busy)
    @rule(start=BUSY, count=st.integers(1, 2), kind=st.sampled_from(_FAILURES), is_lost=RARELY)
    @step
    def fail(self, start: Start, count: int, kind: Kind, is_lost: bool) -> None:
        """Let the oldest jobs in hand fail."""
        self._report(start, [kind] * count, is_lost=is_lost)

    @precondition(is_busy)
    @rule(start=BUSY, ends=st.lists(st.sampled_from(_ENDS), min_size=2, max_size=6), want=WANTS, is_lost=RARELY)
    @step
    def report(self, start: Start, ends: list[Kind], want: tuple[int, int], is_lost: bool) -> None:
        """Let jobs in hand end, each in its way, and ask for more at once."""
        self._report(start, ends, want, is_lost=is_lost)

    def _report(self, start: Start, ends: list[Kind], want: tuple[int, int] = (0, 0), *, is_lost: bool) -> None:
        self.wake(start)
        plan = start.load(ends)
        self.exchange(start, attrs.evolve(plan, want=wants(start, want)), is_lost=is_lost)

    @precondition(lambda self: any(start.unanswered for start in self.up.values()))
    @rule(start=some(lambda machine: [start for start in machine.up.values() if start.unanswered]), is_lost=RARELY)
    @step
    def report_again(self, start: Start, is_lost: bool) -> None:
        """Send a load without an answer once more, under its number."""
        self.wake(start)
        self.exchange(start, Plan(), is_lost=is_lost)

    @rule(start=STARTS, n=st.integers(0, 1), job_id=st.sampled_from(OWN + FOREIGN), kind=st.sampled_from(_ENDS[1:]))
    @step
    def report_what_is_not_its_own(self, start: Start, n: int, job_id: str, kind: Kind) -> None:
        """Tell of a job that is not in the worker's list (any more): nothing of it is touched."""
        self.wake(start)
        worker = start.workers[n]
        if start.unanswered is not None or job_id in self.shadow.lists[worker]:
            return
        if kind in ("done", "release"):
            one = [(worker, [job_id])]
            self.exchange(start, Plan(done=one) if kind == "done" else Plan(release=one))
        else:
            self.exchange(start, Plan(contents=[content(kind, worker, job_id)]))

    @precondition(lambda self: any(self.shadow.lists[queue] for queue in (ALL, *MANAGERS)))
    @rule(start=STARTS, n=st.integers(0, 1), is_shared=st.booleans(), is_heard=st.booleans())
    @step
    def claim(self, start: Start, n: int, is_shared: bool, is_heard: bool) -> None:
        """Have a BLMOVE move a job to a worker, one of a zombie too; its answer may get lost."""
        self.wake(start)
        worker, queue = start.workers[n], ALL if is_shared else start.manager
        keys = self.redis.keys
        moved = self.redis.command("LMOVE", keys.jobs(queue), keys.jobs(worker), "RIGHT", "LEFT")
        if not self.shadow.lists[queue]:
            assert moved is None
            return
        job_id = self.shadow.lists[queue].pop()
        self.shadow.lists[worker].insert(0, job_id)
        came_from = "" if is_shared else f"{queue}:jobs"
        if is_heard:
            start.knocks[worker][job_id] = came_from
        else:
            start.unheard.setdefault(worker, came_from)

    @rule(start=STARTS, is_restarted=st.booleans())
    @step
    def say_alive(self, start: Start, is_restarted: bool) -> None:
        """Beat, and see what all show; a Redis that was restarted knows no script."""
        self.wake(start)
        if is_restarted:
            self.redis.command("SCRIPT", "FLUSH")
        said = self.redis.call(start.scripts.beat())
        mine = self.shadow.beats[start.name]
        if mine.is_struck:
            assert (said.status, said.beats) == ("struck", {})
            return
        mine.counter += 1
        shown = {name: beat.partition("struck")[1] or beat for name, beat in said.beats.items()}
        assert shown == {name: str(beat) for name, beat in self.shadow.beats.items()}
        assert list(said.lengths) == [len(self.shadow.lists[worker]) for worker in start.workers]
        assert (said.wait < math.inf) == bool(self.shadow.scheduled)

    @precondition(lambda self: self.shadow.scheduled)
    @rule(start=STARTS, count=st.integers(0, 4))
    @step
    def due(self, start: Start, count: int) -> None:
        """Let the time of some delayed jobs come, and move them to their queues."""
        self.wake(start)
        self.back_date(count)
        said = self.redis.call(start.scripts.due())
        if self.shadow.beats[start.name].is_struck:
            assert (said.status, said.moved) == ("struck", 0)
            return
        ready = sum(score < moves.PAST for score in self.shadow.scheduled.values())
        dropped = moves.due(self.shadow)
        assert (said.moved, sorted(said.dropped)) == (ready - len(dropped), sorted(dropped))
