"""
A slot that is a process: an executor of exactly one, with one task, the slot's loop.

    dispatcher                                       child
    Channel ──────────── socketpair ───────────────▶ _Server       batches down, outcomes up
    Tally   ◀─────────── shared memory ───────────── _Server       how many jobs have ended
    Tickets ──────────── pipe ─────────────────────▶ read(1)       who may start which job
    (held)  ──────────── socketpair ───────────────▶ SIGIO         lifeline: ends with the manager

The executor gives birth and reports death; the socket and the pipe carry the work. One process each, because a
shared ProcessPoolExecutor fails every pending future when one child dies, and terminates the others.
"""

from __future__ import annotations

import contextlib
import math
import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Final, cast

from qw.slots import births, descriptors, inherited, interrupts, streams
from qw.slots._slot import Outcome, Report
from qw.slots.channel import Channel, pair
from qw.slots.child import Setup, prepare, serve
from qw.slots.limits import NONE, Limits
from qw.slots.tally import Tally
from qw.slots.tickets import Tickets
from qw.target import Target

#: Seconds that it may take to know what a process died of: it is said in the job's error.
REAPED: Final = 0.05
#: Seconds that an executor's helper thread may take to end after its process; milliseconds, most often.
HELPER: Final = 0.5


class ProcessSlot:
    """
    One worker's process.

    1. It starts the process, and notes its death.
    2. It hands batches down and reads reports, and never blocks.
    3. It takes back what was not started.
    """

    def __init__(
        self, worker: str, target: Target, context: BaseContext, wake: Callable[[], None], limits: Limits = NONE
    ) -> None:
        self._worker = worker
        self._target = target
        self._limits = limits
        self._context = context
        self._wake = wake
        self._executor: ProcessPoolExecutor | None = None
        self._process: BaseProcess | None = None
        self._helper: threading.Thread | None = None
        self._closed = False
        #: Becomes readable when the process is gone; -1 where the system has no such thing.
        self._pidfd = -1
        self._gone = False
        self._kept: set[int] = set()

    @property
    def worker(self) -> str:
        """Name of the worker this slot computes for."""
        return self._worker

    @property
    def alive(self) -> bool:
        """False once the process is gone and its last reports are read."""
        return self._process is not None and not self._channel.ended

    @property
    def ready(self) -> bool:
        """Whether it is born, which takes a process its time, and not told to end."""
        return self.alive and self._channel.ready and not self._closed

    @property
    def born(self) -> bool:
        """Whether the process has ever said that it is ready."""
        return self._process is not None and self._channel.ready

    @interrupts.postponed()
    def start(self) -> None:
        """
        Give birth to the process.

        Raises `OSError` or `RuntimeError` when the system has nothing left for it, and `births.NotNow`.
        """
        with descriptors.birth:
            births.check(self._context)
            channel, child_channel = pair()
            lifeline, child_lifeline = socket.socketpair()
            self._tally = Tally.make(channel)
            self._channel = Channel(channel, self._tally)
            self._tickets, self._lifeline = Tickets(), lifeline
            self._kept = {channel.fileno(), lifeline.fileno(), self._tickets.filenos()[0]}
            descriptors.keep(*self._kept)
            try:
                self._process = self._bear(
                    Setup(self._worker, self._target, self._limits, child_channel, self._tickets.out, child_lifeline)
                )
            except BaseException:
                self._let_go()
                raise
            finally:
                child_channel.close()
                child_lifeline.close()
            # Only now: this child needs its end of the tickets, those born later must not keep it.
            self._kept.add(self._tickets.filenos()[1])
            self._pidfd = _open_pidfd(self._process)
            if self._pidfd >= 0:
                self._kept.add(self._pidfd)
            descriptors.keep(*self._kept)
            self._note_belongings(self._process)

    def _note_belongings(self, process: BaseProcess) -> None:
        if self._executor is None:
            return
        ints = [process.sentinel, *([self._pidfd] if self._pidfd >= 0 else [])]
        own = (self._channel.close, self._tally.close, self._lifeline.close, self._tickets.close)
        inherited.note(self, self._executor, *own, *(partial(os.close, fileno) for fileno in ints))

    def _bear(self, setup: Setup) -> BaseProcess:
        self._executor = ProcessPoolExecutor(1, self._context, prepare, (setup,))
        with streams.replaced(), warnings.catch_warnings():
            # Python 3.12 warns of a fork beside threads. Those of the executors only wait on pipes of their own;
            # 150 kills and replacements beside three busy threads hung none (3.11, 3.12, 3.13).
            warnings.filterwarnings("ignore", ".*use of fork.*", DeprecationWarning)
            try:
                future = self._executor.submit(serve)
            except EOFError as error:  # nobody answers any more; the next birth starts another fork server
                raise OSError(f"the fork server died at the birth of a process for {self._worker}") from error
        future.add_done_callback(lambda _: self._wake())
        # The executor keeps its child and its helper to itself, and forgets them when it is shut down.
        (process,) = self._executor._processes.values()  # noqa: SLF001
        self._helper = cast("threading.Thread", self._executor._executor_manager_thread)  # noqa: SLF001
        return process

    def _let_go(self) -> None:
        """Close what is open of it here."""
        inherited.forget(self)
        descriptors.forget(*self._kept)
        self._channel.close()
        self._tally.close()
        self._lifeline.close()
        self._tickets.close()
        if self._pidfd >= 0:
            os.close(self._pidfd)
            self._pidfd = -1

    def hand(self, lines: bytes, count: int) -> None:
        """Send a batch; its tickets first, so that a slot which has it finds them."""
        self._channel.send(self._tickets.issue(count), lines)

    def take_back(self) -> int:
        """Take back all jobs that were not started; returns how many."""
        return self._tickets.take_back()

    @property
    def has_reports(self) -> bool:
        """Whether jobs have ended that `reports` has not told of, or the process has."""
        return self._channel.untold > 0 or (self._gone and not self._channel.ended)

    @property
    def untold(self) -> int:
        """How many jobs have ended that `reports` has not told of."""
        return self._channel.untold

    def reports(self) -> list[Report]:
        """Return what the process has reported."""
        # What it has started, or what was forked from it, may keep its end of the channel open.
        return self._channel.reports(dead=self._gone)

    def deadline(self) -> float:
        """When the job that runs is to be cut off; infinity when it has no limit."""
        return math.inf if self._channel.limit is None else self._channel.limit[0]

    def expire(self, now: float) -> Outcome | None:
        """Return the outcome of the job that runs when its time is over; that it is, its process has told it."""
        limit = self._channel.limit
        return limit[1] if limit is not None and now >= limit[0] else None

    @property
    def has_thread(self) -> bool:
        """It has an interpreter of its own."""
        return False

    @property
    def most_jobs(self) -> float:
        """How many jobs the process runs until it is replaced; infinity when it goes on."""
        return math.inf if self._limits.max_jobs is None else self._limits.max_jobs

    @property
    def retired(self) -> bool:
        """Whether the process has ended by itself between two jobs, to be replaced."""
        return self._channel.retired

    def exit_reason(self) -> str:
        """Say what the dead process died of; '' when nobody knows."""
        if self._helper is not None:
            # Two who wait for one process: only one of them is told. It has noticed, or does so now.
            self._helper.join(REAPED)
        if self._process is None or (self._helper is not None and self._helper.is_alive()):
            return ""
        code = self._process.exitcode
        if code is None:
            return ""
        return _signal_name(-code) if code < 0 else f"exit code {code}"

    def death_fileno(self) -> int:
        """Return a descriptor that becomes readable when the process is gone; -1 where there is none, or it has."""
        return -1 if self._gone or self._channel.ended else self._pidfd

    def note_death(self) -> None:
        """Note that it has become readable."""
        self._gone = True

    def started(self) -> int:
        """How many of the jobs ever handed in, and not taken back, were started."""
        return self._tickets.taken()

    def began(self) -> float:
        """When the last job began that has begun (`time.monotonic`); 0.0 when none has."""
        return self._tally.began()

    def fileno(self) -> int:
        """Return the channel's descriptor, -1 when nothing more is waited for there."""
        return -1 if self._gone or self._channel.ended else self._channel.fileno()

    def wants_to_write(self) -> bool:
        """Whether a batch waits for the channel to take it."""
        return self._channel.wants_to_write()

    def write(self) -> None:
        """Write what waits."""
        self._channel.write()

    def close(self) -> None:
        """End after the job that runs now, if any."""
        if self._closed or self._executor is None:
            return
        self._closed = True
        with descriptors.birth:
            self._kept.discard(self._channel.fileno())
            descriptors.forget(self._channel.fileno())
            self._channel.close()
        self._executor.shutdown(wait=False)

    def kill(self) -> None:
        """End at once, and with it what the target has started, unless that has left the process group."""
        if self._process is not None:
            _kill_group(self._process.pid)
            self._process.kill()
        self.close()

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the process to end, then let go of its descriptors."""
        if self._process is None:
            return True
        if not wait_for([self._process.sentinel], timeout):
            return False
        self.close()
        # An interpreter that exits now would meet it half closed, and complain.
        if self._helper is not None:
            self._helper.join(HELPER)
        with descriptors.birth:
            self._let_go()
        self._process = self._executor = self._helper = None
        return True


def _open_pidfd(process: BaseProcess) -> int:
    try:
        return os.pidfd_open(process.pid or 0)
    except (AttributeError, OSError):
        return -1  # an old kernel, or it is gone already: the end of its channel tells as well, as a rule


def _kill_group(pid: int | None) -> None:
    """Kill a process group, if the process leads one of its own."""
    with contextlib.suppress(OSError):
        if pid and os.getpgid(pid) == pid:
            os.killpg(pid, signal.SIGKILL)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
