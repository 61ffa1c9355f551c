"""
How a client runs commands and scripts: many in one sending, and once.

redis-py's own way repeats what may have been applied already. Here nothing is repeated unless the
caller says that it may be (`patiently`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from redis.retry import Retry

from qw.client._connections import Connection, Connections
from qw.client._patience import Patience
from qw.client.replies import checked
from qw.scripts import Call
from qw.wire import Argument, pack

T = TypeVar("T")

Command = Sequence[Argument]

_NEVER: Final = Retry(NoBackoff(), 0)


def forbid_retries(pool: ConnectionPool) -> None:
    """
    Let no connection of the pool repeat a command by itself: a lost reply would make an LPUSH apply twice.

    This holds for everybody who uses the pool.
    """
    # redis-py's blocking pool raises here, when it has noted it for all connections that are yet to be made.
    with suppress(AttributeError):
        pool.set_retry(_NEVER)


class Caller:
    """Runs commands and scripts for one client."""

    def __init__(self, connections: Connections, patience: float) -> None:
        self.connections = connections
        #: Seconds for which `patiently` puts up with a Redis that is away.
        self.patience = patience

    def patiently(self, act: Callable[[], T], patience: Patience | None = None) -> T:
        """Return what `act` returns, trying again while Redis is away: only for what may be done twice."""
        patience = patience or Patience(self.patience)
        while True:
            try:
                result = act()
            except RedisError as error:
                if not patience.pause(error):
                    raise
            else:
                patience.reward()
                return result

    def call(self, call: Call[T]) -> T:
        """Run a script, once; raises redis-py's errors."""
        return self.calls([call])[0]

    def calls(self, calls: Sequence[Call[T]]) -> list[T]:
        """Run scripts in one round trip; the first error is raised when all have been answered."""
        with self.connections.lend() as (connection,):
            replies = _exchange(connection, [call.evalsha() for call in calls])
            unknown = [i for i, reply in enumerate(replies) if isinstance(reply, NoScriptError)]
            again = _exchange(connection, [calls[i].eval() for i in unknown]) if unknown else []
        for i, reply in zip(unknown, again, strict=True):
            replies[i] = reply
        return [call.parse(checked(reply)) for call, reply in zip(calls, replies, strict=True)]

    def commands(self, commands: Sequence[Command]) -> list[object]:
        """Run commands in one round trip; the error of one stands in its place."""
        if not commands:
            return []
        with self.connections.lend() as (connection,):
            return _exchange(connection, commands)


def _exchange(connection: Connection, commands: Sequence[Command]) -> list[object]:
    connection.send(b"".join([pack(command) for command in commands]), len(commands))
    return [connection.receive() for _ in commands]
