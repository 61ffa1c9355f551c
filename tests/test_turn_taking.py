"""A dispatcher leaves the interpreter to threads that it gives jobs to, where they give it back at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Final

import pytest
import redis

from qw.dispatcher import exchanges
from qw.dispatcher.exchanges import AT_ONCE, LEISURELY
from qw.dispatcher.pace import Pace
from tests.support.links import making_places
from tests.support.scripts import ALIVE, jobs, seed
from tests.support.slots import Idle
from tests.support.stage import Stage

TWO_JOBS: Final = ["b", "a"]


class Clock:
    """A clock that goes on while the interpreter is left, by as long as it takes until it is back."""

    def __init__(self, away: float) -> None:
        self._away = away
        self._ahead = 0.0
        #: How often it was left.
        self.left = 0

    def monotonic(self) -> float:
        """Tell the time."""
        return time.monotonic() + self._ahead

    def sleep(self, _seconds: float) -> None:
        """Leave the interpreter."""
        self.left += 1
        self._ahead += self._away


@pytest.fixture
def stage(redis_url: str, plain: redis.Redis) -> Iterator[Stage]:
    """Return two idle workers of a start that is alive."""
    seed(plain, ALIVE)
    with making_places() as make:
        yield Stage(make(redis_url).open())


@pytest.mark.parametrize(
    ("waiting", "seconds", "own", "away", "left"),
    [
        (TWO_JOBS, LEISURELY, True, 0.0, 2),
        (TWO_JOBS, LEISURELY * 0.9, True, 0.0, 0),
        (TWO_JOBS, LEISURELY, True, AT_ONCE, 1),
        (TWO_JOBS, LEISURELY, False, 0.0, 0),
        (["a"], LEISURELY * 0.9, True, 0.0, 1),
        (["a"], None, False, 0.0, 1),
    ],
    ids=["they wait", "they are short", "they compute", "they are tasks", "only one", "only one task"],
)
def test_leaves_the_interpreter(
    stage: Stage,
    plain: redis.Redis,
    monkeypatch: pytest.MonkeyPatch,
    waiting: list[str],
    seconds: float | None,
    own: bool,
    away: float,
    left: int,
) -> None:
    """To each thread that waits, or to the only job; not to short ones, nor again once it was kept from it."""
    clock = Clock(away)
    monkeypatch.setattr(Idle, "has_thread", own)
    monkeypatch.setattr(exchanges, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    seed(plain, {**jobs(*waiting), "all:jobs": waiting})
    if seconds is not None:
        pace = stage.exchanges.pace = Pace()
        pace.note([seconds] * 100, 0.0)
    stage.exchanges.ask()
    stage.settle()

    assert sum(len(state.held) for state in stage.crew) == len(waiting)
    assert clock.left == left
