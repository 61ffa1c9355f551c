"""The time that a job in this process may take: told by whoever runs it, watched by the dispatcher."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Callable

import attrs

from qw.errors import TimedOut
from qw.slots._slot import Outcome

_NAME = "PyThreadState_SetAsyncExc"
_raise_in = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.py_object)((_NAME, ctypes.pythonapi))
#: The same with a pointer, since only NULL takes back what was not raised yet.
_take_back = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)((_NAME, ctypes.pythonapi))


@attrs.define(eq=False)
class _Running:
    """One job with a limit."""

    #: When it is told to end, infinity when it was, or is told otherwise; and when it is cut off (`time.monotonic`).
    soft: float
    hard: float
    overran: Outcome
    #: The thread it runs in.
    thread: int
    told: bool = False


class Clock:
    """
    The limit of the job that runs in one slot of this process.

    `begin` and `end` belong to the thread that runs the job, `due` and `expire` to the dispatcher. A thread can
    only be asked to raise something "soon". So that it raises nothing once the target has returned, both
    sides hold the lock while they look whether it has, and `end` takes back what was not raised yet.
    """

    def __init__(self, cleanup: float, wake: Callable[[], None]) -> None:
        self._cleanup = cleanup
        self._wake = wake
        self._lock = threading.Lock()
        self._running: _Running | None = None

    def begin(self, seconds: float, overran: Outcome, *, soft: bool) -> None:
        """Note that a target begins, which is to return within these seconds."""
        end = time.monotonic() + seconds
        hard = end + self._cleanup
        self._running = _Running(end if soft else math.inf, hard, overran, threading.get_ident())
        self._wake()

    def end(self) -> None:
        """Note that it has returned, or raised; may raise `TimedOut` itself, which came in the last moment."""
        try:
            with self._lock:
                running, self._running = self._running, None
        except TimedOut:
            self._running = None
            raise
        if running is not None and running.told:
            _take_back(running.thread, None)

    def due(self) -> float:
        """When `expire` wants to be called (`time.monotonic`); infinity when nothing with a limit runs."""
        running = self._running
        return math.inf if running is None else min(running.soft, running.hard)

    def expire(self, now: float) -> Outcome | None:
        """Tell the job to end when its time is over; return its outcome when it did not do so in time."""
        # Not waited for: if it is taken, the job is about to end.
        if not self._lock.acquire(blocking=False):
            return None
        try:
            running = self._running
            if running is None:
                return None
            if now >= running.hard:
                return running.overran
            if now >= running.soft:
                running.soft, running.told = math.inf, True
                _raise_in(running.thread, TimedOut)
            return None
        finally:
            self._lock.release()
