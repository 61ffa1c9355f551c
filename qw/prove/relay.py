"""
The line between a manager and its Redis, which can be cut, torn in the middle of a reply, swallowed or slowed down.

It runs in a thread of its own, one for each manager.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from contextlib import suppress
from typing import Final

import attrs

_CHUNK: Final = 1 << 18
#: Closing a connection with this sends RST at once, as a broken line would.
_ABRUPTLY: Final = struct.pack("ii", 1, 0)


@attrs.define(eq=False)
class _Line:
    """One connection: the manager's end and ours to Redis."""

    near: socket.socket
    far: socket.socket
    #: Nothing comes through any more, and neither side learns of it.
    is_hole: bool = False


class Relay:
    """Listens on a free port and passes on to a Redis what comes."""

    def __init__(self, redis_port: int) -> None:
        self._redis_port = redis_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"redis://127.0.0.1:{self._listener.getsockname()[1]}/0"
        #: Seconds that bytes are under way.
        self.latency = 0.0
        self._is_tearing = self._is_hole = False
        self._lines: set[_Line] = set()
        self._guard = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="qw-prove-relay", daemon=True)
        self._thread.start()

    def cut(self) -> None:
        """Break all connections."""
        with self._guard:
            for line in list(self._lines):
                self._drop(line)

    def tear(self) -> None:
        """Break all connections as soon as half of the next reply has been passed on."""
        self._is_tearing = True

    def swallow(self) -> None:
        """Let nothing through from now on; nobody is told."""
        with self._guard:
            self._is_hole = True
            for line in self._lines:
                line.is_hole = True

    def heal(self) -> None:
        """Let new connections through, and all at full speed; what was swallowed stays so."""
        self._is_hole = False
        self.latency = 0.0

    def close(self) -> None:
        """Break all connections and take no more."""
        self._closed = True
        self._thread.join(5)
        self.cut()
        self._listener.close()
        self._selector.close()

    def _run(self) -> None:
        while not self._closed:
            for key, _ in self._selector.select(0.2):
                with self._guard:
                    if key.fileobj is self._listener:
                        self._accept()
                    elif key.data in self._lines:
                        self._pass_on(key.data, is_reply=key.fileobj is key.data.far)

    def _accept(self) -> None:
        near, _ = self._listener.accept()
        try:
            far = socket.create_connection(("127.0.0.1", self._redis_port), 1)
        except OSError:
            near.close()
            return
        line = _Line(near, far, self._is_hole)
        self._lines.add(line)
        for each in (near, far):
            each.settimeout(5)  # who does not read for so long is cut off: it would hold up the others
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(each, selectors.EVENT_READ, line)

    def _pass_on(self, line: _Line, *, is_reply: bool) -> None:
        source, goal = (line.far, line.near) if is_reply else (line.near, line.far)
        try:
            data = source.recv(_CHUNK)
            if line.is_hole:
                self._swallow(line, source, data)
                return
            if not data:
                self._drop(line)
                return
            if self.latency:
                time.sleep(self.latency)
            if is_reply and self._is_tearing:
                self._is_tearing = False
                goal.sendall(data[: len(data) // 2])
                for each in list(self._lines):
                    self._drop(each)
            else:
                goal.sendall(data)
        except OSError:
            self._drop(line)

    def _swallow(self, line: _Line, source: socket.socket, data: bytes) -> None:
        # The end of one side is swallowed as well; when the manager has given up, nobody is left to be fooled.
        if not data:
            self._selector.unregister(source)
            if source is line.near:
                self._drop(line)

    def _drop(self, line: _Line) -> None:
        self._lines.discard(line)
        for each in (line.near, line.far):
            with suppress(KeyError, ValueError):
                self._selector.unregister(each)
            with suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABRUPTLY)
            each.close()
