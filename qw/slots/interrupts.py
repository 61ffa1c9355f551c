"""
Signals that say "end": a slot outlives them, and what its target starts does not.

Ctrl-C while a process is being born comes a moment later, to a slot that can be cleared up.
"""

from __future__ import annotations

import os
import signal
import threading
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


#: What the thread that forks had blocked before.
_forking = threading.local()


def _before_fork() -> None:
    """Let SIGTERM wait, if it does nothing here: one that comes to the new process before `_in_child` would be lost."""
    if signal.getsignal(signal.SIGTERM) is _pass:
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM,))


def _after_fork() -> None:
    mask = vars(_forking).pop("mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _in_child() -> None:
    """Be no slot: a `multiprocessing.Pool` that a target has made waits for those that it has terminated."""
    if signal.getsignal(signal.SIGTERM) is _pass:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
