"""
A worker as its dispatcher sees it: what it may be given, what it reports, what goes back, and its death.

The slot is a real one, which runs in a thread; its jobs wait until the test lets them go. Times are given.
"""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections.abc import Iterator

import pytest

from qw.dispatcher.pace import Pace
from qw.dispatcher.workers import (
    LARGE,
    LOOK_AGAIN,
    PATIENCE,
    PLENTY,
    SHORT_PATIENCE,
    SLOWEST,
    SUSPICIOUS,
    Death,
    WorkerState,
)
from qw.scripts import Batch
from qw.slots import Outcome, Report
from qw.slots.inline import InlineSlot
from qw.target import Target
from tests.support.slots import Served, batch
from tests.support.targets import succeed
from tests.support.wait import wait_until


class Fixed(Pace):
    """A pace at which a slot may hold so many jobs, whatever they take."""

    def __init__(self, depth: int) -> None:
        super().__init__()
        self._depth = self.enough = depth

    def room(self, held: int, rest: float) -> int:
        """Return what is left of them."""
        assert rest >= 0
        return self._depth - held


class Place:
    """
    A worker whose jobs run in a thread, each as soon as it is let go.

    A job `die…` ends the slot, one `fail…` is buried, every other one finishes.
    """

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.slots: list[InlineSlot] = []
        self._gate = threading.Semaphore(0)
        self._threads: list[threading.Thread] = []
        self.state = WorkerState("w1", self._make)

    def _make(self, name: str) -> InlineSlot:
        slot = Served(name, self._run)
        self.slots.append(slot)
        return slot

    def _run(self, line: str) -> Outcome | None:
        job_id: str = json.loads(line)[-1]
        self.begun.append(job_id)
        self._gate.acquire()
        if job_id.startswith("die"):
            raise SystemExit
        return Outcome("bury", 1.0, "", {"qw:error": job_id}) if job_id.startswith("fail") else None

    def serve(self) -> None:
        """Let the newest slot run its jobs."""
        thread = threading.Thread(target=self._serve, args=(self.slots[-1],))
        thread.start()
        self._threads.append(thread)

    @staticmethod
    def _serve(slot: InlineSlot) -> None:
        with contextlib.suppress(SystemExit):
            slot.serve()

    def hand(self, *ids: str, now: float = 0.0, unasked: bool = False, keep_lines: bool = False) -> None:
        """Give the worker a batch."""
        self.state.hand(batch("w1", ids), now, unasked=unasked, keep_lines=keep_lines)

    def wait_begun(self, *ids: str) -> None:
        """Wait until exactly these have begun, in this order."""
        wait_until(lambda: self.begun == list(ids), why=f"begun: {ids}")

    def let_go(self, jobs: int = 1) -> None:
        """Let so many jobs end."""
        self._gate.release(jobs)

    def report(self, count: int, now: float = math.inf) -> list[tuple[str, bytes, Report]]:
        """Wait for so many reports, and return them."""
        got: list[tuple[str, bytes, Report]] = []

        def enough() -> bool:
            got.extend(self.state.reports(now))
            return len(got) >= count

        wait_until(enough, why=f"{count} reports")
        return got

    def ended(self, count: int) -> list[str]:
        """Let so many jobs end; return the ids that are reported."""
        self.let_go(count)
        return [job_id for job_id, _, _ in self.report(count)]

    def end(self) -> None:
        """Let everything end."""
        for slot in self.slots:
            slot.close()
        self.let_go(1000)
        for thread in self._threads:
            thread.join()


@pytest.fixture
def place() -> Iterator[Place]:
    """Return a worker whose slot serves already."""
    made = Place()
    made.serve()
    yield made
    made.end()


@pytest.fixture
def asleep() -> Iterator[Place]:
    """Return a worker whose slot begins nothing before `serve`."""
    made = Place()
    yield made
    made.end()


def test_idle(place: Place) -> None:
    """A worker without jobs has room for all, waits for nothing, and reports nothing."""
    assert (place.state.idle, place.state.due(0.0)) == (True, math.inf)
    assert (place.state.room(Fixed(1), 0.0), place.state.room(Fixed(300), 0.0)) == (1, 300)
    assert (place.state.reports(0.0), place.state.take_back()) == ([], [])


def test_reports_say_which_job(place: Place) -> None:
    """Reports come in the order of the jobs, each with its id, how it ended, and no line unless one is kept."""
    place.hand("a", "fail", "b")
    place.let_go(3)
    reports = place.report(3)

    assert [(job_id, line) for job_id, line, _ in reports] == [("a", b""), ("fail", b""), ("b", b"")]
    kinds = [outcome and outcome.fields["qw:error"] for _, _, (_, outcome) in reports]
    assert kinds == [None, "fail", None]
    assert all(seconds >= 0 for _, _, (seconds, _) in reports)
    assert place.state.idle


