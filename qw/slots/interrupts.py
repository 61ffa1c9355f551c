"""Ctrl-C while a process is being born: it comes a moment later, to a slot that can be cleared up."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def postponed() -> Iterator[None]:
    """
    Let SIGINT wait until the block is over, for this thread and for what is born in it.

    A birth that is cut off half way leaves an executor that nobody can end, and the interpreter waits for it
    when it exits. Where other threads of the program take the signal, it comes at once nevertheless.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT,))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Outlive SIGINT and SIGTERM: a terminal and systemd signal the whole group; the manager decides about a slot."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Not SIG_IGN: programs that the target starts would inherit that, and could not be terminated.
    signal.signal(signal.SIGTERM, _pass)
    # It was born with SIGINT blocked, which programs that the target starts would inherit.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))


def _pass(_number: int, _frame: FrameType | None) -> None:
    """Do nothing."""
