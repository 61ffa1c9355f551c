"""
One connection to Redis that never blocks the thread that owns it.

    send(command, then) ──▶ outgoing bytes ──▶ socket        Connecting blocks inside redis-py (addresses,
    then(reply) ◀── Reader ◀── incoming bytes ◀── socket     TLS, AUTH), so a helper thread does it, and only it.

Replies come in the order of the commands. When the connection is lost, what was sent and not answered is *unsure*:
each `then` is forgotten, and the owner is told: what matters it sends again when the connection is back.
"""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar, cast

from redis.connection import AbstractConnection
from redis.exceptions import ResponseError

from qw.client.connect import connect, keeps_out
from qw.client.replies import code_of, is_read_only
from qw.scripts import Call
from qw.slots import births, descriptors
from qw.wire import NOTHING, Argument, Reader, pack

T = TypeVar("T")

#: Seconds between two attempts to connect: full jitter under a doubling bound, capped so that work goes on
#: within 2 s after Redis is back.
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 1.0
#: The same where Redis is there and does not let us in: somebody has to change a password first.
LONGEST_PAUSE_OUTSIDE = 15.0
#: Doublings after which no bound grows: the power of a larger number would not fit a float some day.
MOST_DOUBLINGS = 10
READ_SIZE = 262144
#: Seconds for which a new connection stays though Redis takes no writes over it: where it leads is not old yet.
STAY = 1.0


def pause(failures: int, *, outside: bool = False) -> float:
    """Return how many seconds to wait after so many failures in a row; `outside`: Redis does not let us in."""
    bound = LONGEST_PAUSE_OUTSIDE if outside else LONGEST_PAUSE
    return random.uniform(0.01, min(bound, FIRST_PAUSE * 2.0 ** min(failures, MOST_DOUBLINGS)))


class Owner(Protocol):
    """Who is told of a link's ups and downs; always in the thread that calls `pump` and `settle`."""

    def link_up(self, link: Link) -> None:
        """Go on: the connection is there, nothing is sent yet."""

    def link_works(self, link: Link) -> None:
        """Note that Redis has accepted something, for the first time on this connection."""

    def link_down(self, link: Link, error: Exception) -> None:
        """Note that the connection is lost; it is being made again already."""

    def link_failed(self, link: Link, error: Exception) -> None:
        """Note that an attempt to connect has failed; another one follows."""


