"""
Signals for `qw-manager`: the first one ends its work in order, the second one ends it at once.

    SIGTERM, SIGINT ──▶ wake-up socket ──▶ a thread: stop the manager ──▶ the main thread's join() returns
    SIGHUP   written by Python's C code    a second byte: leave

A handler runs in the middle of anything, with any lock held, so none here does more than that byte, or end the process
at a second signal as long as there is no thread: `qw-manager` imports its target first, and looks whether that has any.
The byte comes for each signal that has a handler, whoever has set it: those of others are passed over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from types import FrameType
from typing import TYPE_CHECKING, Final

from qw import logs
from qw.commands.running import INTERRUPTED
from qw.slots import births, interrupts

if TYPE_CHECKING:
    from qw.manager import Manager


_LOGGER = logging.getLogger("qw.manager")

#: Seconds within which the same signal again is no second wish: wrappers such as `timeout` send it to the process
#: and then to its group, of which the process is one.
ECHO: Final = 0.05


def run_until_told(manager: Manager, listener: Listener) -> None:
    """
    Start the manager and return when it has stopped, because of a signal or by itself.

    Must be called in the main thread, after `listener.install()`. Raises what `Manager.start` and `Manager.join` do.
    """
    births.freeze()  # all that is imported is there to stay, and is shared with the processes
    listener.listen(manager)
    manager.start()
    listener.started()
    manager.join()
    listener.join()


class Listener:
    """Turns signals into a stop, and a second one into an exit; a signal before the start is over waits for that."""

    def __init__(self) -> None:
        self._manager: Manager | None = None
        self._inbox, self._outbox = socket.socketpair()
        self._started = threading.Event()
        self._stopping = threading.Thread(target=self._stop, name="qw-stop", daemon=True)
        #: Those that are heard.
        self._ends: set[int] = set()
        #: The one that ends the work.
        self._first = signal.SIGTERM
        #: The first signal of those that came before there was a thread to hear them, and when it did.
        self._early: tuple[int, float] | None = None

    def install(self) -> None:
        """Note signals from now on, in a process with one thread; it keeps the handlers, since it is about to end."""
        self._outbox.setblocking(False)
        signal.set_wakeup_fd(self._outbox.fileno(), warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Under nohup a closed terminal is to be outlived.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                interrupts.outlive(number, handler=self._note)
                self._ends.add(number)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        """Leave at a second signal as long as no thread listens: a target's module may take its time to import."""
        if self._manager is not None:
            return
        now = time.monotonic()
        first, began = self._early = self._early or (number, now)
        if number != first or now - began > ECHO:
            os._exit(INTERRUPTED)

    def listen(self, manager: Manager) -> None:
        """Do to this manager what the signals say, those that have come already included."""
        self._manager = manager
        threading.Thread(target=self._listen, name="qw-signals", daemon=True).start()

    def started(self) -> None:
        """Let a stop begin that was asked for while the manager started."""
        self._started.set()

    def join(self) -> None:
        """Wait for the end of a stop that was begun."""
        if self._stopping.is_alive():
            self._stopping.join()

    def _listen(self) -> None:
        self._first = self._hear()
        began = time.monotonic()
        self._stopping.start()
        while self._hear() == self._first and time.monotonic() - began < ECHO:
            pass
        logs.flush()
        # Nothing is put in order: the slots see that their manager is gone, and their jobs stay in Redis.
        os._exit(INTERRUPTED)

    def _hear(self) -> signal.Signals:
        while True:
            number = self._inbox.recv(1)[0]
            if number in self._ends:
                return signal.Signals(number)

    def _stop(self) -> None:
        manager = self._manager
        if manager is None:
            return
        # It may have stopped by itself meanwhile; and what has gone wrong, the main thread's join raises as well.
        with contextlib.suppress(Exception):
            # First, so that whoever has read the line knows that no job is asked for any more.
            if self._started.is_set():
                manager.quiet()
        logs.say(_LOGGER, logging.INFO, "stop", signal=self._first.name)
        self._started.wait()
        with contextlib.suppress(Exception):
            manager.stop()
