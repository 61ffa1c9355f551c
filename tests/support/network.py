"""A network between managers and their Redis that is slow, or swallows what is sent, be it an end, or holds it back."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import attrs


@attrs.define(eq=False)
class Line:
    """One connection: the manager's side, ours to Redis, and what was sent over it."""

    client: socket.socket
    server: socket.socket
    said: bytearray = attrs.field(factory=bytearray)
    #: Set when nothing comes through any more, in either direction, and neither side learns of it.
    is_hole: bool = False
    #: Set unless what Redis says is held back, to be passed on later.
    flows: threading.Event = attrs.field(factory=threading.Event)


class Network:
    """Listens on a free port and passes bytes on to a Redis; it never ends a connection by itself."""

    def __init__(self, redis_port: int) -> None:
        self._redis_port = redis_port
        #: Seconds that bytes are under way, in each direction.
        self.latency = 0.0
        self._is_hole = False
        self._lines: list[Line] = []
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._start(self._accept)

    def __enter__(self) -> Network:
        return self

    def __exit__(self, *error: object) -> None:
        self._closed.set()
        self.let_go()
        for each in [self._listener, *(end for line in self._lines for end in (line.client, line.server))]:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)

    def swallow(self, marker: bytes = b"") -> int:
        """
        Swallow from now on what is sent over each connection on which `marker` was sent; returns how many those are.

        Without a marker these are all, and those that are made later, until `heal`.
        """
        self._is_hole = self._is_hole or not marker
        holes = [line for line in self._lines if marker in line.said and not line.is_hole]
        for line in holes:
            line.is_hole = True
        return len(holes)

    def hold(self, marker: bytes) -> int:
        """Hold back what Redis says on each connection on which `marker` was sent; returns how many those are."""
        held = [line for line in self._lines if marker in line.said]
        for line in held:
            line.flows.clear()
        return len(held)

    def let_go(self) -> None:
        """Pass on what was held back."""
        for line in self._lines:
            line.flows.set()

    def heal(self) -> None:
        """Let new connections through; what was swallowed stays so."""
        self._is_hole = False

    def lead_to(self, redis_port: int) -> None:
        """Lead new connections to another Redis, as a name does after a failover."""
        self._redis_port = redis_port

    def _start(self, run: object, *args: object) -> None:
        assert callable(run)
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                line = Line(client, socket.create_connection(("127.0.0.1", self._redis_port)), is_hole=self._is_hole)
                line.flows.set()
                self._lines.append(line)
                self._start(self._pass_on, line, line.client, line.server, line.said)
                self._start(self._pass_on, line, line.server, line.client, bytearray())

    def _pass_on(self, line: Line, source: socket.socket, goal: socket.socket, said: bytearray) -> None:
        with suppress(OSError):
            while True:
                data = source.recv(1 << 16)
                said += data
                self._closed.wait(self.latency)
                if source is line.server:
                    line.flows.wait()
                if not data or line.is_hole:
                    break
                goal.sendall(data)
            # What comes later is not read: the sender waits for ever, or until its buffers are full.
            if not line.is_hole:
                goal.shutdown(socket.SHUT_RDWR)
