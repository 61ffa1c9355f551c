"""`Presence` on a link to a real Redis: when a start registers, and that it does not once it has said goodbye."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import redis
from redis.exceptions import ResponseError

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

    def refused(self, error: ResponseError) -> None:
        """Note it."""
        self.told.append(f"refused {error}")

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


def test_is_sure_by_a_sign_of_life(stage: Stage, plain: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
    """While the last one that Redis has taken is younger than two beats: it is taken for dead after three."""
    assert not stage.presence.is_sure(0.0)
    before = time.monotonic()
    stage.presence.register()
    stage.place.until(lambda: stage.told == ["enrolled"], "its registration")
    after = time.monotonic()
    assert [stage.presence.is_sure(now) for now in (before + 10.0, after + 10.1)] == [True, False]

    beat(stage, after + 100)
    assert [stage.presence.is_sure(after + 100 + age) for age in (10.0, 10.1)] == [True, False]

    plain.delete("all:beats")
    plain.set("all:beats", "something else")
    beat(stage, after + 200)
    assert not stage.presence.is_sure(after + 200)
    assert [("WRONGTYPE" in line, line.startswith("refused")) for line in caplog.messages] == [(True, True)]


def test_is_not_sure_of_what_has_no_answer(stage: Stage) -> None:
    """A beat that is under way may never arrive; and without a connection nothing is known."""
    stage.presence.register()
    stage.place.until(lambda: stage.told == ["enrolled"], "its registration")
    now = time.monotonic()
    stage.presence.mind(now + 100)
    assert (stage.place.link.waiting, stage.presence.is_sure(now + 100)) == (1, False)
    stage.place.until(lambda: stage.place.link.waiting == 0, "its answer")
    assert stage.presence.is_sure(now + 100)

    stage.presence.gone()
    assert not stage.presence.is_sure(now + 100)


def beat(stage: Stage, now: float) -> None:
    """Beat, and wait for what Redis says."""
    stage.presence.mind(now)
    assert stage.place.link.waiting == 1
    stage.place.until(lambda: stage.place.link.waiting == 0, "an answer")
