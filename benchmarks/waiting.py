"""Waiting for what another process does."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds between two looks: what is timed by them is some hundred times as long.
PAUSE = 0.005

#: Seconds after which something is wrong.
PATIENCE = 600.0


def wait_until(condition: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
    """Return when `condition` holds; raises `TimeoutError` when `what` does not come."""
    end = time.monotonic() + within
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {within:g} s for {what}")
        time.sleep(PAUSE)
