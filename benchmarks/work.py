"""
What the jobs of all contenders do: nothing, wait, or compute; each writes down that it ran.

Only plain functions of a number, so that any queue can call them; this module needs nothing but Python.
"""

from __future__ import annotations

import time
from typing import Final

from benchmarks.ledger import note

#: Seconds that a job waits or computes.
LONG: Final = 0.010


def nothing(number: int) -> None:
    """Do nothing, but say when."""
    now = time.monotonic()
    note(number, now, now)


def wait(number: int, seconds: float = LONG) -> None:
    """Wait as for an answer from elsewhere."""
    began = time.monotonic()
    time.sleep(seconds)
    note(number, began, time.monotonic())


async def wait_async(number: int, seconds: float = LONG) -> None:
    """Wait in the same way, in a coroutine."""
    import asyncio  # not for the other jobs: `idle` measures the memory of processes that have this module

    began = time.monotonic()
    await asyncio.sleep(seconds)
    note(number, began, time.monotonic())


def spin(number: int, seconds: float = LONG) -> None:
    """Compute until this thread has had so many seconds of a processor, however busy the machine is."""
    began, end = time.monotonic(), time.thread_time() + seconds
    while time.thread_time() < end:
        pass
    note(number, began, time.monotonic())
