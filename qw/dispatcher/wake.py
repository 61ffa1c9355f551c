"""The dispatcher's wait, and a descriptor that wakes it: slots, helper threads and `stop` ring it."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import time
from collections.abc import Callable

from qw.slots import descriptors


class Wake:
    """A pair of sockets; `ring` from any thread makes `fileno` readable, once until `clear`."""

    def __init__(self) -> None:
        self._out, self._in = socket.socketpair()
        self._out.setblocking(False)
        self._in.setblocking(False)
        self._rung = False
        descriptors.keep(self._out.fileno(), self._in.fileno())

    def ring(self) -> None:
        """Wake the dispatcher. Ringing again before it has looked costs nothing."""
        if not self._rung:
            self._rung = True
            with contextlib.suppress(OSError):
                self._in.send(b"!")

    def clear(self) -> None:
        """Take note: call it before looking at what may have rung."""
        with contextlib.suppress(OSError):
            self._out.recv(4096)
        self._rung = False

    def fileno(self) -> int:
        """Return the descriptor that becomes readable."""
        return self._out.fileno()

    def close(self) -> None:
        """Let go of both sockets."""
        descriptors.forget(self._out.fileno(), self._in.fileno())
        self._out.close()
        self._in.close()


def wait(poll: select.poll, due: Callable[[float], float]) -> dict[int, int]:
    """
    Wait until there are events, or something is due; returns the events of each descriptor.

    When the time has come, `due` is asked again what was due after `now`: a job that seemed to wait too long has begun,
    most often, and to go on waiting costs a tenth of what it costs to look at everything.
    """
    now = time.monotonic()
    while True:
        left = due(now) - time.monotonic()
        events = dict(poll.poll(math.ceil(max(0.0, left) * 1000)))
        if events or left <= 0:
            return events
