"""The one job in hand that was rescued before: no other such job is dealt until it is out of hand, by whatever end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest
import redis

from qw.dispatcher.rescued import RescuedInHand
from qw.scripts import Batch
from qw.slots import Outcome
from tests.support.links import making_places
from tests.support.scripts import ALIVE, ONE, TWO, jobs, seed
from tests.support.stage import Stage

RESCUED: Final = jobs("a", "b", **{"qw:rescues": "1"})


def finish(stage: Stage, worker: str, job_id: str) -> None:
    """Have it finish, with nothing to keep."""
    stage.exchanges.finished(worker, [job_id])


def fail(stage: Stage, worker: str, job_id: str) -> None:
    """Have it fail for good."""
    stage.exchanges.ended(worker, job_id, Outcome("bury", 60.0, "{}"))


def release(stage: Stage, worker: str, job_id: str) -> None:
    """Have it go back."""
    stage.exchanges.release(worker, [job_id])


@pytest.fixture
def stage(redis_url: str, plain: redis.Redis) -> Iterator[Stage]:
    """Return two free workers; two jobs that were rescued before wait for them."""
    seed(plain, {**ALIVE, **RESCUED, "all:jobs": ["b", "a"]})
    with making_places() as make:
        yield Stage(make(redis_url).open())


@pytest.mark.parametrize("end", [finish, fail, release])
def test_the_next_one_comes_when_it_is_out_of_hand(stage: Stage, end: Callable[[Stage, str, str], None]) -> None:
    """Of two one is dealt, and none beside it; then there is one again, and it is asked for at once."""
    stage.exchanges.ask()
    stage.settle()
    assert in_hand(stage) == 1
    stage.exchanges.ask()
    stage.settle()
    assert in_hand(stage) == 1

    worker = ONE if stage.crew[ONE].held else TWO
    ((job_id, _),) = stage.crew[worker].held
    stage.crew[worker].held.clear()
    end(stage, worker, job_id)
    assert not stage.exchanges.dry
    stage.settle()
    assert in_hand(stage) == 1


def in_hand(stage: Stage) -> int:
    """Return how many jobs the workers hold."""
    return sum(len(stage.crew[name].held) for name in (ONE, TWO))


def test_knows_those_that_were_rescued() -> None:
    """By the field in their lines; others come and go without a change."""
    known = RescuedInHand()
    known.take(Batch(ONE, ["a", "b"], b'["n","1","a"]\n["qw:rescues","1","b"]'))

    assert not known.ended(["a"])
    assert known
    assert known.ended(["a", "b"])
    assert not known
    assert not known.ended(["b"])
