"""
Puts a worker process in order after each job: what a target left behind must not meet the next one.

    restored   working directory, umask, signal handlers (and with them a timer), the recursion limit
    replaced   the process, when something cannot be: a standard stream or a descriptor of the slot's is
               closed, or its number is used for something else by now

What a target does to `os.environ`, `sys.path`, its own modules, the locale or resource limits is its own affair.
In threads mode nothing of this is done: the process is everybody's. All of it takes two microseconds.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable
from typing import Final

# What is within `signal.getsignal`, which makes an enum of each answer: with Python 3.11 and 3.12 that takes fifty
# times as long, and five of them more than all else that is done for a job.
_handler_of: Callable[[int], object] = getattr(sys.modules.get("_signal"), "getsignal", signal.getsignal)
_HAS_COOKIE: Final = os.uname().sysname == "Linux"

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGIO)
#: Linux: the number of a socket that no other one ever has. (socket.h; Python has no name for it.)
SO_COOKIE: Final = 57


class Order:
    """How the process was before the first job."""

    def __init__(self, channel: socket.socket) -> None:
        self._channel = channel
        self._identity = self._identify()
        self._directory = _directory()
        self._umask = os.umask(0o022)
        os.umask(self._umask)
        self._handlers = tuple((int(number), _handler_of(number)) for number in SIGNALS)
        self._recursion = sys.getrecursionlimit()

    def _identify(self) -> object:
        try:
            if _HAS_COOKIE:
                return self._channel.getsockopt(socket.SOL_SOCKET, SO_COOKIE, 8)
            found = os.fstat(self._channel.fileno())
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def channel_is_ours(self) -> bool:
        """
        Tell whether the slot's channel is still what it was.

        To be asked before anything is written there: a target that has closed all descriptors may have made a
        socket under the number of ours, and what is meant for the manager would go in there.
        """
        return self._identify() == self._identity

    def restore(self) -> bool:
        """Put right what can be put right; returns whether that was all."""
        for number, handler in self._handlers:
            if _handler_of(number) is not handler:
                self._restore_handler(number, handler)
        if sys.getrecursionlimit() != self._recursion:
            sys.setrecursionlimit(self._recursion)
        os.umask(self._umask)
        return _streams_are_open() and (_directory() == self._directory or self._go_back())

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
        return os.getcwd()  # noqa: PTH109 - a text is enough, after each job
    except OSError:
        return ""


def _streams_are_open() -> bool:
    return not any(stream is not None and stream.closed for stream in (sys.stdout, sys.stderr))
