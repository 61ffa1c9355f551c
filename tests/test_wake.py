"""The dispatcher's wait ends with an event, or when something is due; what is due may be over by then."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Iterator

import pytest

from qw.dispatcher.wake import wait

#: Seconds: so soon that no test takes long, and so late that it is not over before it is waited for.
SOON = 0.02


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Return both ends of a pipe."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)
    os.close(writing)


def poll_of(fileno: int) -> select.poll:
    """Return what waits until this can be read."""
    poll = select.poll()
    poll.register(fileno, select.POLLIN)
    return poll


def test_an_event_ends_it(ends: tuple[int, int]) -> None:
    """Whatever is due, and whenever."""
    reading, writing = ends
    os.write(writing, b"x")

    assert wait(poll_of(reading), lambda now: now + 60.0) == {reading: select.POLLIN}
    assert wait(poll_of(reading), lambda now: now - 60.0) == {reading: select.POLLIN}


def test_what_is_due_ends_it(ends: tuple[int, int]) -> None:
    """Not before its time, and at once when that is over; it is asked about the time at which the wait began."""
    asked: list[float] = []

    def due(now: float) -> float:
        asked.append(now)
        return asked[0] + SOON

    assert wait(poll_of(ends[0]), due) == {}
    assert time.monotonic() >= asked[0] + SOON
    assert set(asked) == {asked[0]}
    assert wait(poll_of(ends[0]), lambda now: now) == {}


def test_what_is_not_due_any_more_does_not(ends: tuple[int, int]) -> None:
    """It goes on until the next is due."""
    times = [SOON, 2 * SOON, 3 * SOON, 3 * SOON]
    began = time.monotonic()

    assert wait(poll_of(ends[0]), lambda now: now + times.pop(0)) == {}
    assert time.monotonic() - began >= 3 * SOON
    assert times == []
