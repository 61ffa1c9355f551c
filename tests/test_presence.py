"""`Presence` on a link to a real Redis: when a start registers, and that it does not once it has said goodbye."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from qw.dispatcher import presence
from qw.dispatcher.presence import Presence
from qw.dispatcher.refusals import Refusals
from qw.scripts import Rescued
from tests.support.links import Place, making_places
from tests.support.managers import left_in
from tests.support.scripts import scripts


class Stage:
    """The presence of the start `web.s1`, and what it tells."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.is_leaving = False
        self.told: list[str] = []
        session: Any = SimpleNamespace(main=place.link, refusals=Refusals(logging.getLogger("qw.test")))
        self.presence = Presence(session, scripts(), "web.s1", 15.0, self)

    def enrolled(self) -> None:
        """Note it."""
        self.told.append("enrolled")

    def counted(self, lengths: Sequence[int], wait: float) -> None:
        """Note it."""
        self.told.append(f"counted {lengths}, due in {wait}")

    def rescued(self, start: str, what: Rescued) -> None:
        """Note it."""
        self.told.append(f"rescued {start} {what}")

    def struck(self) -> None:
        """Note it."""
        self.told.append("struck")


@pytest.fixture
def stage(redis_url: str) -> Iterator[Stage]:
    """Return one that is connected, and has not registered yet."""
    with making_places() as make:
        yield Stage(make(redis_url).open())


def test_who_is_missing_registers(stage: Stage, plain: redis.Redis) -> None:
    """Redis has forgotten it, or somebody has taken it off the lists."""
    assert stage.presence.standing("missing")
    stage.place.until(lambda: stage.told == ["enrolled"], "its registration")

    assert plain.hget("all:beats", "web.s1") is not None
    assert stage.presence.known


def test_who_has_said_goodbye_does_not(stage: Stage, plain: redis.Redis) -> None:
    """An answer that comes after the goodbye was sent finds it missing: registered anew it would be there for good."""
    stage.is_leaving = True

    assert stage.presence.standing("missing")
    assert stage.place.link.waiting == 0
    assert left_in(plain) == {}


def test_who_is_struck_ends(stage: Stage) -> None:
    """It may do nothing more."""
    assert not stage.presence.standing("struck")
    assert (stage.told, stage.place.link.waiting) == (["struck"], 0)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Return a clock that a test sets."""
    made = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(presence, "clock", lambda: made.now)
    return made


def enrol(stage: Stage) -> None:
    """Register, and wait for the answer."""
    stage.presence.register()
    stage.place.until(lambda: stage.told == ["enrolled"], "its registration")


def beat(stage: Stage) -> None:
    """Beat, and wait for what Redis says."""
    stage.presence.mind(math.inf)
    assert stage.place.link.waiting == 1
    stage.place.until(lambda: stage.place.link.waiting == 0, "an answer")


def sure_at(stage: Stage, clock: SimpleNamespace, *times: float) -> list[bool]:
    """Return whether it is sure at these times."""
    found = []
    for clock.now in times:
        found.append(stage.presence.is_sure)
    return found


def test_is_sure_by_a_sign_of_life(
    stage: Stage, clock: SimpleNamespace, plain: redis.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    """While the last one that Redis has taken is younger than two beats: it is taken for dead after three."""
    assert not stage.presence.is_sure
    enrol(stage)
    assert sure_at(stage, clock, 1000.0, 1010.0, 1010.1) == [True, True, False]

    beat(stage)
    assert sure_at(stage, clock, 1020.1, 1020.2) == [True, False]

    plain.delete("all:beats")
    plain.set("all:beats", "something else")
    beat(stage)
    assert not stage.presence.is_sure
    assert [("WRONGTYPE" in line, line.startswith("refused")) for line in caplog.messages] == [(True, True)]


def test_is_not_sure_of_what_has_no_answer(stage: Stage, clock: SimpleNamespace) -> None:
    """A beat that is under way may never arrive; and without a connection nothing is known."""
    enrol(stage)
    clock.now += 100.0
    stage.presence.mind(math.inf)
    assert (stage.place.link.waiting, stage.presence.is_sure) == (1, False)
    stage.place.until(lambda: stage.place.link.waiting == 0, "its answer")
    assert stage.presence.is_sure

    stage.presence.gone()
    assert not stage.presence.is_sure


def test_who_was_away_registers(stage: Stage, clock: SimpleNamespace) -> None:
    """After a pause of more than a beat, before anything else; also when the whole host was suspended."""
    enrol(stage)
    for clock.now in (1000.0, 1005.0):
        stage.presence.awake(0.0)
        assert stage.presence.known
    clock.now = 1010.1
    stage.presence.awake(0.0)

    assert not stage.presence.known
    stage.presence.mind(0.0)
    stage.place.until(lambda: stage.told == ["enrolled"] * 2, "another registration")
    assert stage.presence.known


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="another system's clocks")
def test_the_clock_goes_on_while_the_host_sleeps() -> None:
    """It is Linux's own for that; `time.monotonic` stands still then, and tells nothing of it."""
    assert presence._CLOCK == time.CLOCK_BOOTTIME  # noqa: SLF001 - what it says differs only once the host has slept
