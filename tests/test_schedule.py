"""`Schedule` on a link to a real Redis: when it asks, when it rests, and what it forgets."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from qw.dispatcher.journal import Journal
from qw.dispatcher.refusals import PAUSE
from qw.dispatcher.schedule import LULL, Schedule
from qw.scripts import Status
from tests.support.links import Place, making_places
from tests.support.scripts import ALIVE, jobs, now_ms, scripts, seed


class Stage:
    """A schedule, and what it tells."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.told: list[str] = []
        journal = Journal(logging.getLogger("qw.test"))
        self.schedule = Schedule(place.link, scripts(), journal, self._standing, lambda: self.told.append("moved"))

    def _standing(self, status: Status) -> bool:
        self.told.append(status)
        return status != "struck"

    def mind(self, *, may_ask: bool = True) -> None:
        """Do what a dispatcher does in each turn of its loop."""
        self.place.turn()
        self.schedule.mind(time.monotonic(), may_ask=may_ask)

    def until(self, condition: Callable[[], object], why: str) -> None:
        """Go on until it is so."""

        def done() -> object:
            self.mind()
            return condition()

        self.place.until(done, why)


@pytest.fixture
def stage(redis_url: str, plain: redis.Redis) -> Iterator[Stage]:
    """Return a schedule of the start `web.s1`, which is alive."""
    seed(plain, ALIVE)
    with making_places() as make:
        yield Stage(make(redis_url).open())


def test_asks_nothing_by_itself(stage: Stage) -> None:
    """Until it is told to look there is nothing to wait for, and nothing is settled."""
    stage.mind()

    assert (stage.schedule.due_at, stage.schedule.settled, stage.told) == (math.inf, False, [])


def test_looks_and_knows(stage: Stage, plain: redis.Redis) -> None:
    """One call tells when the next job is due; it is settled until then."""
    seed(plain, {**jobs("a"), "all:scheduled": {"a": now_ms(plain) + 60_000}})
    stage.schedule.look()
    stage.until(lambda: stage.schedule.settled, "an answer")

    assert stage.told == ["ok"]
    assert 58 < stage.schedule.due_at - time.monotonic() <= 60


def test_moves_at_the_time(stage: Stage, plain: redis.Redis) -> None:
    """And tells that there is something in the queues."""
    seed(plain, {**jobs("a"), "all:scheduled": {"a": now_ms(plain) + 100}})
    stage.schedule.look()
    stage.until(lambda: "moved" in stage.told, "the job to be moved")

    assert (plain.lrange("all:jobs", 0, -1), stage.told) == ([b"a"], ["ok", "ok", "moved"])
    assert stage.schedule.due_at == math.inf


def test_goes_on_while_more_are_due(stage: Stage, plain: redis.Redis) -> None:
    """At once, without a lull."""
    ids = [f"j{n}" for n in range(1700)]
    seed(plain, {**jobs(*ids), "all:scheduled": dict.fromkeys(ids, 1.0)})
    stage.schedule.look()
    stage.until(lambda: stage.schedule.settled, "all of them moved")

    assert (plain.llen("all:jobs"), stage.told.count("moved")) == (1700, 4)


def test_looks_again_when_it_hears_something_meanwhile(stage: Stage, plain: redis.Redis) -> None:
    """The call in flight may have come before what it has heard of."""
    stage.schedule.look()
    stage.schedule.mind(time.monotonic(), may_ask=True)
    stage.schedule.look()
    assert stage.schedule.due_at == math.inf
    stage.until(lambda: stage.told == ["ok", "ok"], "a second call")


def test_rests_between_two_calls(stage: Stage) -> None:
    """However often it is told to look."""
    stage.schedule.look()
    stage.until(lambda: stage.schedule.settled, "an answer")
    began = time.monotonic()
    for _ in range(5):
        stage.schedule.look()
        stage.until(lambda: stage.schedule.settled, "another answer")

    assert time.monotonic() - began > 4 * LULL


def test_notes_what_it_has_scheduled_itself(stage: Stage) -> None:
    """The nearest counts, and only that."""
    stage.schedule.look()
    stage.until(lambda: stage.schedule.settled, "an answer")
    for seconds in (60, 5, math.inf, 30):
        stage.schedule.note(seconds)

    assert 4 < stage.schedule.due_at - time.monotonic() <= 5


def test_hears_from_a_beat_when_the_next_is_due(stage: Stage) -> None:
    """It tells whether that is sooner than it knew; what it knows to be sooner, or was told to look for, stays."""
    stage.schedule.look()
    stage.until(lambda: stage.schedule.settled, "an answer")

    assert [stage.schedule.heard(seconds) for seconds in (math.inf, 60, 60.01, 59.99, 5, math.inf, 0)] == [
        False,
        True,
        False,
        False,
        True,
        False,
        True,
    ]
    stage.schedule.look()
    stage.schedule.heard(60)
    stage.until(lambda: stage.told == ["ok", "ok"], "another call")


def test_hears_nothing_while_it_may_not_ask(stage: Stage) -> None:
    """Nor while a call is in flight, whose answer is newer."""
    assert not stage.schedule.heard(0)
    stage.schedule.look()
    stage.schedule.mind(time.monotonic(), may_ask=True)

    assert not stage.schedule.heard(0)
    assert stage.schedule.due_at == math.inf


@pytest.mark.parametrize("status", ["missing", "struck"])
def test_says_how_redis_sees_this_start(stage: Stage, plain: redis.Redis, status: str) -> None:
    """Forgotten, or struck off."""
    plain.delete("all:beats")
    if status == "struck":
        plain.hset("all:beats", "web.s1", "struck 5")
    stage.schedule.look()
    stage.until(lambda: stage.told, "an answer")

    assert stage.told == [status]


def test_pauses_after_a_refusal(stage: Stage, plain: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """It says so once and tries again; meanwhile nobody waits for it to settle."""
    plain.set("all:scheduled", "a string")
    began = time.monotonic()
    stage.schedule.look()
    stage.until(lambda: stage.schedule.settled, "a refusal")
    assert stage.schedule.due_at > began + PAUSE / 2
    stage.until(lambda: time.monotonic() > began + 2.5 * PAUSE, "two more")

    assert stage.told == []
    assert sum("WRONGTYPE all:scheduled" in record.getMessage() for record in caplog.records) == 1
    plain.delete("all:scheduled")
    stage.until(lambda: stage.told == ["ok"], "an answer")


def test_waits_for_leave_to_ask(stage: Stage) -> None:
    """A start that is not known, or leaves, asks nothing, and is not woken for it."""
    stage.schedule.look()
    stage.mind(may_ask=False)

    assert stage.schedule.due_at == math.inf
    stage.until(lambda: stage.told == ["ok"], "an answer")


def test_starts_over_when_the_connection_is_lost(stage: Stage) -> None:
    """What was in flight has no answer; what was known is forgotten."""
    stage.schedule.note(60)
    stage.schedule.look()
    stage.schedule.mind(time.monotonic(), may_ask=True)
    stage.place.link.lose(ConnectionError("a test"))
    stage.schedule.gone()

    assert (stage.schedule.due_at, stage.schedule.settled) == (math.inf, False)
    stage.place.until(lambda: stage.place.link.up, "the connection")
    stage.schedule.look()
    stage.until(lambda: stage.schedule.settled, "an answer")
    assert stage.schedule.due_at == math.inf
