"""Connections outside the pool, for who waits on several at once or may never block."""

from __future__ import annotations

import inspect
import socket
from contextlib import suppress
from functools import lru_cache
from typing import Any, Protocol

from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.connection import AbstractConnection
from redis.exceptions import AuthenticationError, AuthorizationError, NoPermissionError
from redis.retry import Retry

#: Settings of a pool that have no place in a connection that is watched by `select`: redis-py 8 would
#: speak RESP3 and push messages of its own, which make a socket readable without a reply.
_DROPPED = (
    "cache",
    "cache_config",
    "connection_pool",
    "maint_notifications_config",
    "maint_notifications_pool_handler",
)

#: After 15 s without a word the system asks the other end for a sign of life, and three times more, each 5 s: a
#: connection on which nothing is sent is else dead without our knowing, or forgotten by a router on the way.
_KEEPALIVE = {"TCP_KEEPIDLE": 15, "TCP_KEEPALIVE": 15, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}

#: How Redis, in one version or another, says that it does not let us in.
_OUTSIDE = ("NOAUTH", "WRONGPASS", "NOPERM", "ERR invalid password", "ERR AUTH")


class Connectable(Protocol):
    """What can be connected: redis-py's own annotations of a connection are not complete."""

    def connect(self) -> object:
        """Connect."""

    def disconnect(self) -> object:
        """Close the socket."""


def connect(connection: Connectable) -> None:
    """
    Connect, or leave nothing open; raises what redis-py does, and what a credential provider raises.

    redis-py closes its socket after its own errors only: each failure of a provider would leave one open.
    """
    try:
        connection.connect()
    except BaseException:
        with suppress(Exception):
            connection.disconnect()
        raise


def keeps_out(error: Exception) -> bool:
    """Tell whether Redis is there and wants another user or password: trying again soon is of no use."""
    known = isinstance(error, (AuthenticationError, AuthorizationError, NoPermissionError))
    return known or str(error).startswith(_OUTSIDE)


@lru_cache
def _accepted(connection_class: type[AbstractConnection]) -> frozenset[str]:
    """Return the arguments that this class and its bases take: they differ between redis-py 5 and 8."""
    names: set[str] = set()
    for base in connection_class.__mro__[:-1]:
        # `base` is the very class whose arguments are asked for, so no subclass can have others.
        names.update(inspect.signature(base.__init__).parameters)  # type: ignore[misc]
    return frozenset(names)


def _keepalive_options() -> dict[int, int]:
    """Return those that this system has; Linux calls the first TCP_KEEPIDLE, macOS TCP_KEEPALIVE."""
    return {getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)}


def dedicated(pool: ConnectionPool, *, socket_timeout: float | None) -> AbstractConnection:
    """
    Make a connection as `pool` would, but of one's own: RESP2, bytes, and never retried by redis-py.

    It is not connected yet; `socket_timeout` (seconds) bounds connecting and each read.
    """
    own: dict[str, Any] = {  # values for keyword arguments of a class that is only known at run time
        "protocol": 2,
        "decode_responses": False,
        "health_check_interval": 0,
        "retry": Retry(NoBackoff(), 0),
        "retry_on_timeout": False,
        "retry_on_error": [],
        "socket_timeout": socket_timeout,
        "socket_connect_timeout": socket_timeout,
        "socket_keepalive": True,
        "socket_keepalive_options": pool.connection_kwargs.get("socket_keepalive_options") or _keepalive_options(),
    }
    accepted = _accepted(pool.connection_class)
    sentinel = hasattr(pool, "sentinel_manager")  # a Sentinel's connection asks its pool for the master's address
    dropped = [name for name in _DROPPED if not (sentinel and name == "connection_pool")]
    options = {name: value for name, value in pool.connection_kwargs.items() if name not in dropped}
    options.update({name: value for name, value in own.items() if name in accepted})
    connection: AbstractConnection = pool.connection_class(**options)
    return connection
