"""A descriptor that wakes the dispatcher from its wait: slots, helper threads and `stop` ring it."""

from __future__ import annotations

import contextlib
import socket

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
