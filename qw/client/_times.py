"""
When a delayed job is due, as a program says it and as `queue.lua` takes it.

    delay=90, delay=timedelta(minutes=2)           ──▶  +90000.0, +120000.0   ms from Redis's now
    at=1893456000.5, at=datetime(2030, 1, 1, …)    ──▶  1893456000500.0    ms since 1970
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta, timezone
from typing import Final, TypeAlias

from qw.errors import UsageError

#: How long a job is to wait: seconds, or a timedelta.
Delay: TypeAlias = float | timedelta

#: A moment: a datetime (without a time zone it is local), or seconds since 1970.
Moment: TypeAlias = float | datetime

#: Seconds, some thirty thousand years: for ever, and a float can still tell one ms from the next.
FAR: Final = 1e12


def when_of(delay: Delay | None, at: Moment | None) -> bytes:
    """
    Return when jobs are due, in the form of `queue.lua`; nothing for now.

    Raises `UsageError` for what is no time, for a `delay` below 0, and for both at once.
    """
    if delay is not None and at is not None:
        raise UsageError("delay and at both say when the job is due: leave out one")
    if delay is not None:
        seconds = _checked(_length(delay), f"delay {_shown(delay)}: use seconds, 0 or more, or a timedelta", 0.0)
        return b"+%r" % (seconds * 1000) if seconds else b""
    if at is not None:
        return b"%r" % (_checked(_epoch(at), f"at {_shown(at)}: use a datetime, or seconds since 1970") * 1000)
    return b""


def _length(delay: object) -> float:
    return delay.total_seconds() if isinstance(delay, timedelta) else _number(delay)


def _epoch(at: object) -> float:
    if not isinstance(at, datetime):
        return _number(at)
    try:
        return at.timestamp()
    except (OverflowError, ValueError, OSError):
        # At both ends of what a datetime can hold there is no local time any more.
        return at.replace(tzinfo=timezone.utc).timestamp()


def _number(value: object) -> float:
    """Return a number as a float; NaN for what is none."""
    try:
        return float(value) if isinstance(value, (int, float)) else math.nan
    except OverflowError:  # a whole number that no float holds
        return math.inf


def _checked(seconds: float, complaint: str, least: float = -FAR) -> float:
    if not least <= seconds <= FAR:
        raise UsageError(complaint)
    return seconds


def _shown(value: object) -> str:
    return "of that size" if isinstance(value, int) and abs(value) > FAR else repr(value)
