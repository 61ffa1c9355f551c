"""
A TCP proxy between a client and its Redis that loses what a test wants lost.

It cuts at the places that matter: after Redis has taken a command and before its reply is passed on,
or before Redis has seen anything. Each side sees nothing but a connection that ends, or stays silent.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Literal

import attrs

Loss = Literal["reply", "request", "silence"]


@attrs.define
class _Rule:
    """What is to happen to the next connections over which `marker` is sent."""

    loss: Loss
    marker: bytes
    skip: int
    times: int

    def applies(self, data: bytes) -> bool:
        """Tell whether the data is meant; counts it."""
        if not self.times or self.marker not in data:
            return False
        if self.skip:
            self.skip -= 1
            return False
        self.times -= 1
        return True


class Proxy:
    """Listens on a free port and passes bytes on to a Redis, until it is told to lose some."""

    def __init__(self, redis_port: int) -> None:
        self._redis_port = redis_port
        self._rules: list[_Rule] = []
        self._pairs: set[tuple[socket.socket, socket.socket]] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._refusing = False
        #: Round trips so far: how often a client has spoken, once or more in a row, before its Redis answered.
        self.turns = 0
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    @property
    def url(self) -> str:
        """The URL of the Redis behind it."""
        return f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *error: object) -> None:
        # Closing alone does not end an accept that waits.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)

    def lose(self, loss: Loss, marker: bytes, *, skip: int = 0, times: int = 1) -> None:
        """
        Lose something of the commands that contain `marker`, beginning with the one after the first `skip`.

        "reply": Redis gets the command, and then the connection ends; "request": it ends before;
        "silence": Redis gets the command, and its reply never comes.
        """
        self._rules.append(_Rule(loss, marker, skip, times))

    def refuse(self, *, refusing: bool = True) -> None:
        """End every connection at once, and each new one as soon as it is made; or stop doing so."""
        self._refusing = refusing
        if refusing:
            self.cut()

    def cut(self) -> None:
        """End every connection at once."""
        with self._lock:
            pairs, self._pairs = self._pairs, set()
        for pair in pairs:
            _shut(*pair)

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._refusing:
                client.close()
                continue
            pair = (client, socket.create_connection(("127.0.0.1", self._redis_port)))
            with self._lock:
                self._pairs.add(pair)
            self._start(self._pump, *pair)

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, suppress(OSError):
            self._pass_on(client, server)
            _shut(client, server)

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        loss: Loss | None = None
        asked = False
        with selectors.DefaultSelector() as selector:
            selector.register(client, selectors.EVENT_READ)
            selector.register(server, selectors.EVENT_READ)
            while True:
                for key, _ in selector.select():
                    data = client.recv(65536) if key.fileobj is client else server.recv(65536)
                    self.turns += key.fileobj is client and not asked and bool(data)
                    asked = key.fileobj is client
                    if key.fileobj is client:
                        loss = loss or next((rule.loss for rule in self._rules if rule.applies(data)), None)
                    if not data or loss == "request" or (loss == "reply" and key.fileobj is server):
                        return
                    if key.fileobj is client:
                        server.sendall(data)
                    elif loss is None:
                        client.sendall(data)


def _shut(*sockets: socket.socket) -> None:
    """End connections from whatever thread; who reads from them closes them."""
    for each in sockets:
        with suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
