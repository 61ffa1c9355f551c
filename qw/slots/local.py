"""
What slots inside the manager's own process have in common: lines in, reports out, over two deques.

Taking a job from the left of a deque and taking jobs back from its right are each one step of the
interpreter, so that each job goes to exactly one side.
"""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable

from qw.slots._slot import Outcome, Report
from qw.slots.clock import Clock
from qw.slots.limits import Limits


class LocalSlot:
    """One worker's jobs, run in this process: the half of `Slot` that does not depend on by what."""

    def __init__(self, worker: str, wake: Callable[[], None], limits: Limits) -> None:
        self._worker = worker
        self._wake = wake
        #: Of the job that runs.
        self._clock = Clock(limits.cleanup, wake)
        self._lines: deque[str] = deque()
        self._reports: deque[Report] = deque()
        self._handed = 0
        #: When the last job began (`time.monotonic`).
        self._began = 0.0
        self._closed = False
        self._ended = threading.Event()

    @property
    def worker(self) -> str:
        """Name of the worker this slot computes for."""
        return self._worker

    @property
    def alive(self) -> bool:
        """False once it will start nothing more."""
        return not self._ended.is_set()

    @property
    def ready(self) -> bool:
        """Whether it is not told to end: a thread or a task is born at once."""
        return self.alive and not self._closed

    @property
    def born(self) -> bool:
        """Whether it ever was ready: it was from the start."""
        return True

    def hand(self, lines: bytes, count: int) -> None:
        """Take `count` jobs to run after those it has."""
        self._handed += count
        self._lines.extend(lines.decode("utf-8", "surrogateescape").split("\n"))
        self._notify()

    def take_back(self) -> int:
        """Take back all jobs that were not started; returns how many."""
        taken = 0
        while True:
            try:
                self._lines.pop()
            except IndexError:
                self._handed -= taken
                return taken
            taken += 1

    @property
    def has_reports(self) -> bool:
        """Whether jobs have ended that `reports` has not told of."""
        return bool(self._reports)

    @property
    def untold(self) -> int:
        """How many jobs have ended that `reports` has not told of."""
        return len(self._reports)

    def reports(self) -> list[Report]:
        """Return what has been reported since the last time."""
        return [self._reports.popleft() for _ in range(len(self._reports))]

    def started(self) -> int:
        """How many of the jobs ever handed in, and not taken back, were started."""
        return self._handed - len(self._lines)

    def began(self) -> float:
        """When the last job began that has begun (`time.monotonic`); 0.0 when none has."""
        return self._began

    def deadline(self) -> float:
        """When `expire` wants to be called; infinity when nothing with a limit runs."""
        return self._clock.due()

    def expire(self, now: float) -> Outcome | None:
        """Tell the job that runs to end, when its time is over; return its outcome when that did not help."""
        return self._clock.expire(now)

    @property
    def most_jobs(self) -> float:
        """Any number: nothing in this process is replaced for its age."""
        return math.inf

    @property
    def retired(self) -> bool:
        """Nothing in this process is replaced for its age."""
        return False

    def exit_reason(self) -> str:
        """Nobody knows: it was written off."""
        return ""

    def death_fileno(self) -> int:
        """Return -1: the end calls `wake`."""
        return -1

    def note_death(self) -> None:
        """Do nothing: there is no such descriptor."""

    def fileno(self) -> int:
        """Return -1: an outcome calls `wake`, and the last of several reports."""
        return -1

    def wants_to_write(self) -> bool:
        """Nothing ever waits."""
        return False

    def write(self) -> None:
        """Nothing ever waits."""

    def close(self) -> None:
        """End after the job that runs now."""
        self._closed = True
        self._notify()

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the end; returns whether it came."""
        return self._ended.wait(timeout)

    def _notify(self) -> None:
        """Tell whoever serves that there is something to look at."""
        raise NotImplementedError

    def _report(self, report: Report) -> None:
        self._reports.append(report)
        if report[1] is not None:
            self._wake()

    def _ring(self) -> None:
        """Tell of what nothing told of yet: there is no next job, with whose report it could be read."""
        if self._reports:
            self._wake()

    def _end(self) -> None:
        self._ended.set()
        self._wake()
