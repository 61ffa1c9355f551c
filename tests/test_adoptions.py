"""What a dispatcher adopts from its workers' own lists: when it looks, and which jobs are one worker's alone."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from qw.dispatcher.adoptions import Adoptions
from qw.scripts import Adopt, Batch

ONE, TWO = "web.1.0", "web.1.1"


def nothing(worker: str) -> Sequence[str]:
    """Return what a worker has in hand: nothing."""
    return ()


@pytest.fixture
def free() -> set[str]:
    """Return the workers that are free; a test takes some out."""
    return {ONE, TWO}


@pytest.fixture
def adoptions(free: set[str]) -> Adoptions:
    """Return the adoptions of a manager with two workers."""
    return Adoptions((ONE, TWO), "web", free.__contains__)


def batch(worker: str, *ids: str) -> Batch:
    """Return jobs that an exchange has brought."""
    return Batch(worker, ids, b"")


def test_a_knock_is_looked_for_at_once(adoptions: Adoptions, free: set[str]) -> None:
    """Whether its worker is free or not, and nothing else that is in its list."""
    free.clear()

    adoptions.knocked(ONE, "a", "web:jobs")
    adoptions.knocked(ONE, "b", "")

    assert adoptions
    assert adoptions.plan(nothing) == [Adopt(ONE, (), {"a": "web:jobs", "b": ""}, None)]
    assert adoptions.done([batch(ONE, "a", "b")]) == {ONE}
    assert not adoptions
    assert adoptions.for_others(ONE, ["a", "b"]) == ["a", "b"]


def test_what_comes_during_an_exchange_is_for_the_next_one(adoptions: Adoptions) -> None:
    """The answer to the one before says nothing of it."""
    adoptions.knocked(ONE, "a", "")
    adoptions.plan(nothing)

    adoptions.knocked(ONE, "b", "")
    adoptions.look(TWO)
    adoptions.done([batch(ONE, "a")])

    assert adoptions.plan(nothing) == [Adopt(ONE, (), {"b": ""}, None), Adopt(TWO, (), {}, "web:jobs")]


def test_what_had_no_answer_is_looked_for_again(adoptions: Adoptions) -> None:
    """With all that was known of it, and with what has come meanwhile."""
    adoptions.knocked(ONE, "a", "web:jobs")
    adoptions.look(TWO)
    adoptions.plan(nothing)

    adoptions.knocked(ONE, "b", "")
    adoptions.lost()

    assert adoptions.plan(nothing) == [
        Adopt(ONE, (), {"a": "web:jobs", "b": ""}, None),
        Adopt(TWO, (), {}, "web:jobs"),
    ]


def test_what_was_sent_to_a_worker_waits_until_it_is_free(adoptions: Adoptions, free: set[str]) -> None:
    """Until then the worker gets nothing else, and there is nothing to look for."""
    free.remove(ONE)
    adoptions.look(ONE)

    assert adoptions.reserved(ONE)
    assert not adoptions
    assert adoptions.plan(nothing) == []

    free.add(ONE)
    assert adoptions
    assert adoptions.plan(nothing) == [Adopt(ONE, (), {}, "web:jobs")]
    assert not adoptions.reserved(ONE)


def test_what_was_sent_to_a_worker_goes_to_nobody_else(adoptions: Adoptions) -> None:
    """What cannot start at once stays in its list, and is looked for when it is free again."""
    adoptions.look(ONE)
    adoptions.plan(nothing)
    adoptions.done([batch(ONE, "a", "b", "c"), batch(TWO, "d")])

    adoptions.ended(["a"])

    assert adoptions.for_others(ONE, ["b", "c", "x"]) == ["x"]
    assert adoptions.plan(nothing) == [Adopt(ONE, (), {}, "web:jobs")]
    assert adoptions.for_others(TWO, ["d"]) == ["d"]


def test_a_knock_and_what_was_sent_are_told_apart(adoptions: Adoptions) -> None:
    """They are not looked for at the same time, for what comes could be either."""
    adoptions.look(ONE)
    adoptions.knocked(ONE, "a", "")

    assert adoptions.plan(nothing) == [Adopt(ONE, (), {"a": ""}, None)]
    adoptions.done([batch(ONE, "a")])
    assert adoptions.plan(nothing) == [Adopt(ONE, (), {}, "web:jobs")]


def test_after_a_lost_claim_everything_is_looked_for(adoptions: Adoptions, free: set[str]) -> None:
    """In all lists, free or not, beside what a knock has announced."""
    free.clear()
    adoptions.knocked(TWO, "a", "web:jobs")

    adoptions.claimed(ONE, "")
    adoptions.claimed(TWO, "")

    found = {adopt.worker: adopt for adopt in adoptions.plan(lambda worker: [f"held by {worker}"])}
    assert found == {
        ONE: Adopt(ONE, [f"held by {ONE}"], {}, ""),
        TWO: Adopt(TWO, [f"held by {TWO}"], {"a": "web:jobs"}, ""),
    }


def test_the_bell_rings_for_all_managers(adoptions: Adoptions) -> None:
    """What was sent to a worker of another one is nothing to us."""
    adoptions.look("api.7.0")

    assert not adoptions
    assert adoptions.plan(nothing) == []
