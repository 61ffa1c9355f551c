"""How many jobs a slot is given ahead: one when they are long or unknown, many when they are short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qw.dispatcher.pace import AHEAD, ALONE, CLIP, DEEPEST, Pace

DURATIONS = st.lists(st.floats(0, 1e6), max_size=50)


def depth_after(*durations: float) -> int:
    """Return how many jobs a slot may hold after jobs that took so many seconds."""
    pace = Pace()
    pace.note(durations)
    return pace.depth()


def test_one_at_a_time_until_something_is_known() -> None:
    """The first jobs of a manager may be long ones."""
    assert Pace().depth() == 1
    assert depth_after() == 1


@pytest.mark.parametrize(
    ("seconds", "depth"),
    [
        (0.0, DEEPEST),
        (1e-6, DEEPEST),
        (0.000099, 102),
        (0.00099, 11),
        (0.0049, 3),
        (AHEAD + 0.0001, 2),
        (ALONE - 0.0001, 2),
        (ALONE + 0.0001, 1),
        (CLIP, 1),
        (3600.0, 1),
    ],
)
def test_about_ten_milliseconds_of_work(seconds: float, depth: int) -> None:
    """A slot holds the job that runs, and as many more as take 10 ms together."""
    assert depth_after(*[seconds] * 100) == depth


def test_an_hour_counts_as_20_ms() -> None:
    """One long job among short ones does not make the next thousand go one by one."""
    short = [0.0001] * 500

    assert depth_after(*short, 3600.0) == depth_after(*short, CLIP) > 5


def test_a_change_of_work_is_noticed() -> None:
    """A few hundred jobs of another length are enough to change the pace."""
    pace = Pace()
    pace.note([1.0] * 1000)
    assert pace.depth() == 1

    for _ in range(200):
        pace.note([0.0001])
    assert pace.depth() > 50

    pace.note([1.0] * 200)
    assert pace.depth() == 1

    pace.note([0.0001] * 200)
    assert pace.depth() > 50


@given(st.integers(1, 50), st.integers(0, 50))
def test_how_reports_come_in_makes_no_difference(count: int, cut: int) -> None:
    """Jobs that take the same, reported in one batch or in two, lead to the same pace."""
    alike = [0.0011] * count
    apart = Pace()
    apart.note(alike[:cut])
    apart.note(alike[cut:])

    assert apart.depth() == depth_after(*alike)


@given(st.lists(DURATIONS, max_size=5))
def test_stays_within_its_bounds(reports: list[list[float]]) -> None:
    """Whatever jobs take, a slot gets at least one and not more than is of use."""
    pace = Pace()
    for durations in reports:
        pace.note(durations)

        assert 1 <= pace.depth() <= DEEPEST
