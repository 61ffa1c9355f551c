"""The end of a job that left nothing waits a little for others while its slot has work; nothing else waits."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest

from qw.dispatcher.adoptions import Adoptions
from qw.dispatcher.crew import BRIEF, SOON, Crew
from qw.dispatcher.exchanges import Exchanges
from qw.dispatcher.journal import Journal
from qw.dispatcher.refusals import Refusals
from qw.dispatcher.workers import LINGER
from qw.scripts import Call
from qw.slots import Outcome
from tests.support.scripts import ONE, TWO, scripts
from tests.support.slots import Idle, Served, batch
from tests.support.wait import wait_until

#: Seconds that a job takes.
LONG = 0.01


class Far(Idle):
    """A slot that never begins anything, and has a descriptor, as a process has."""

    def fileno(self) -> int:
        """Return one."""
        return 0


class Line:
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.calls: list[Call[Any]] = []

    def call(self, call: Call[Any], _then: object) -> None:
        """Keep it."""
        self.calls.append(call)


class Stage:
    """Two workers with three jobs each, of which the first has just ended two: its slot may be given more."""

    def __init__(self, make: Callable[[str], Idle] = Far) -> None:
        logger = logging.getLogger("qw.test")
        self.line = Line()
        self.crew = Crew([ONE, TWO], make)
        session: Any = SimpleNamespace(main=self.line, refusals=Refusals(logger))
        adoptions = Adoptions([ONE, TWO], "web", lambda name: self.crew[name].idle)
        self.exchanges = Exchanges(
            session, scripts(), self.crew, adoptions, Journal(logger), lambda _status: True, lambda _error: None
        )
        for name in (ONE, TWO):
            self.crew[name].hand(batch(name, [f"{name}{n}" for n in range(3)]), 0.0, knocked=False, keep_lines=False)
        self.exchanges.pace.note([LONG])
        self.end(ONE, 2)

    def end(self, worker: str, jobs: int, outcome: Outcome | None = None) -> None:
        """Have so many jobs of a worker end."""
        for _ in range(jobs):
            job_id, _line = self.crew[worker].held.popleft()
            self.exchanges.ended(worker, job_id, outcome)

    def sends(self, now: float, *, may_ask: bool = True) -> bool:
        """Whether an exchange goes out."""
        self.exchanges.mind(now, may_ask=may_ask)
        return bool(self.line.calls)


@pytest.fixture
def stage() -> Stage:
    """Return one with processes and jobs of 10 ms."""
    return Stage()


def test_waits_for_company_but_not_for_long(stage: Stage) -> None:
    """Another slot's report may come within that time; and it is said when to look again."""
    assert not stage.sends(100.0)
    assert not stage.sends(100.0 + LINGER / 2)
    assert stage.exchanges.due(100.0) == pytest.approx(100.0 + LINGER)
    assert stage.sends(100.0 + LINGER)
    assert stage.exchanges.due(101.0) > 101.0 + LINGER


def test_rests_while_redis_is_gone(stage: Stage) -> None:
    """It would not wait at all for a time that has passed; when Redis is back it goes."""
    assert not stage.sends(100.0)
    assert not stage.sends(100.0 + LINGER, may_ask=False)
    assert stage.exchanges.due(100.0 + LINGER) == float("inf")
    assert stage.sends(101.0)


def test_rests_while_redis_refuses(stage: Stage) -> None:
    """The same for the pause after a refusal, of another call as well."""
    assert not stage.sends(100.0)
    stage.exchanges.refusals.until = 102.0
    assert not stage.sends(101.0)
    assert stage.exchanges.due(101.0) == 102.0
    assert stage.sends(102.0)


def test_goes_when_all_have_room(stage: Stage) -> None:
    """There is nobody left to wait for."""
    assert not stage.sends(100.0)
    stage.end(TWO, 2)
    assert stage.sends(100.0)


def test_goes_when_a_slot_has_nothing_left(stage: Stage) -> None:
    """It would stand idle."""
    stage.end(ONE, 1)
    assert stage.sends(100.0)


def test_an_outcome_with_content_goes_at_once(stage: Stage) -> None:
    """Somebody may wait for it."""
    assert not stage.sends(100.0)
    stage.end(TWO, 1, Outcome("result", 60.0, '{"result": 1}'))
    assert stage.sends(100.0)


def test_jobs_go_back_at_once(stage: Stage) -> None:
    """Others are free to run them."""
    assert not stage.sends(100.0)
    stage.exchanges.release(TWO, [f"{TWO}2"])
    assert stage.sends(100.0)


def test_goes_at_once_when_no_more_is_taken(stage: Stage) -> None:
    """The manager is about to leave."""
    stage.exchanges.quiet = True
    assert stage.sends(100.0)


def test_does_not_wait_when_little_work_is_left(stage: Stage) -> None:
    """One job of that length is over before Redis has dealt the next."""
    want = [(ONE, 1)]
    assert stage.crew.can_linger(want, SOON * 1.1)
    assert not stage.crew.can_linger(want, SOON * 0.9)


def test_brief_jobs_of_processes_never_wait(stage: Stage) -> None:
    """An exchange has hundreds of them; in threads it would take the interpreter from those that run."""
    assert stage.crew.can_linger([], BRIEF * 1.1)
    assert not stage.crew.can_linger([], BRIEF * 0.9)
    assert Stage(Idle).crew.can_linger([], BRIEF * 0.9)


def test_threads_were_waited_for_already() -> None:
    """Their reports are looked at all together."""
    assert Stage(Idle).sends(100.0)


def test_reports_that_nothing_tells_of_are_looked_for() -> None:
    """A thread rings when it has run all it has; before that it is looked at now and then."""
    near, far = Stage(Idle), Stage(Far)
    looked = 50.0
    for stage in (near, far):
        for name in (ONE, TWO):
            stage.crew[name].reports(looked)
    assert near.crew[TWO].look_due() == pytest.approx(looked + LINGER)
    assert near.crew.due(looked) <= looked + LINGER
    assert near.crew[ONE].look_due() == far.crew[TWO].look_due() == float("inf")


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
