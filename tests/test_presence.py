"""`Presence` on a link to a real Redis: when a start registers, and that it does not once it has said goodbye."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import redis
from redis.exceptions import ResponseError

from qw.dispatcher.presence import Presence
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
        self.presence = Presence(place.link, scripts(), "web.s1", 15.0, self)

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


def test_is_sure_while_it_goes_on(stage: Stage) -> None:
    """Known, and no longer than a beat since the last turn: in a longer pause it may have been taken for dead."""
    assert not stage.presence.is_sure(0.0)
    stage.presence.register()
    stage.place.until(lambda: stage.told == ["enrolled"], "its registration")
    stage.presence.awake(100.0)

    assert [stage.presence.is_sure(now) for now in (100.0, 105.0, 105.1)] == [True, True, False]
    stage.presence.gone()
    assert not stage.presence.is_sure(100.0)
