"""Moments on a command line: those that are taken, those that are shown, and that nothing else ever happens."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qw.commands.times import moment, shown
from qw.errors import UsageError

#: From the first to the last moment of the calendar, in seconds since 1970.
SECONDS = st.floats(-62135596800, 253402300799, allow_nan=False)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2030-01-31T08:00", datetime(2030, 1, 31, 8)),  # noqa: DTZ001 - it is local
        ("2030-01-31", datetime(2030, 1, 31)),  # noqa: DTZ001 - as above
        ("2030-01-31 08:00:30", datetime(2030, 1, 31, 8, 0, 30)),  # noqa: DTZ001 - as above
        ("2030-01-31T08:00:00Z", datetime(2030, 1, 31, 8, tzinfo=timezone.utc)),
        ("2030-01-31T08:00:00.250z", datetime(2030, 1, 31, 8, 0, 0, 250_000, tzinfo=timezone.utc)),
        ("2030-01-31T08:00:00+02:00", datetime(2030, 1, 31, 8, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_iso_times_are_taken(text: str, expected: datetime) -> None:
    """Without a time zone it is a local time; Z and an offset say which."""
    found = moment(text)

    assert (found, found and found.tzinfo is None) == (expected, expected.tzinfo is None)


def test_nothing_given_is_nothing() -> None:
    """Who does not say --at has no moment."""
    assert moment(None) is None


@given(st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9:.]*)?[Zz+]?[0-9:]*"))
def test_whatever_is_typed_is_a_time_or_a_usage_error(text: str) -> None:
    """Of one line, fit for a terminal."""
    with suppress(UsageError):
        assert isinstance(moment(text), datetime)
        return
    with pytest.raises(UsageError) as caught:
        moment(text)
    assert "\n" not in caught.value.message


@given(SECONDS)
def test_what_is_shown_can_be_typed(seconds: float) -> None:
    """To the millisecond."""
    found = moment(shown(seconds))

    assert found is not None
    assert abs((found - datetime.fromtimestamp(seconds, timezone.utc)).total_seconds()) <= 0.001


@given(st.floats())
def test_every_number_can_be_shown(seconds: float) -> None:
    """Another program may have written any score."""
    assert shown(seconds)
