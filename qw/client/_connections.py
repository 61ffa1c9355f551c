"""
The connections of qw's own methods, beside those of the pool.

They speak RESP2 and bytes however the pool is configured, repeat nothing, tell what was sent from what
was not, and can be waited on. redis-py makes them (addresses, TLS, passwords); `qw.wire` reads them.
"""

from __future__ import annotations

import os
import select
import socket
import ssl
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NoReturn, Protocol, cast

from redis import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from qw.client.connect import Connectable, connect, dedicated
from qw.client.replies import classified, is_read_only
from qw.wire import NOTHING, Argument, Reader, pack

#: Seconds that Redis may take to answer when the user has set no bound.
ANSWER: Final = 5.0

# Under the size from which malloc asks the system each time.
_READ_SIZE = 65536

# Enough for a few threads that fetch, with three each; more are made, and closed when they come back.
_MOST_IDLE = 12

# Errors of a socket have a number, but for these.
_TIMED_OUT: Final = ("timed out", "The read operation timed out", "The write operation timed out")


class _Made(Connectable, Protocol):
    """What is used of redis-py's connection."""

    _sock: socket.socket


class Connection:
    """One connection, and how many of its commands have no reply yet. Raises redis-py's errors when it is lost."""

    def __init__(self, made: _Made) -> None:
        connect(made)
        self._made = made
        # redis-py has no public way to the socket of a connection.
        self._socket = made._sock  # noqa: SLF001
        self._reader = Reader()
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._client_id: int | None = None
        #: More than 0 as well when one of them has failed: it is of no more use then.
        self.pending = 0
        #: Set when Redis has said that it takes no writes: its name may lead to another server by now.
        self.is_stale = False
        #: How often that was so for any when this one was made.
        self.generation = 0

    def send(self, payload: bytes, replies: int = 1) -> None:
        """
        Send packed commands that have so many replies.

        When it raises one of redis-py's errors, the kernel has not taken the last byte: Redis has not the whole of the
        last command. What a signal handler raises comes as it is, and says nothing of that.
        """
        self.pending += replies
        try:
            self._socket.sendall(payload)
        except OSError as error:
            _raise(error, "Redis does not read what is sent to it", "the connection to Redis broke while sending")

    def receive(self) -> object:
        """Wait for the next reply; it may be an error, which is returned."""
        while (reply := self._next()) is NOTHING:
            self._fill()
        return reply

    def receive_now(self) -> object:
        """Return the next reply if it is there, else `NOTHING`; never wait."""
        # With TLS there may be something to read and yet no reply, or a reply and nothing to read.
        bound = self._socket.gettimeout()
        self._socket.settimeout(0)
        try:
            return self.receive()
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return NOTHING
        finally:
            self._socket.settimeout(bound)

    def await_reply(self, seconds: float) -> object:
        """Return the reply to a command that may block for so many seconds."""
        bound = self._socket.gettimeout()
        self._socket.settimeout(seconds + (bound or ANSWER))
        reply = self.receive()
        self._socket.settimeout(bound)
        return reply

    def ask(self, *command: Argument) -> object:
        """Send one command and return its reply, which may be an error."""
        self.send(pack(command))
        return self.receive()

    def client_id(self) -> int | None:
        """Return what CLIENT UNBLOCK wants to know; None when Redis does not tell. Not while a command is pending."""
        if self._client_id is None:
            said = self.ask("CLIENT", "ID")
            self._client_id = said if isinstance(said, int) else None
        return self._client_id

    def fileno(self) -> int:
        """Return the socket's descriptor."""
        return self._socket.fileno()

    def is_quiet(self) -> bool:
        """Tell whether nothing has come unasked, such as the end of the connection."""
        try:
            return not self._poll.poll(0) or self.receive_now() is NOTHING
        except (RedisConnectionError, RedisTimeoutError):
            return False

    def close(self) -> None:
        """Close it."""
        self._made.disconnect()

    def _next(self) -> object:
        try:
            reply = self._reader.get()
        except ValueError as error:
            raise RedisConnectionError(f"this does not speak as Redis does: {error}") from None
        if reply is not NOTHING:
            self.pending -= 1
        reply = classified(reply)
        self.is_stale = self.is_stale or is_read_only(reply)
        return reply

    def _fill(self) -> None:
        try:
            data = self._socket.recv(_READ_SIZE)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except OSError as error:
            _raise(error, "Redis does not answer", "the connection to Redis broke")
        if not data:
            raise RedisConnectionError("Redis closed the connection")
        self._reader.feed(data)


def _raise(error: OSError, slow: str, broken: str) -> NoReturn:
    """Raise redis-py's error for one of a socket; one that a signal handler has raised meanwhile as it is."""
    if error.errno is None and str(error) not in _TIMED_OUT:
        raise error
    if isinstance(error, TimeoutError):
        raise RedisTimeoutError(slow) from None
    raise RedisConnectionError(f"{broken}: {error}") from None


class Connections:
    """Lends connections, and keeps some of those that come back in good order. Safe to use from many threads."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool
        self._idle: deque[Connection] = deque()
        self._pid = os.getpid()
        self._generation = 0
        bound: object = pool.connection_kwargs.get("socket_timeout")
        #: Seconds that Redis may take to answer, beyond the time it was told to block.
        self.bound = float(bound) if isinstance(bound, (int, float)) and bound > 0 else ANSWER

    @contextmanager
    def lend(self, count: int = 1) -> Iterator[list[Connection]]:
        """Lend connections for a block of code; raises redis-py's errors when they cannot be made."""
        lent: list[Connection] = []
        try:
            while len(lent) < count:
                lent.append(self.take_idle() or self._new())
            yield lent
        finally:
            for connection in lent:
                self.take_back(connection)

    def close(self) -> None:
        """Close those that nobody uses."""
        while connection := self._pop():
            connection.close()

    def _new(self) -> Connection:
        generation = self._generation
        made = Connection(cast("_Made", dedicated(self._pool, socket_timeout=self.bound)))
        made.generation = generation
        return made

    def take_back(self, connection: Connection) -> None:
        """Take back a connection that was lent."""
        if connection.is_stale and connection.generation == self._generation:
            self._generation += 1  # the others are as old, also those that are lent now
            self.close()
        # With a reply under way it would be taken for the reply to the next command.
        if connection.pending or connection.generation != self._generation or len(self._idle) >= _MOST_IDLE:
            connection.close()
        else:
            self._idle.append(connection)

    def take_idle(self) -> Connection | None:
        """Lend a connection that nobody uses, until `take_back`; None when there is none."""
        while connection := self._pop():
            if connection.is_quiet():
                return connection
            connection.close()
        return None

    def _pop(self) -> Connection | None:
        if self._pid != os.getpid():
            # Forked: these are the parent's, and so are the replies that come out of them.
            self._idle.clear()
            self._pid = os.getpid()
        try:
            return self._idle.pop()
        except IndexError:
            return None