class Link:
    """
    A connection of the dispatcher, and the commands that wait for a reply on it.

    1. It connects, and connects again whenever it is lost, until it is closed.
    2. It sends at once what it can and keeps the rest.
    3. It hands each reply to whoever sent the command, or to `on_push` when none waits.
    4. It leaves a server that takes no writes any more.
    """

    def __init__(self, connect: Callable[[], AbstractConnection], owner: Owner, wake: Callable[[], None]) -> None:
        self._connect = connect
        self._owner = owner
        self._wake = wake
        self._connection: AbstractConnection | None = None
        self._fresh: deque[AbstractConnection | Exception] = deque()
        self._socket: socket.socket | None = None
        self._reader = Reader()
        self._out = bytearray()
        self._waiting: deque[tuple[float, Callable[[object], None]]] = deque()
        self._closed = threading.Event()
        self._needs_thread = False
        #: Connections in a row on which Redis accepted nothing, or that could not be made.
        self.failures = 0
        self._works, self._since = False, 0.0
        self._refusal: ResponseError | None = None  # for which it is to be left, when all that was asked has an answer
        self.on_push: Callable[[object], None] | None = None
        #: CLIENT ID of the connection, for CLIENT UNBLOCK; 0 when unknown.
        self.client_id = 0

    @property
    def up(self) -> bool:
        """Whether the connection is there, as far as is known."""
        return self._socket is not None

    @property
    def waiting(self) -> int:
        """How many commands have no reply yet."""
        return len(self._waiting)

    def since(self) -> float:
        """When the oldest command without a reply was sent (`time.monotonic`); infinity when there is none."""
        return self._waiting[0][0] if self._waiting else float("inf")

    def fileno(self) -> int:
        """Return the socket's descriptor for `select`, or -1."""
        return self._socket.fileno() if self._socket is not None else -1

    def wants_to_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return bool(self._out)

    # -- connecting ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Start to connect, in a thread of its own; where there is none to be had, `settle` tries again."""
        try:
            threading.Thread(target=self._connecting, name="qw-connect", daemon=True).start()
            self._needs_thread = False
        except RuntimeError:  # the system has no more, or the interpreter exits
            self._needs_thread = True

    def use(self, connection: AbstractConnection) -> None:
        """Take a connection that is already made."""
        self._adopt(connection)

    def _connecting(self) -> None:
        outside = False
        # At once after one that worked; else who accepts and hangs up, or refuses all, would be called without end.
        while not self._closed.wait(pause(self.failures, outside=outside) if self.failures else 0.0):
            try:
                with births.connecting():
                    connect(connection := self._connect())
            except Exception as error:  # noqa: BLE001 - a credential provider may raise anything, and not for ever
                self.failures += 1
                outside = keeps_out(error)
                self._fresh.append(error)
                self._wake()
                continue
            self._fresh.append(connection)
            self._wake()
            break
        if self._closed.is_set():
            self._discard()

    def _discard(self) -> None:
        """Close what was connected in vain: by `close`, or by the helper thread where that came too early."""
        with suppress(IndexError):
            while True:
                fresh = self._fresh.popleft()
                if not isinstance(fresh, Exception):
                    fresh.disconnect()

    def settle(self) -> None:
        """Take over a connection that the helper thread has made, and tell of those that it could not make."""
        if self._needs_thread and not self._closed.is_set():
            self.open()
        while self._fresh and not self._closed.is_set():
            fresh = self._fresh.popleft()
            if isinstance(fresh, Exception):
                self._owner.link_failed(self, fresh)
            else:
                self._adopt(fresh)

    def _adopt(self, connection: AbstractConnection) -> None:
        # The one private name of redis-py that qw reads: there is no public way to the socket of a connection.
        sock = cast("socket.socket | None", connection._sock)  # noqa: SLF001
        if sock is None:
            self.open()
            return
        sock.setblocking(False)
        self._connection, self._socket, self._reader = connection, sock, Reader()
        self._works, self._since, self._refusal = False, time.monotonic(), None
        descriptors.keep(sock.fileno())
        self._out.clear()
        self._owner.link_up(self)

    # -- commands -----------------------------------------------------------------------------------

    def send(self, command: tuple[Argument, ...], then: Callable[[object], None] | None) -> None:
        """Send a command; `then` gets its reply, which may be a `ResponseError`. None: it has no reply of its own."""
        if self._socket is None:
            return
        if then is not None:
            self._waiting.append((time.monotonic(), then))
        self._out += pack(command)
        self.write()

    def send_both(
        self,
        first: tuple[Argument, ...],
        then: Callable[[object], None],
        second: tuple[Argument, ...],
        finally_: Callable[[object], None],
    ) -> None:
        """Send two commands in one go, so that Redis has the second when it has done the first."""
        if self._socket is not None:
            now = time.monotonic()
            self._waiting += ((now, then), (now, finally_))
            self._out += pack(first) + pack(second)
            self.write()

    def call(self, call: Call[T], then: Callable[[T | ResponseError], None]) -> None:
        """Run a script; when Redis does not know it, send it with its text."""

        def answered(reply: object) -> None:
            if isinstance(reply, ResponseError) and code_of(reply) == "NOSCRIPT":
                self.send(call.eval(), finished)
            else:
                finished(reply)

        def finished(reply: object) -> None:
            then(call.explained(reply) if isinstance(reply, ResponseError) else call.parse(reply))

        self.send(call.evalsha(), answered)

    def write(self) -> None:
        """Give the socket what it takes."""
        try:
            while self._out and self._socket is not None:
                sent = self._socket.send(self._out)
                del self._out[:sent]
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self.lose(error)

    def pump(self) -> None:
        """Read what is there and hand out the replies."""
        try:
            while self._socket is not None:
                data = self._socket.recv(READ_SIZE)
                if not data:
                    self._hand_out()
                    self.lose(ConnectionError("Redis closed the connection"))
                    return
                self._reader.feed(data)
                if len(data) < READ_SIZE and not isinstance(self._socket, ssl.SSLSocket):
                    break
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as error:
            self._hand_out()
            self.lose(error)
            return
        self._hand_out()

    def _hand_out(self) -> None:
        while self._socket is not None:
            try:
                reply = self._reader.get()
            except ValueError as error:
                self.lose(error)
                return
            if reply is NOTHING:
                return
            if not self._works and not isinstance(reply, ResponseError):
                self._works, self.failures = True, 0
                self._owner.link_works(self)
            if self._waiting:
                self._waiting.popleft()[1](reply)
            elif self.on_push is not None:
                self.on_push(reply)
            if is_read_only(reply) and time.monotonic() - self._since > STAY:
                self._refusal = reply
            if self._refusal and not self._waiting:
                self.lose(self._refusal)  # as after a failover: the name may lead to another server by now

    def lose(self, error: Exception) -> None:
        """Give up this connection and make another one; without one, that is under way already."""
        if self._socket is None:
            return
        self._drop()
        if not self._closed.is_set():
            self.failures += not self._works
            self._owner.link_down(self, error)
            self.open()

    def close(self) -> None:
        """End the connection for good."""
        self._closed.set()
        self._drop()
        self._discard()

    def _drop(self) -> None:
        descriptors.forget(self.fileno())
        connection, self._connection, self._socket = self._connection, None, None
        self._waiting.clear()
        self._out.clear()
        self.client_id = 0
        if connection is not None:
            connection.disconnect()
