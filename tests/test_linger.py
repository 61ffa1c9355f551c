"""The end of a job that left nothing is looked for once in a while: a slot tells of it when it has nothing left."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from qw.dispatcher.adoptions import Adoptions
from qw.dispatcher.crew import Crew
from qw.dispatcher.exchanges import ASK_AGAIN, Exchanges
from qw.dispatcher.journal import Journal
from qw.dispatcher.pace import Pace
from qw.dispatcher.refusals import Refusals
from qw.dispatcher.workers import LINGER, LOOK_AGAIN, PLENTY, SOON, SOON_HERE, WorkerState
from qw.scripts import Call
from qw.slots import Outcome
from qw.slots.channel import DOWN, READY, pair
from qw.slots.child import Setup, _Server
from qw.slots.limits import Limits
from qw.slots.tally import Tally
from qw.slots.task import EventLoop, TaskSlot
from qw.slots.tickets import Tickets
from qw.target import Target
from tests.support.scripts import ONE, scripts
from tests.support.slots import Idle, Served, batch
from tests.support.targets import succeed, succeed_async
from tests.support.wait import wait_until


class Far(Idle):
    """A slot that never begins anything, and has a descriptor, as a process has."""

    def fileno(self) -> int:
        """Return one."""
        return 0


def even(seconds: float) -> Pace:
    """Return what is known after jobs that all took so long."""
    pace = Pace()
    pace.note([seconds] * 1000, 0.0)
    return pace


def uneven(mean: float) -> Pace:
    """Return what is known after jobs that took half as long, or half as long again."""
    pace = Pace()
    pace.note([mean / 2, mean * 1.5] * 500, 0.0)
    return pace


def worker(jobs: int, looked: float = 50.0, make: Callable[[str], Idle] = Far) -> WorkerState:
    """Return one with so many jobs, whose slot was looked at just now."""
    state = WorkerState(ONE, make)
    state.hand(batch(ONE, [f"j{n}" for n in range(jobs)]), looked, unasked=False, keep_lines=False)
    state.reports(looked)
    return state


@pytest.mark.parametrize("jobs", [0, 1])
def test_one_that_has_nothing_behind_what_runs_tells_by_itself(jobs: int) -> None:
    """Nobody looks: the slot rings, or its descriptor becomes readable."""
    assert worker(jobs).look_due(50.0, even(0.01)) == float("inf")


@pytest.mark.parametrize(
    ("jobs", "seconds", "due"),
    [
        (2, 0.010, 0.020 - SOON),
        (2, 0.012, LINGER),
        (2, 0.006, 0.012 - SOON),
        (3, 0.003, 0.009 - SOON),
        (2, 0.002, LOOK_AGAIN),
        (PLENTY, 0.019, LINGER),
    ],
)
def test_it_is_looked_at_before_it_has_run_all(jobs: int, seconds: float, due: float) -> None:
    """When jobs take the same; but not too seldom and not without a pause; until then it is not looked at again."""
    state, pace = worker(jobs), even(seconds)

    assert state.look_due(50.0, pace) == pytest.approx(50.0 + due)
    assert state.look_due(50.0 + due / 2, pace) == pytest.approx(50.0 + due)


@pytest.mark.parametrize(
    ("jobs", "due"), [(2, 0.010 - SOON), (3, LINGER / 2), (PLENTY, LINGER / 2)], ids=["two", "three", "more"]
)
def test_it_is_looked_at_earlier_where_jobs_differ(jobs: int, due: float) -> None:
    """Any of them may be a short one: before those behind the first may be run, and twice as often."""
    assert worker(jobs).look_due(50.0, uneven(0.010)) == pytest.approx(50.0 + due)


def test_it_is_looked_at_soon_where_nothing_is_known() -> None:
    """The first jobs may do nothing."""
    assert worker(2).look_due(50.0, Pace()) == pytest.approx(50.0 + LOOK_AGAIN)


def test_a_thread_is_looked_at_earlier() -> None:
    """Dozens of them may want the interpreter before the next jobs are there."""
    assert worker(2, make=Idle).look_due(50.0, even(0.010)) == pytest.approx(50.0 + 0.020 - SOON_HERE)


def test_one_with_plenty_is_looked_at_often() -> None:
    """Its jobs are short: hundreds of them have ended within that."""
    assert worker(PLENTY + 1).look_due(50.0, even(0.019)) == pytest.approx(50.0 + LOOK_AGAIN)


def test_a_look_at_nothing_is_a_look() -> None:
    """One that has ended no job yet is not looked at again and again."""
    crew = Crew([ONE], Idle)
    crew[ONE].hand(batch(ONE, "ab"), 50.0, unasked=False, keep_lines=False)
    assert list(crew.reports(60.0)) == []

    assert crew[ONE].look_due(60.0, even(0.019)) == pytest.approx(60.0 + LOOK_AGAIN)


def test_started_jobs_are_no_reason_to_wake() -> None:
    """Once the job before it has ended, the last one runs: nothing is left that could have to go back."""
    state = worker(2, make=Idle)
    assert state.due(time.monotonic()) < float("inf")
    slot: Any = state.slot
    slot._lines.clear()  # noqa: SLF001 - as whoever serves it does
    slot._report((0.01, None))  # noqa: SLF001
    state.reports(50.01)

    assert state.due(time.monotonic()) == float("inf")


def test_nothing_is_due_while_nothing_may_be_sent() -> None:
    """A dispatcher would not wait at all for a time that has passed; after a refusal it is the end of the pause."""
    logger, line = logging.getLogger("qw.test"), SimpleNamespace(calls=[])
    line.call = lambda call, _then: line.calls.append(call)
    crew = Crew([ONE], Idle)
    session: Any = SimpleNamespace(main=line, refusals=Refusals(logger))
    adoptions = Adoptions([ONE], "web", lambda _name: False)
    journal = Journal(logger)
    exchanges = Exchanges(session, scripts(), crew, adoptions, journal, lambda _status: True)
    calls: list[Call[Any]] = line.calls
    exchanges.finished(ONE, ["a"])

    exchanges.mind(100.0, may_ask=False)
    assert (calls, exchanges.due(100.0 + ASK_AGAIN)) == ([], float("inf"))
    exchanges.refusals.until = 102.0
    exchanges.mind(101.0, may_ask=True)
    assert (calls, exchanges.due(101.0)) == ([], 102.0)
    exchanges.mind(102.0, may_ask=True)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("outcome", "each", "end"),
    [(None, [0, 0, 0], 1), (Outcome("result", 60.0, "{}"), [0, 1, 2], 3)],
    ids=["nothing", "result"],
)
def test_a_thread_rings_when_it_has_nothing_left(outcome: Outcome | None, each: list[int], end: int) -> None:
    """Three jobs that leave nothing ring once, when the last is over; what somebody may wait for, each time."""
    rung: list[None] = []
    begun: SimpleQueue[None] = SimpleQueue()
    gate = threading.Semaphore(0)

    def job(_line: str) -> Outcome | None:
        begun.put(None)
        gate.acquire()
        return outcome

    slot = Served("w1", job, lambda: rung.append(None))
    slot.hand(batch("w1", "abc").lines, 3)
    thread = threading.Thread(target=slot.serve)
    thread.start()
    seen = []
    for _ in each:
        begun.get(timeout=5)
        seen.append(len(rung) - 1)  # once for its birth
        gate.release()
    wait_until(lambda: len(rung) - 1 >= end)
    slot.close()
    thread.join()

    assert seen == each
    assert len(slot.reports()) == 3


def test_a_task_tells_when_its_job_began() -> None:
    """As threads and processes do, since it is looked at by that."""
    slot = TaskSlot("w1", Target.load(succeed_async), EventLoop(), lambda: None)
    assert slot.began() == 0.0
    before = time.monotonic()
    slot.start()
    slot.hand(batch("w1", "a").lines, 1)
    wait_until(lambda: slot.untold == 1)

    assert before <= slot.began() <= time.monotonic()
    slot.close()
    assert slot.join(5)


def test_a_task_that_comes_after_the_last() -> None:
    """In place of one that was written off: the event loop has ended with that, and there is a new one."""
    loop, before = EventLoop(), set(threading.enumerate())
    for _ in range(2):
        run_one(TaskSlot("w1", Target.load(succeed_async), loop, lambda: None))
        wait_until(lambda: before.issuperset(threading.enumerate()), why="an end of the loop")


def run_one(slot: TaskSlot) -> None:
    """Have a slot run one job, and end."""
    slot.start()
    slot.hand(batch("w1", "a").lines, 1)
    wait_until(lambda: slot.untold == 1, why="its report")
    slot.close()
    assert slot.join(5)


def test_a_process_says_once_that_nothing_is_left() -> None:
    """Not between two batches of which the second is there already: its word would cost more than the job."""
    mine, its = pair()
    tally, tickets = Tally.make(mine), Tickets()
    with mine, its, closing(tickets):
        for job_id in "ab":
            lines = batch("w1", job_id).lines
            mine.sendall(DOWN.pack(len(lines), tickets.issue(1)) + lines)
        setup = Setup("w1", Target.load(succeed), Limits(), its, tickets.out, its)
        process = threading.Thread(target=_Server(setup, Tally.receive(its), lambda _line: None).serve)
        process.start()
        wait_until(lambda: tally.ended() == 2)
        said = mine.recv(10)
        mine.shutdown(socket.SHUT_WR)
        process.join()

        assert said == READY
        with pytest.raises(BlockingIOError):
            mine.recv(10, socket.MSG_DONTWAIT)
