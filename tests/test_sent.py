"""What `Exchanges` makes of a job that the bell has brought: started at once where that is safe, or else looked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
import redis

from qw.scripts import Batch, Letter
from tests.support.links import making_places
from tests.support.scripts import ALIVE, ONE, THREE, jobs, seed
from tests.support.stage import Stage

A: Final = Letter(ONE, Batch(ONE, ["a"], b'["n","a","a"]'))


@pytest.fixture
def stage(redis_url: str, plain: redis.Redis) -> Iterator[Stage]:
    """Return workers of a start that is alive; the job is in the list of the first of them."""
    seed(plain, {**ALIVE, **jobs("a"), f"{ONE}:jobs": ["a"]})
    with making_places() as make:
        yield Stage(make(redis_url).open())


def test_is_started_at_once(stage: Stage) -> None:
    """Nothing is asked of Redis for it."""
    stage.exchanges.sent(A)

    assert stage.held == ["a"]
    assert (bool(stage.adoptions), stage.exchanges.dry, stage.doubts_of_bell) == (False, True, 0)


def test_goes_to_nobody_else(stage: Stage, plain: redis.Redis) -> None:
    """If it has to wait it goes back to its worker's list, and is looked for there."""
    stage.exchanges.sent(A)
    stage.exchanges.release(ONE, stage.crew[ONE].take_back())

    assert stage.adoptions.reserved(ONE)
    stage.settle()
    assert (stage.held, plain.lrange(f"{ONE}:jobs", 0, -1), plain.exists("all:jobs")) == (["a"], [b"a"], 0)


def test_is_looked_for(stage: Stage) -> None:
    """When the bell has told no more than whom it is for. What is found may be in a letter that is still to come."""
    stage.exchanges.sent(Letter(ONE))
    assert stage.held == []

    stage.settle()
    assert (stage.held, stage.doubts_of_bell) == (["a"], 1)


def test_nothing_found_is_no_doubt(stage: Stage, plain: redis.Redis) -> None:
    """A look that finds nothing says nothing of letters."""
    plain.delete(f"{ONE}:jobs")
    stage.exchanges.sent(Letter(ONE))
    stage.settle()

    assert (stage.held, stage.doubts_of_bell) == ([], 0)


def test_is_not_started_beside_an_exchange(stage: Stage) -> None:
    """One that is in flight may have found it as well: it is in hand once."""
    stage.adoptions.look(ONE)
    stage.ask()
    assert stage.exchanges.in_flight
    stage.exchanges.sent(A)
    assert stage.held == []
    stage.settle()
    stage.settle()

    assert stage.held == ["a"]


def test_is_not_started_twice(stage: Stage) -> None:
    """While its outcome is on its way, it is in hand still."""
    stage.exchanges.finished(ONE, ["a"])
    stage.exchanges.sent(A)

    assert (stage.held, stage.adoptions.reserved(ONE)) == ([], True)


def test_is_not_started_behind_another(stage: Stage) -> None:
    """Its worker has something else to do: it is looked for when that is over."""
    stage.crew[ONE].hand(Batch(ONE, ["z"], b"[]"), 0.0, unasked=False, keep_lines=False)
    stage.exchanges.sent(A)

    assert (stage.held, stage.adoptions.reserved(ONE)) == (["z"], True)


def test_does_not_overtake(stage: Stage) -> None:
    """Where others were sent before it that are still to be looked for."""
    stage.adoptions.look(ONE)
    stage.exchanges.sent(A)

    assert stage.held == []


def test_is_not_started_when_no_more_are_taken(stage: Stage) -> None:
    """It stays where it is."""
    stage.exchanges.quiet = True
    stage.exchanges.sent(A)

    assert stage.held == []


@pytest.mark.parametrize("batch", [None, Batch(THREE, ["a"], b"[]")])
def test_is_nothing_to_us(stage: Stage, batch: Batch | None) -> None:
    """When it is for a worker of another manager: the bell rings for all."""
    stage.exchanges.sent(Letter(THREE, batch))

    assert (stage.held, bool(stage.adoptions)) == ([], False)
