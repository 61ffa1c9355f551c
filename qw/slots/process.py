"""
A slot that is a process: an executor of exactly one, with one task, the slot's loop.

    dispatcher                                       child
    Channel ──────────── socketpair ───────────────▶ _Server       batches down, reports up
    Tickets ──────────── socketpair ───────────────▶ recv(1)       who may start which job
    (held)  ──────────── socketpair ───────────────▶ SIGIO         lifeline: ends with the manager

The executor gives birth and reports death; the sockets carry the work. One process each, because a
shared ProcessPoolExecutor fails every pending future when one child dies, and terminates the others.
"""

from __future__ import annotations

import socket
import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import wait as wait_for
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Final, cast

from qw.slots import descriptors, interrupts
from qw.slots._slot import Report
from qw.slots.channel import Channel, pair
from qw.slots.child import Setup, prepare, serve
from qw.slots.tickets import Tickets
from qw.target import Target

#: Seconds that an executor's helper thread may take to end after its process; milliseconds, most often.
HELPER: Final = 0.5


class ProcessSlot:
    """
    One worker's process.

    1. It starts the process, and notes its death.
    2. It hands batches down and reads reports, and never blocks.
    3. It takes back what was not started.
    """

    def __init__(self, worker: str, target: Target, context: BaseContext, wake: Callable[[], None]) -> None:
        self._worker = worker
        self._target = target
        self._context = context
        self._wake = wake
        self._executor: ProcessPoolExecutor | None = None
        self._process: BaseProcess | None = None
        self._helper: threading.Thread | None = None
        self._closed = False

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

    @interrupts.postponed()
    def start(self) -> None:
        """Give birth to the process. Raises `OSError` or `RuntimeError` when the system has nothing left for it."""
        with descriptors.birth:
            channel, child_channel = pair()
            lifeline, child_lifeline = socket.socketpair()
            self._channel, self._tickets, self._lifeline = Channel(channel), Tickets(), lifeline
            self._kept = {channel.fileno(), lifeline.fileno(), self._tickets.filenos()[0]}
            descriptors.keep(*self._kept)
            try:
                self._process = self._bear(
                    Setup(self._worker, self._target, child_channel, self._tickets.out, child_lifeline)
                )
            except BaseException:
                self._let_go()
                raise
            finally:
                child_channel.close()
                child_lifeline.close()
            # Only now: this child needs its end of the tickets, those born later must not keep it.
            self._kept.add(self._tickets.filenos()[1])
            descriptors.keep(*self._kept)

    def _bear(self, setup: Setup) -> BaseProcess:
        self._executor = ProcessPoolExecutor(1, self._context, prepare, (setup,))
        with warnings.catch_warnings():
            # Python 3.12 warns of a fork beside threads. Those of the executors only wait on pipes of their own;
            # 150 kills and replacements beside three busy threads hung none (3.11, 3.12, 3.13).
            warnings.filterwarnings("ignore", ".*use of fork.*", DeprecationWarning)
            future = self._executor.submit(serve)
        future.add_done_callback(lambda _: self._wake())
        # The executor keeps its child and its helper to itself, and forgets them when it is shut down.
        (process,) = self._executor._processes.values()  # noqa: SLF001
        self._helper = cast("threading.Thread", self._executor._executor_manager_thread)  # noqa: SLF001
        return process

    def _let_go(self) -> None:
        """Close what is open of it here."""
        descriptors.forget(*self._kept)
        self._channel.close()
        self._lifeline.close()
        self._tickets.close()

    def hand(self, lines: bytes, count: int) -> None:
        """Send a batch; its tickets first, so that a slot which has it finds them."""
        self._channel.send(self._tickets.issue(count), lines)

    def take_back(self) -> int:
        """Take back all jobs that were not started; returns how many."""
        return self._tickets.take_back()

    def reports(self) -> list[Report]:
        """Return what the process has reported."""
        return self._channel.reports()

    def started(self) -> int:
        """How many of the jobs ever handed in, and not taken back, were started."""
        return self._tickets.taken()

    def fileno(self) -> int:
        """Return the channel's descriptor, -1 when it has ended."""
        return -1 if self._channel.ended else self._channel.fileno()

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
        """End at once."""
        if self._process is not None:
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
