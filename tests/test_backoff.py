"""When a job that failed is tried again: somewhere in a span that doubles with each try, up to a cap."""

from __future__ import annotations

import random

import attrs
import pytest

from qw.errors import Retry, UsageError
from qw.job import Job, JobType, Options
from qw.slots.failures import failed
from qw.slots.limits import Limits
from qw.units import LONGEST

#: More tries than any job has.
COUNTLESS = 10**6
DRAWS = 2000


def delays(tries: int, backoff: float, cap: float, draws: int = DRAWS) -> list[float]:
    """Return the delays before the next try of jobs that were tried so often before."""

    @attrs.frozen
    class Drawn(Job[None]):
        options = Options(retries=COUNTLESS + 1, backoff=backoff, backoff_cap=cap)

    its_type = JobType[None](Drawn)
    outcomes = [failed(ValueError(), its_type, "web.1.0", Limits(), tries) for _ in range(draws)]
    assert {outcome.kind for outcome in outcomes} == {"retry"}
    return [outcome.ttl for outcome in outcomes]


@pytest.fixture(autouse=True)
def _same_draws_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", random.Random(1).uniform)


@pytest.mark.parametrize(
    ("tries", "most"),
    [(0, 0.5), (1, 1.0), (2, 2.0), (5, 16.0), (7, 60.0), (59, 60.0), (61, 60.0), (5000, 60.0), (COUNTLESS, 60.0)],
)
def test_anywhere_in_the_span(tries: int, most: float) -> None:
    """Full jitter: none is later than the span allows, and they come from all of it, not from its end alone."""
    drawn = delays(tries, 0.5, 60.0)

    assert 0.0 <= min(drawn) < most / 3
    assert most * 2 / 3 < max(drawn) <= most
    # A third each, and not half or double that.
    thirds = [sum(n * most / 3 <= delay < (n + 1) * most / 3 for delay in drawn) for n in range(3)]
    assert all(DRAWS / 4 < count < DRAWS / 2 for count in thirds), thirds


@pytest.mark.parametrize(
    ("backoff", "cap", "most"),
    [(0.0, 600.0, 0.0), (1.0, 0.0, 0.0), (900.0, 600.0, 600.0), (LONGEST, 600.0, 600.0), (1e-308, 600.0, 1e-280)],
    ids=["no backoff", "no cap", "above the cap", "as much as can be", "hardly any"],
)
def test_at_the_edges(backoff: float, cap: float, most: float) -> None:
    """Any number that an option may have gives a time that can be waited for."""
    assert all(0.0 <= delay <= most for delay in delays(60, backoff, cap, draws=100))


def test_what_a_target_asks_for_is_taken_as_it_is() -> None:
    """No jitter, and no cap: the target knows better."""
    assert failed(Retry(after=7000.5), None, "web.1.0", Limits(), COUNTLESS).ttl == 7000.5


@pytest.mark.parametrize("after", [-1.0, -1e-9, float("nan"), float("inf"), float("-inf")])
def test_a_time_that_cannot_be_is_refused(after: float) -> None:
    """Where the target asks for it, and not in Redis."""
    with pytest.raises(UsageError, match=r"Retry\(after=.*0 or more"):
        Retry(after=after)
