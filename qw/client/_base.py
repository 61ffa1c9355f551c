"""How a client is made, copied and closed: the part of `Client` that the others stand on."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import redis
from redis import ConnectionPool

from qw.client._access import Access
from qw.client._caller import Caller, forbid_retries
from qw.client._connections import Connections
from qw.client._fetching import Fetching
from qw.client._options import SOCKET_TIMEOUT, RedisOptions
from qw.errors import UsageError
from qw.keys import Keys
from qw.scripts import Call, ClientScripts
from qw.units import is_number, is_whole

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack

T = TypeVar("T")

#: Bytes that the fields of one job may hold.
MAX_PAYLOAD: Final = 1024 * 1024
#: Seconds for which a call puts up with a Redis that is away.
PATIENCE: Final = 5.0


class BaseClient(redis.Redis):
    """A redis-py client that knows its keys, its scripts and its patience, and never repeats a command by itself."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 6379,
        db: int = 0,
        *,
        namespace: str | None = None,
        patience: float = PATIENCE,
        max_payload: int = MAX_PAYLOAD,
        **options: Unpack[RedisOptions],
    ) -> None:
        if not (is_number(patience) and patience >= 0):
            raise UsageError(f"patience {patience!r}: use seconds, 0 or more")
        if not is_whole(max_payload, 1):
            raise UsageError(f"max_payload {max_payload!r}: use a whole number of bytes, 1 or more")
        self._made_by: Callable[[], BaseClient] = partial(
            type(self), host, port, db, namespace=namespace, patience=patience, max_payload=max_payload, **options
        )
        super().__init__(host, port, db, **_bounded(options))
        pool: ConnectionPool = self.connection_pool
        forbid_retries(pool)
        #: Bytes that the fields of one job may hold to be queued.
        self.max_payload = max_payload
        # Before anything can raise: redis-py closes what is half made too.
        self._connections = connections = Connections(pool)
        #: The names of its keys. (`keys` is a Redis command.)
        self.key_names = keys = Keys(namespace)
        self._access = Access(keys, ClientScripts(keys), Caller(connections, patience), connections)
        self._fetching = Fetching(self._access)

    @classmethod
    def from_url(  # type: ignore[override]  # redis-py's takes just any option
        cls,
        url: str,
        *,
        namespace: str | None = None,
        patience: float = PATIENCE,
        max_payload: int = MAX_PAYLOAD,
        **options: Unpack[RedisOptions],
    ) -> Self:
        """
        Make a client of a URL: `redis://`, `rediss://` (TLS) or `unix://`, as redis-py reads it.

        Where both say something, the URL goes before the options.
        """
        pool = ConnectionPool.from_url(url, **_bounded(options))
        client = cls(namespace=namespace, patience=patience, max_payload=max_payload, connection_pool=pool)
        client.auto_close_connection_pool = True
        client._made_by = partial(
            cls.from_url, url, namespace=namespace, patience=patience, max_payload=max_payload, **options
        )
        return client

    def __reduce__(self) -> tuple[Callable[[], BaseClient], tuple[()]]:
        """Pickle how it was made: connections stay where they are, and so does what is in hand."""
        return self._made_by, ()

    def close(self) -> None:
        """Close the connections; one that is used again makes new ones."""
        super().close()
        self._connections.close()

    def call(self, call: Call[T]) -> T:
        """Run one of qw's scripts, once; raises redis-py's errors."""
        return self._access.caller.call(call)


def _bounded(options: RedisOptions) -> RedisOptions:
    """Return the options with bounds for connecting and answering, unless the user has set some."""
    bounds: RedisOptions = {"socket_timeout": SOCKET_TIMEOUT, "socket_connect_timeout": SOCKET_TIMEOUT}
    return {**bounds, **options}
