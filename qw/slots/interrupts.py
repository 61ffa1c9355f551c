"""
Signals that say "end": a process of qw outlives them, and what its target starts does not.

Ctrl-C while a process is being born comes a moment later, to a slot that can be cleared up.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeAlias

Handler: TypeAlias = "Callable[[int, FrameType | None], None]"


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


def _pass(_number: int, _frame: FrameType | None) -> None:
    """Do nothing: what matters is that Python does not do its default."""


def ignore() -> None:
    """Outlive SIGINT and SIGTERM: a terminal and systemd signal the whole group; the manager decides about a slot."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A slot has a group of its own, to which no terminal sends its end.
    if signal.SIGHUP in _ignored:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    # Not SIG_IGN: programs that the target starts would inherit that, and could not be terminated.
    outlive(signal.SIGTERM)
    # It was born with SIGINT blocked, which programs that the target starts would inherit.
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGINT,))


def outlive(*numbers: signal.Signals, handler: Handler = _pass) -> None:
    """
    Have signals handled by this process, and not by what a target forks from it.

    There a handler would do the work of another process, and a `multiprocessing.Pool` waits for ever for those that
    it has terminated.
    """
    for number in numbers:
        _own[number] = handler
        signal.signal(number, handler)


#: The handlers that were set here; another one may be there by now.
_own: dict[signal.Signals, Handler] = {}
#: Those that this process ignores only because the one handled them that it was forked from.
_ignored: set[signal.Signals] = set()
#: What the thread that forks had blocked before.
_forking = threading.local()


def _ours() -> list[signal.Signals]:
    return [number for number, handler in list(_own.items()) if signal.getsignal(number) is handler]


def _before_fork() -> None:
    """Let them wait: one that comes to the new process before `_in_child` would be lost."""
    if ours := _ours():
        _forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, ours)


def _after_fork() -> None:
    mask = vars(_forking).pop("mask", None)
    if mask is not None:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _in_child() -> None:
    """SIGTERM is for this one process; what else is outlived comes to the whole group, and its parent decides."""
    if ours := _ours():
        signal.set_wakeup_fd(-1)
        for number in ours:
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.SIG_IGN)
    _ignored.clear()
    _ignored.update(number for number in ours if number != signal.SIGTERM)
    _own.clear()
    _after_fork()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_in_child)
