"""How many jobs a slot is given ahead: one when they are long or unknown, many when they are short."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qw.dispatcher.pace import AHEAD, ALONE, CLIP, DEEPEST, STALE, UNSURE, Pace

DURATIONS = st.lists(st.floats(0, 1e6), max_size=50)


def after(*durations: float) -> Pace:
    """Return the pace after jobs that took so many seconds."""
    pace = Pace()
    pace.note(durations, 0.0)
    return pace


def depth_after(*durations: float) -> int:
    """Return how many jobs an empty slot may be given after jobs that took so many seconds."""
    return after(*durations).room(0, 0.0)


def test_one_at_a_time_until_something_is_known() -> None:
    """The first jobs of a manager may be long ones."""
    assert Pace().room(0, 0.0) == 1
    assert Pace().room(1, 0.0) == 0
    assert depth_after() == 1


@pytest.mark.parametrize(
    ("seconds", "depth"),
    [
        (0.0, DEEPEST),
        (1e-6, DEEPEST),
        (0.000099, 152),
        (0.00099, 16),
        (0.0049, 4),
        (AHEAD + 0.0001, 1),
        (ALONE + 0.0001, 1),
        (CLIP, 1),
        (3600.0, 1),
    ],
)
def test_all_that_will_begin_in_time(seconds: float, depth: int) -> None:
    """An empty slot gets as many jobs as begin within 15 ms, where all take the same."""
    assert depth_after(*[seconds] * 100) == depth


@pytest.mark.parametrize(
    ("held", "rest", "room"),
    [(1, 0.010, 1), (1, 0.0055, 1), (1, 0.0045, 2), (1, 0.0, 2), (1, AHEAD + 0.0001, 0), (2, 0.012, 0)],
)
def test_behind_what_it_has(held: int, rest: float, room: int) -> None:
    """Those of 10 ms that begin within 15, after what the slot has to do first; none behind two."""
    assert after(*[0.010] * 100).room(held, rest) == room


@pytest.mark.parametrize(("held", "room"), [(0, 16), (7, 9), (8, 0), (15, 0)])
def test_none_until_a_third_is_run(held: int, room: int) -> None:
    """Of eleven jobs of 1 ms; so that batches stay whole."""
    seconds = 0.00099

    assert after(*[seconds] * 100).room(held, held * seconds) == room


@pytest.mark.parametrize(
    ("mean", "held", "room"),
    [(0.010, 0, 2), (0.010, 1, 1), (0.010, 2, 0), (0.00099, 0, 11), (0.00099, 7, 4), (0.00099, 8, 0)],
)
def test_ten_milliseconds_where_jobs_differ(mean: float, held: int, room: int) -> None:
    """Nobody knows when one of them will begin: the slot holds the one that runs, and 10 ms of work by the mean."""
    pace = after(*[mean / 2, mean * 1.5] * 100)

    assert not pace.even
    assert pace.room(held, 0.0) == room
    assert pace.room(held, UNSURE) == room


def test_an_hour_counts_as_20_ms() -> None:
    """One long job among short ones does not make the next thousand go one by one."""
    short = [0.0001] * 500

    assert depth_after(*short, 3600.0) == depth_after(*short, CLIP) > 5


def test_a_change_of_work_is_noticed() -> None:
    """A few hundred jobs of another length are enough to change the pace."""
    pace = Pace()
    pace.note([1.0] * 1000, 0.0)
    assert pace.room(0, 0.0) == 1

    for _ in range(200):
        pace.note([0.0001], 0.0)
    assert pace.room(0, 0.0) > 50

    pace.note([1.0] * 200, 0.0)
    assert pace.room(0, 0.0) == 1

    pace.note([0.0001] * 200, 0.0)
    assert pace.room(0, 0.0) > 50


@given(st.integers(1, 50), st.integers(0, 50))
def test_how_reports_come_in_makes_no_difference(count: int, cut: int) -> None:
    """Jobs that take the same, reported in one batch or in two, lead to the same pace."""
    alike = [0.0011] * count
    apart = Pace()
    apart.note(alike[:cut], 0.0)
    apart.note(alike[cut:], 0.0)

    assert apart.room(0, 0.0) == depth_after(*alike)


@given(st.lists(DURATIONS, max_size=5))
def test_stays_within_its_bounds(reports: list[list[float]]) -> None:
    """Whatever jobs take, a slot gets at least one and not more than is of use."""
    pace = Pace()
    for durations in reports:
        pace.note(durations, 0.0)

        assert 1 <= pace.room(0, 0.0) <= DEEPEST
        assert 0 <= pace.room(1, 0.0) <= DEEPEST - 1


def test_what_is_long_ago_tells_nothing() -> None:
    """After a while without the end of any job the next ones come one by one, and they alone make the new mean."""
    pace = after(*[0.0001] * 100)
    pace.rest(STALE)
    assert pace.room(0, 0.0) > 50

    pace.rest(STALE + 0.001)
    assert (pace.room(0, 0.0), pace.room(1, 0.0), pace.mean, pace.even) == (1, 0, 0.0, False)
    pace.note([0.019], STALE + 0.1)
    assert (pace.mean, pace.room(0, 0.0)) == (0.019, 1)


def test_no_end_is_no_news() -> None:
    """Having looked and found nothing does not count."""
    pace = after(*[0.0001] * 100)
    pace.note([], STALE)
    pace.rest(STALE + 0.001)

    assert pace.room(0, 0.0) == 1
