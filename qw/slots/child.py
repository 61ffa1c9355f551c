"""
The inside of a process slot: what runs in the child.

`prepare` puts the new process in order; `serve` is the one task of its executor and ends when the
slot does: the manager closed the channel, or is gone.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import select
import signal
import socket
import threading
import traceback
from collections import deque
from collections.abc import Callable
from time import perf_counter

import attrs

from qw.slots import interrupts
from qw.slots._slot import Outcome
from qw.slots.channel import DOWN, READY, pack_report
from qw.slots.runner import Runner
from qw.target import Target


@attrs.frozen
class Setup:
    """What a child is given at birth: all of it survives pickling on the way to a fork server."""

    worker: str
    target: Target
    channel: socket.socket
    tickets: socket.socket
    lifeline: socket.socket


_setup: Setup | None = None


def prepare(setup: Setup) -> None:
    """Put the process in order: descriptors, signals, and the lifeline."""
    global _setup  # noqa: PLW0603 - the initializer of an executor has no other way to its task
    _setup = setup
    interrupts.ignore()
    hold_lifeline(setup.lifeline)


def hold_lifeline(lifeline: socket.socket) -> None:
    """
    Die with the manager, even while the target holds the GIL.

    Only the manager has the other end of the lifeline and it never writes there. When it is gone the kernel
    sends SIGIO, whose default action ends the process. The watcher thread is the second line, and the first
    where the system does not signal for sockets. It polls: for a socket on which a thread waits in `recv` the
    kernel sends no signal.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

    def watch() -> None:
        poll = select.poll()
        poll.register(lifeline, select.POLLIN)
        poll.poll()
        os._exit(1)

    threading.Thread(target=watch, name="qw-lifeline", daemon=True).start()


def serve() -> None:
    """Run what comes down the channel until it is closed."""
    if _setup is None:
        raise RuntimeError("the executor calls prepare first")
    runner = Runner(_setup.target, _setup.worker)
    run = runner.run
    if _setup.target.is_async:
        loop = asyncio.new_event_loop()
        run = lambda line: loop.run_until_complete(runner.run_async(line))  # noqa: E731 - one of two
    try:
        _Server(_setup, run).serve()
    except OSError:
        return  # the manager has closed the channel: nobody wants the rest
    except BaseException:  # noqa: BLE001 - see below
        # Such as a signal handler that a target left behind: better no slot than one that looks alive.
        traceback.print_exc()
        os._exit(1)


class _Server:
    """The slot's loop: a ticket, a job, a report."""

    def __init__(self, setup: Setup, run: Callable[[str], Outcome | None]) -> None:
        self._channel = setup.channel
        self._tickets = setup.tickets
        self._run = run
        self._batches: deque[tuple[int, deque[str]]] = deque()
        self._channel.setblocking(True)
        self._pid = os.getpid()

    def serve(self) -> None:
        self._channel.sendall(READY)
        while True:
            if not self._batches and not self._receive():
                return
            try:
                ticket = self._tickets.recv(1, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._batches.clear()  # all that is left here was taken back
                continue
            if not ticket or not self._find(ticket[0]):
                return
            lines = self._batches[0][1]
            self._one(lines.popleft())
            if not lines:
                self._batches.popleft()

    def _one(self, line: str) -> None:
        began = perf_counter()
        outcome = self._run(line)
        if os.getpid() != self._pid:
            os._exit(0)  # the target has forked, and this is not the slot
        self._channel.sendall(pack_report(perf_counter() - began, outcome))

    def _find(self, generation: int) -> bool:
        """Drop what was taken back before this generation, and wait for it if it is still on its way."""
        while True:
            while self._batches and self._batches[0][0] != generation:
                self._batches.popleft()
            if self._batches:
                return True
            if not self._receive():
                return False

    def _receive(self) -> bool:
        """Wait for a batch; False when the channel is closed."""
        head = self._exactly(DOWN.size)
        if head is None:
            return False
        length, generation = DOWN.unpack(head)
        lines = self._exactly(length)
        if lines is None:
            return False
        self._batches.append((generation, deque(lines.decode("utf-8", "surrogateescape").split("\n"))))
        return True

    def _exactly(self, size: int) -> bytes | None:
        parts = bytearray()
        while len(parts) < size:
            data = self._channel.recv(min(size - len(parts), 1 << 20))
            if not data:
                return None
            parts += data
        return bytes(parts)