def test_lines_are_kept_for_the_log(place: Place) -> None:
    """With `keep_lines` a report has the line of its job."""
    place.hand("a", "b", keep_lines=True)
    place.hand("c")
    place.let_go(3)

    assert [line for _, line, _ in place.report(3)] == [b'["a"]', b'["b"]', b""]


def test_room_is_for_three_batches(place: Place) -> None:
    """A worker may hold as many jobs as the pace says, but three batches at most."""
    assert place.state.room(Fixed(4), 0.0) == 4
    place.hand("a", "b", "c", "d")
    assert (place.state.room(Fixed(4), 0.0), place.state.idle) == (0, False)

    assert place.ended(2) == ["a", "b"]
    assert place.state.room(Fixed(4), 0.0) == 2

    place.hand("e")
    assert place.state.room(Fixed(8), 0.0) == 5
    place.hand("f")
    assert place.state.room(Fixed(8), 0.0) == 0
    assert place.ended(2) == ["c", "d"]
    assert place.state.room(Fixed(8), 0.0) == 6


def test_room_is_for_no_more_than_its_slot_runs(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is replaced after some jobs gets so many: what went back does not count, and a new one begins anew."""
    monkeypatch.setattr(InlineSlot, "most_jobs", 3)
    assert place.state.room(Fixed(2), 0.0) == 2
    assert place.state.room(Fixed(8), 0.0) == 3
    place.hand("a", "b", now=5.0)
    assert place.state.room(Fixed(8), 0.0) == 1

    place.wait_begun("a")
    assert place.state.hand_back(6.0) == ["b"]
    assert place.ended(1) == ["a"]
    assert place.state.room(Fixed(8), 0.0) == 2
    place.hand("die", "b")
    assert place.state.room(Fixed(8), 0.0) == 0

    place.let_go()
    assert died(place) == ("die", ["b"])
    place.state.rebirth()
    place.serve()
    assert place.state.room(Fixed(8), 0.0) == 3


def test_one_at_a_time(place: Place) -> None:
    """With a depth of one nothing is fetched ahead."""
    place.hand("a")
    place.wait_begun("a")

    assert place.state.room(Fixed(1), 0.0) == 0
    assert place.ended(1) == ["a"]
    assert place.state.room(Fixed(1), 0.0) == 1


def test_room_is_by_the_time_that_is_left(place: Place) -> None:
    """The pace is told how long a slot has to do: from when its job began, or it got the first; ended ones are run."""
    told: list[tuple[int, float]] = []

    class Asked(Pace):
        def _settle(self) -> None:
            super()._settle()
            self.mean, self.enough = 0.010, 7

        def room(self, held: int, rest: float) -> int:
            told.append((held, round(rest, 6)))
            return 7

    place.hand("a", "b", "c", now=math.inf)  # later than any begins here
    assert place.state.room(Asked(), 0.0) == 7
    place.let_go()
    place.wait_begun("a", "b")
    began = place.state.slot.began()
    place.state._filled = 0.0  # noqa: SLF001 - the other case
    place.state.room(Asked(), began + 0.004)
    place.state.reports(0.0)
    place.state.room(Asked(), began + 0.004)
    place.state.room(Asked(), began + 9.0)

    assert told == [(3, math.inf), (3, 0.016), (2, 0.016), (2, 0.0)]


def test_what_waits_too_long_goes_back(place: Place) -> None:
    """15 ms after they came, jobs behind a long one go back in their order; the worker gets none until it ends."""
    place.hand("a", "b", "c", now=5.0)
    place.wait_begun("a")
    assert place.state.due(0.0) == 5.0 + PATIENCE
    assert place.state.hand_back(5.0 + PATIENCE - 0.001) == []

    assert place.state.hand_back(5.0 + PATIENCE) == ["b", "c"]
    assert (place.state.due(0.0), place.state.room(Fixed(300), 0.0), place.state.idle) == (math.inf, 0, False)

    assert place.ended(1) == ["a"]
    assert place.state.room(Fixed(300), 0.0) == 300
    assert place.begun == ["a"]


def test_what_has_begun_does_not_go_back(place: Place) -> None:
    """A batch of which all has begun is never overdue, however long its last job runs."""
    place.hand("a", "b", now=5.0)
    place.let_go()
    place.wait_begun("a", "b")

    assert place.state.hand_back(9.0) == []
    assert place.state.due(0.0) == math.inf
    place.let_go()
    assert [job_id for job_id, _, _ in place.report(2)] == ["a", "b"]


def test_each_batch_has_its_own_patience(place: Place) -> None:
    """The younger batch goes back with the older one that waits; alone, when its own time has come."""
    place.hand("a", "b", now=5.0)
    place.wait_begun("a")
    place.hand("c", now=5.01)
    assert place.state.due(0.0) == 5.0 + PATIENCE

    place.let_go()
    place.wait_begun("a", "b")
    assert place.state.hand_back(5.0 + PATIENCE) == []
    assert place.state.due(0.0) == 5.01 + PATIENCE
    assert place.state.hand_back(5.01 + PATIENCE) == ["c"]


def test_the_oldest_batch_takes_the_younger_with_it(place: Place) -> None:
    """What waits behind a job that goes back would wait still longer."""
    place.hand("a", "b", now=5.0)
    place.wait_begun("a")
    place.hand("c", "d", now=5.015)

    assert place.state.hand_back(5.0 + PATIENCE) == ["b", "c", "d"]


def test_a_late_knock_is_not_kept_waiting(place: Place) -> None:
    """A job that was moved to a worker which is busy by now goes back after 2 ms; to an idle one it is as any other."""
    place.hand("a", now=5.0, unasked=True)
    assert place.state.due(0.0) == 5.0 + PATIENCE
    place.wait_begun("a")
    assert place.state.hand_back(9.0) == []

    place.hand("b", now=6.0, unasked=True)
    assert place.state.due(0.0) == 6.0 + SHORT_PATIENCE
    assert place.state.hand_back(6.0 + SHORT_PATIENCE) == ["b"]


def test_a_slot_that_is_slow_to_begin_gets_jobs_again(asleep: Place) -> None:
    """When nothing has begun, all goes back, and the worker is not taken for one that runs a long job."""
    asleep.hand("a", "b", now=5.0)
    assert asleep.state.hand_back(6.0) == ["a", "b"]
    assert (asleep.state.idle, asleep.state.room(Fixed(300), 0.0)) == (True, 300)

    asleep.hand("c", now=7.0)
    asleep.serve()
    assert asleep.ended(1) == ["c"]
    assert asleep.begun == ["c"]


def test_a_large_job_has_time_to_come(asleep: Place) -> None:
    """Alone, into an idle slot, or it would come back without end. Behind another one it gets no more than any."""
    large = Batch("w1", ["a"], b"x" * (LARGE + 2 * SLOWEST))
    asleep.state.hand(large, 5.0, unasked=False, keep_lines=False)
    assert asleep.state.due(0.0) == pytest.approx(7.0 + PATIENCE)
    assert asleep.state.hand_back(6.9) == []
    assert asleep.state.hand_back(7.1) == ["a"]

    asleep.state.hand(batch("w1", "b"), 8.0, unasked=False, keep_lines=False)
    asleep.state.hand(large, 8.0, unasked=False, keep_lines=False)
    assert asleep.state.hand_back(8.1) == ["b", "a"]


@pytest.mark.parametrize("mark", SUSPICIOUS)
def test_one_that_is_to_be_alone_is_so_until_it_is_taken_back(asleep: Place, mark: bytes) -> None:
    """Nothing is wanted behind it; a slot that was too slow to begin it gets others, or it would get none for good."""
    asleep.state.hand(Batch("w1", ["a"], b'["n", "1", ' + mark + b', "1", "a"]'), 5.0, unasked=False, keep_lines=False)
    assert asleep.state.room(Fixed(300), 0.0) == 0
    assert asleep.state.hand_back(6.0) == ["a"]

    assert (asleep.state.idle, asleep.state.room(Fixed(300), 0.0)) == (True, 300)


def test_taken_back_and_handed_again(place: Place) -> None:
    """Jobs that come after others were taken back are counted right: reports are about those that ran."""
    place.hand("a", "b", "c", now=5.0)
    place.wait_begun("a")
    assert place.state.hand_back(6.0) == ["b", "c"]
    place.hand("d", now=7.0)
    assert place.state.hand_back(8.0) == ["d"]

    place.hand("e", "f", now=9.0)
    assert place.ended(3) == ["a", "e", "f"]
    assert (place.state.idle, place.state.due(0.0)) == (True, math.inf)


def test_stopping_takes_back_at_once(place: Place) -> None:
    """However young they are, all jobs that have not begun go back; a second time there are none."""
    place.hand("a", "b", now=5.0)
    place.wait_begun("a")
    place.hand("c", now=5.0)

    assert place.state.take_back() == ["b", "c"]
    assert place.state.take_back() == []
    assert place.state.room(Fixed(4), 0.0) == 3
    assert [job_id for job_id, _ in place.state.held] == ["a"]


def test_a_busy_slot_is_looked_at_now_and_then(asleep: Place) -> None:
    """With plenty to do, a slot is looked at once a millisecond: until then its reports wait."""
    asleep.hand(*(f"j{n}" for n in range(PLENTY + 2)))
    assert asleep.state.reports(5.0) == []
    asleep.serve()
    asleep.let_go()
    wait_until(lambda: len(asleep.begun) == 2)

    assert asleep.state.busy(5.0 + LOOK_AGAIN / 2)
    assert asleep.state.reports(5.0 + LOOK_AGAIN / 2) == []
    assert not asleep.state.busy(5.0 + LOOK_AGAIN)
    assert [job_id for job_id, _, _ in asleep.state.reports(5.0 + LOOK_AGAIN)] == ["j0"]


def test_a_slot_with_little_to_do_is_looked_at_at_once(asleep: Place) -> None:
    """Up to a few jobs, no report waits."""
    asleep.hand(*(f"j{n}" for n in range(PLENTY)))
    asleep.state.reports(5.0)

    assert not asleep.state.busy(5.0)


def died(place: Place) -> tuple[str | None, list[str]]:
    """Wait for the slot's death, read its last reports as the dispatcher does, and clear up."""
    wait_until(lambda: not place.state.slot.alive)
    assert (place.state.idle, place.state.room(Fixed(300), 0.0)) == (False, 0)
    place.state.reports(math.inf)
    death = place.state.bury_slot()
    return death.ran, list(death.others)


def test_the_job_that_ran_is_to_blame_for_a_death(place: Place) -> None:
    """Those before it are done, those after it are harmless."""
    place.hand("a", "die", "b")
    place.hand("c")
    place.let_go(2)

    assert died(place) == ("die", ["b", "c"])
    assert (list(place.state.held), place.state.due(0.0)) == ([], math.inf)


def test_nobody_is_to_blame_when_nothing_ran(asleep: Place) -> None:
    """A slot that is gone before it has begun anything leaves all its jobs unharmed."""
    asleep.hand("a", "b")
    asleep.slots[0].close()
    asleep.serve()

    assert died(asleep) == (None, ["a", "b"])


def test_nobody_is_to_blame_between_two_jobs(place: Place) -> None:
    """When the last job to begin was reported, those that follow it are harmless."""
    place.hand("a", "b", "c")
    place.wait_begun("a")
    place.slots[0].close()
    place.let_go()

    assert died(place) == (None, ["b", "c"])


def test_nobody_is_to_blame_for_the_death_of_an_idle_slot(place: Place) -> None:
    """Without a job in hand there is nothing to charge or to give back."""
    place.hand("a")
    assert place.ended(1) == ["a"]
    place.slots[0].close()

    assert died(place) == (None, [])


def test_a_new_slot_begins_from_nothing(place: Place) -> None:
    """After a death the next slot's jobs are counted from the start."""
    place.hand("a", "die", "b")
    place.let_go(2)
    died(place)
    place.state.reborn_at = 1.0
    place.state.rebirth()
    place.serve()
    assert (place.state.idle, place.state.reborn_at, len(place.slots)) == (True, 0.0, 2)

    place.hand("c", "d", "e", now=5.0)
    assert place.ended(1) == ["c"]
    place.wait_begun("a", "die", "c", "d")
    assert place.state.hand_back(6.0) == ["e"]
    assert place.ended(1) == ["d"]

    place.hand("die")
    place.let_go()
    assert died(place) == ("die", [])


@pytest.mark.parametrize("seconds", [0.0, 1e9], ids=["late", "soon"])
def test_one_that_dies_before_it_is_born_is_stillborn(seconds: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that took. One that was born counts only if it dies soon after; else the row is at its end."""
    monkeypatch.setattr("qw.dispatcher.workers.YOUNG", seconds)
    state = WorkerState("w1", lambda name: InlineSlot(name, Target.load(succeed), lambda: None))
    for count in (1, 2):
        state.slot.kill()
        assert state.bury_slot() == Death("w1", None, None, [])
        assert state.stillborn == count
        state.rebirth()
    slot = state.slot
    assert isinstance(slot, InlineSlot)

    thread = threading.Thread(target=slot.serve)
    thread.start()
    wait_until(lambda: slot.born)
    slot.close()
    thread.join()
    state.bury_slot()
    assert state.stillborn == (3 if seconds else 0)


def test_a_report_ends_a_row_of_deaths(place: Place) -> None:
    """Deaths count in a row only as long as no job gets through."""
    place.state.deaths = 3
    place.hand("a")
    assert place.state.deaths == 3

    place.ended(1)
    assert place.state.deaths == 0
