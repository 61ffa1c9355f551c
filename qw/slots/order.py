"""
Puts a worker process in order after each job: what a target left behind must not meet the next one.

    restored   working directory, umask, signal handlers (and with them a timer), the recursion limit
    replaced   the process, when something cannot be: a standard stream or a descriptor of the slot's is
               closed, or its number is used for something else by now (`own`)

What a target does to `os.environ`, `sys.path`, its own modules, the locale or resource limits is its own affair.
In threads mode nothing of this is done: the process is everybody's. All of it takes a microsecond and a half.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Final

# What is within `signal.getsignal`, which makes an enum of each answer: with Python 3.11 and 3.12 that takes fifty
# times as long, and five of them more than all else that is done for a job.
_handler_of: Callable[[int], object] = getattr(sys.modules.get("_signal"), "getsignal", signal.getsignal)

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGIO)


class Order:
    """How the process was before the first job."""

    def __init__(self) -> None:
        self._directory = _directory()
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._handlers = tuple((int(number), _handler_of(number)) for number in SIGNALS)
        self._recursion = sys.getrecursionlimit()

    def restore(self) -> bool:
        """Put right what can be put right; returns whether that was all."""
        for number, handler in self._handlers:
            if _handler_of(number) is not handler:
                self._restore_handler(number, handler)
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        os.umask(self._umask)
        for stream in (sys.stdout, sys.stderr):
            if stream is not None and stream.closed:
                return False
        return _directory() == self._directory or self._go_back()

    @staticmethod
    def _restore_handler(number: int, handler: object) -> None:
        if number == signal.SIGALRM:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if callable(handler) or isinstance(handler, int):
            signal.signal(number, handler)

    def _go_back(self) -> bool:
        try:
            os.chdir(self._directory)
        except OSError:
            return False
        return True


def _directory() -> str:
    try:
        # (To go back to a descriptor of it would be faster than to ask; but where nobody may look into it any
        # more, or it was replaced by another one of its name, that is not the same.)
        return os.getcwd()  # noqa: PTH109 - a text is enough, after each job
    except OSError:
        return ""
