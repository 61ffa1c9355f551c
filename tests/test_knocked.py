"""What `Exchanges` makes of a job that a knock has brought: started at once where that is safe, or else adopted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pytest
import redis

from qw.scripts import Batch, Peeked, Status
from tests.support.links import making_places
from tests.support.scripts import ALIVE, ONE, TWO, jobs, seed
from tests.support.stage import Stage

A: Final = Batch(ONE, ["a"], b'["n","a","a"]')


def knock(stage: Stage, peeked: Peeked | None) -> None:
    """Say that a job was moved to the first worker, and what was seen of it."""
    stage.exchanges.knocked(ONE, "a", "", peeked)


def seen(batch: Batch | None = A, *, more: bool = False, status: Status = "ok") -> Peeked:
    """Return what `peek` may answer."""
    return Peeked(status, 1, more, batch)


@pytest.fixture
def stage(redis_url: str, plain: redis.Redis) -> Iterator[Stage]:
    """Return workers of a start that is alive; the job is in the list of the first of them, as a BLMOVE leaves it."""
    seed(plain, {**ALIVE, **jobs("a"), f"{ONE}:jobs": ["a"]})
    with making_places() as make:
        yield Stage(make(redis_url).open())


def test_is_started_at_once(stage: Stage) -> None:
    """Nothing is asked of Redis for it."""
    knock(stage, seen())

    assert stage.held == ["a"]
    assert (bool(stage.adoptions), stage.exchanges.dry) == (False, True)


def test_more_are_asked_for(stage: Stage) -> None:
    """When the queues hold more than this one."""
    knock(stage, seen(more=True))

    assert (stage.held, stage.exchanges.dry) == (["a"], False)


@pytest.mark.parametrize("peeked", [None, seen(None), seen(Batch(ONE, ["b"], b"[]"))], ids=["error", "none", "other"])
def test_is_adopted(stage: Stage, peeked: Peeked | None) -> None:
    """When nothing was seen of it, or another one in its place: the next exchange finds it."""
    knock(stage, peeked)
    assert stage.held == []

    stage.settle()
    assert stage.held == ["a"]


def test_is_not_started_beside_an_exchange(stage: Stage) -> None:
    """One that is in flight may have found it as well: it is in hand once."""
    stage.adoptions.claimed(ONE, "")
    stage.ask()
    assert stage.exchanges.in_flight
    knock(stage, seen())
    stage.settle()
    stage.settle()

    assert stage.held == ["a"]


def test_what_is_armed_is_doubted(stage: Stage) -> None:
    """When a worker's list is looked into: the knock may tell of what has been found there, and run, by then."""
    stage.adoptions.claimed(ONE, "")
    stage.settle()

    assert stage.doubted == [ONE]


def test_is_not_started_twice(stage: Stage) -> None:
    """Told of again while its outcome is on its way, it is in hand still."""
    stage.exchanges.finished(ONE, ["a"])
    knock(stage, seen())

    assert (stage.held, bool(stage.adoptions)) == ([], True)


def test_is_not_started_behind_another(stage: Stage) -> None:
    """It came too late: its worker has got something else to do, and it goes the way of all that are fetched ahead."""
    stage.crew[ONE].hand(Batch(ONE, ["z"], b"[]"), 0.0, unasked=False, keep_lines=False)
    knock(stage, seen())

    assert (stage.held, bool(stage.adoptions)) == (["z"], True)


def test_is_not_started_when_no_more_are_taken(stage: Stage, plain: redis.Redis) -> None:
    """It is given back."""
    stage.exchanges.quiet = True
    knock(stage, seen())
    stage.settle()
    stage.settle()

    assert (stage.held, plain.lrange("all:jobs", 0, -1)) == ([], [b"a"])


def test_is_not_started_by_one_that_is_struck_off(stage: Stage) -> None:
    """Another one sees to it."""
    knock(stage, seen(status="struck"))

    assert (stage.held, stage.is_struck) == ([], True)


def test_the_first_after_a_rest_come_one_by_one(stage: Stage, plain: redis.Redis) -> None:
    """Whatever was known of those before: other managers may be at rest as well, and these may take long."""
    seed(plain, {**jobs(*"bcdef"), "all:jobs": list("fedcb")})
    stage.exchanges.pace.note([0.0001] * 100, 0.0)
    knock(stage, seen(more=True))
    stage.settle(now=1.0)

    assert (stage.held, [job_id for job_id, _ in stage.crew[TWO].held]) == (["a"], ["b"])
    assert plain.lrange("all:jobs", 0, -1) == [b"f", b"e", b"d", b"c"]
