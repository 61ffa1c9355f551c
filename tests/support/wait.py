"""Waiting for what another process or thread does: the only place in the tests that sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

#: Seconds between two looks: short beside what is waited for, long beside a look.
PAUSE = 0.005


def wait_until(condition: Callable[[], T], within: float = 5.0, why: str = "") -> T:
    """
    Call `condition` until what it returns is true, and return that.

    Raises `AssertionError` after `within` seconds, with `why` (what is waited for) and what was returned last.
    """
    end = time.monotonic() + within
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            message = f"not within {within:g} s: {why or getattr(condition, '__name__', condition)} (last: {value!r})"
            raise AssertionError(message)
        time.sleep(PAUSE)
