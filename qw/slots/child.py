"""
The inside of a process slot: what runs in the child.

`prepare` puts the new process in order; `serve` is the one task of its executor and ends when the
slot does: the manager closed the channel, or is gone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
import threading
import traceback
from collections import deque
from collections.abc import Callable
from multiprocessing.connection import Connection
from time import monotonic
from typing import Final

import attrs

from qw.slots import births, inherited, interrupts
from qw.slots._slot import Outcome
from qw.slots.alarm import Alarm
from qw.slots.channel import DOWN, READY, pack_end, pack_outcome
from qw.slots.limits import Limits
from qw.slots.memory import resident
from qw.slots.order import Order
from qw.slots.own import same_files, same_process
from qw.slots.runner import Runner
from qw.slots.tally import Tally
from qw.target import Target

#: Bytes that are read at a time, at least: most batches.
READ_SIZE: Final = 65536
#: Exit code of a process whose target has taken the slot's channel or its tickets away.
NOT_OURS: Final = 71


@attrs.frozen
class Setup:
    """What a child is given at birth: all of it survives pickling on the way to a fork server."""

    worker: str
    target: Target
    limits: Limits
    channel: socket.socket
    tickets: Connection
    lifeline: socket.socket


_setup: Setup | None = None


def prepare(setup: Setup) -> None:
    """Put the process in order: descriptors, signals, and the lifeline."""
    global _setup  # noqa: PLW0603 - the initializer of an executor has no other way to its task
    _setup = setup
    births.freeze()
    inherited.let_go()
    interrupts.ignore()
    # What the target starts is of this group as well, and ends with it when it is killed.
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    hold_lifeline(setup.lifeline)


def hold_lifeline(lifeline: socket.socket) -> None:
    """
    Die with the manager, even while the target holds the GIL.

    Only the manager has the other end of the lifeline and it never writes there. When it is gone the kernel
    sends SIGIO to the process group, whose default action ends the process, and what it has started. The watcher
    thread is the second line, and the first where the system does not signal for sockets. It polls: for a socket
    on which a thread waits in `recv` the kernel sends no signal.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    own = os.getpid()
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -own if os.getpgid(0) == own else own)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)

    def watch() -> None:
        poll = select.poll()
        poll.register(lifeline, select.POLLIN)
        poll.poll()
        os._exit(1)

    threading.Thread(target=watch, name="qw-lifeline", daemon=True).start()


def serve() -> None:
    """Run what comes down the channel until it is closed, or the process is to be replaced."""
    if _setup is None:
        raise RuntimeError("the executor calls prepare first")
    try:
        tally = Tally.receive(_setup.channel)
    except OSError:
        return  # the manager is gone before it had this process
    alarm = Alarm(_setup.channel, tally, _setup.limits.cleanup)
    runner = Runner(_setup.target, _setup.worker, _setup.limits, alarm)
    run = runner.run
    if _setup.target.is_async:
        from qw.slots.loops import new_event_loop  # most targets do without asyncio: 4 MB less in each process

        loop = new_event_loop()
        run = lambda line: loop.run_until_complete(runner.run_async(line))  # noqa: E731 - one of two
    try:
        _Server(_setup, tally, run).serve()
    except OSError:
        return  # the manager has closed the channel: nobody wants the rest
    except BaseException:  # noqa: BLE001 - see below
        # Such as a signal handler that a target left behind: better no slot than one that looks alive.
        traceback.print_exc()
        os._exit(1)


class _Server:
    """The slot's loop: a ticket, a job, a report."""

    def __init__(self, setup: Setup, tally: Tally, run: Callable[[str], Outcome | None]) -> None:
        self._channel = setup.channel
        self._channel.setblocking(True)
        self._tally = tally
        #: Whether anything was counted since the dispatcher was told to look.
        self._untold = True
        self._tickets = setup.tickets.fileno()
        self._run = run
        self._limits = setup.limits
        self._jobs = 0
        self._batches: deque[tuple[int, deque[str]]] = deque()
        #: What has come of the batches after those.
        self._in = bytearray()
        self._is_same_process = same_process()
        self._are_ours = same_files(self._channel.fileno(), self._tickets)
        self._order = Order()

    def serve(self) -> None:
        while True:
            if not self._batches and not self._receive():
                return
            try:
                ticket = os.read(self._tickets, 1)
            except BlockingIOError:
                self._batches.clear()  # all that is left here was taken back
                continue
            if not ticket or not self._find(ticket[0]):
                return
            lines = self._batches[0][1]
            if not self._one(lines.popleft()):
                self._channel.sendall(pack_end())
                return
            if not lines:
                self._batches.popleft()

    def _one(self, line: str) -> bool:
        """Run a job and report it; returns whether this process is fit for another one."""
        began = monotonic()
        self._tally.begin(began)
        outcome = self._run(line)
        seconds = monotonic() - began
        if not self._is_same_process():
            os._exit(0)  # the target has forked, and this is not the slot
        # What is meant for the manager must not go into another file, nor must its next ticket come from there.
        if not self._are_ours():
            os._exit(NOT_OURS)
        if outcome is not None:
            self._channel.sendall(pack_outcome(seconds, self._jobs, outcome))
        self._tally.note(seconds)
        self._untold = True
        self._jobs += 1
        return self._order.restore() and not self._is_worn_out()

    def _is_worn_out(self) -> bool:
        most_jobs, most_memory = self._limits.max_jobs, self._limits.max_memory
        if most_jobs is not None and self._jobs >= most_jobs:
            return True
        return most_memory is not None and resident() > most_memory

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
        buffer = self._in
        while not (size := _size(buffer)) or len(buffer) < size:
            data = self._read(size)
            if not data:
                return False
            buffer += data
        lines = buffer[DOWN.size : size].decode("utf-8", "surrogateescape").split("\n")
        self._batches.append((DOWN.unpack_from(buffer)[1], deque(lines)))
        del buffer[:size]
        return True

    def _read(self, need: int) -> bytes:
        """Return what comes next; before it waits for that it tells of what has ended."""
        size = max(READ_SIZE, need)
        if self._untold:
            with contextlib.suppress(BlockingIOError):
                return self._channel.recv(size, socket.MSG_DONTWAIT)
            self._channel.sendall(READY)
            self._untold = False
        return self._channel.recv(size)


def _size(batch: bytearray) -> int:
    """Return the bytes of a batch; 0 as long as too few have come to know."""
    return DOWN.size + DOWN.unpack_from(batch)[0] if len(batch) >= DOWN.size else 0
