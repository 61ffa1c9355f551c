"""The event loop of `async def` targets: it waits to the microsecond, and is the program's own where that chose one."""

from __future__ import annotations

import asyncio
import os
import selectors
import socket
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from qw.slots.loops import FineSelector, new_event_loop

pytestmark = pytest.mark.skipif(not hasattr(selectors, "EpollSelector"), reason="other selectors are fine enough")


@pytest.fixture
def selector() -> Iterator[FineSelector]:
    """Return one that waits for nothing yet."""
    with closing(FineSelector()) as made:
        yield made


def test_waits_for_less_than_a_millisecond(selector: FineSelector) -> None:
    """Of a hundred waits on a busy machine one at least lasts as long as it should."""
    shortest = min(_lasts(selector, 0.0002) for _ in range(100))

    assert 0.0002 <= shortest < 0.001


def _lasts(selector: FineSelector, seconds: float) -> float:
    began = time.perf_counter()
    assert selector.select(seconds) == []
    return time.perf_counter() - began


@pytest.mark.parametrize("timeout", [0.5, 5.0, 0, -1, None])
def test_tells_what_happens(timeout: float | None, selector: FineSelector) -> None:
    """However long it may wait, it does not when there is something."""
    mine, its = socket.socketpair()
    with mine, its:
        key = selector.register(mine, selectors.EVENT_READ)
        its.send(b"x")

        assert selector.select(timeout) == [(key, selectors.EVENT_READ)]


def test_waits_as_well_under_a_high_number(monkeypatch: pytest.MonkeyPatch) -> None:
    """`select` takes no descriptor from 1024 on; epoll waits then, for a millisecond more."""
    files = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        with closing(FineSelector()) as selector:
            assert selector.fileno() > 1023
            assert selector.select(0.001) == []
            assert _lasts(selector, 0.005) >= 0.005
    finally:
        for fileno in files:
            os.close(fileno)


def test_a_loop_of_its_own_is_fine() -> None:
    """It runs as any other."""
    with closing(new_event_loop()) as loop:
        assert loop.run_until_complete(asyncio.sleep(0.001, "done")) == "done"
        assert isinstance(loop._selector, FineSelector)  # type: ignore[attr-defined]  # noqa: SLF001


def test_a_loop_that_the_program_chose_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as uvloop's, which is of another class."""

    class Chosen(asyncio.SelectorEventLoop):
        """Another class."""

    monkeypatch.setattr(asyncio, "new_event_loop", Chosen)
    with closing(new_event_loop()) as loop:
        assert type(loop) is Chosen
