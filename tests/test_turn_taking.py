"""A dispatcher leaves the interpreter to threads that it gives jobs to, where they give it back at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Final, NamedTuple

import pytest
import redis

from qw.dispatcher import exchanges
from qw.dispatcher.exchanges import AT_ONCE
from qw.dispatcher.pace import LEISURELY, Pace
from tests.support.links import making_places
from tests.support.scripts import ALIVE, jobs, seed
from tests.support.slots import Idle
from tests.support.stage import Stage


class Case(NamedTuple):
    """Jobs that wait in Redis, and the slots that they come to."""

    waiting: list[str]
    #: Seconds that a job takes.
    seconds: float
    #: Whether each slot has a thread of its own.
    own: bool
    #: Seconds until the interpreter is back.
    away: float
    #: How often it is left.
    left: int


CASES: Final = {
    "they wait": Case(["b", "a"], LEISURELY, True, 0.0, 2),
    "they are short": Case(["b", "a"], LEISURELY * 0.9, True, 0.0, 0),
    "they compute": Case(["b", "a"], LEISURELY, True, AT_ONCE, 1),
    "they are tasks": Case(["b", "a"], LEISURELY, False, 0.0, 0),
    "only one": Case(["a"], LEISURELY * 0.9, True, 0.0, 1),
    "only one task": Case(["a"], LEISURELY * 0.9, False, 0.0, 1),
}


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


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_leaves_the_interpreter(stage: Stage, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    """To each thread that waits, or to the only job; not to short ones, nor again once it was kept from it."""
    clock = Clock(case.away)
    monkeypatch.setattr(Idle, "has_thread", case.own)
    monkeypatch.setattr(exchanges, "time", SimpleNamespace(monotonic=clock.monotonic, sleep=clock.sleep))
    seed(plain, {**jobs(*case.waiting), "all:jobs": case.waiting})
    pace = stage.exchanges.pace = Pace()
    pace.note([case.seconds] * 100, 0.0)
    stage.exchanges.ask()
    stage.settle()

    assert sum(len(state.held) for state in stage.crew) == len(case.waiting)
    assert clock.left == case.left
