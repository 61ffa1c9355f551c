"""Waiting on several lists at once, with a connection for each."""

from __future__ import annotations

import selectors
import time
from collections.abc import Mapping, Sequence
from typing import Final

from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from qw.client._connections import Connection, Connections
from qw.client.replies import checked
from qw.keys import to_str
from qw.scripts.client import Knock
from qw.wire import NOTHING, pack

#: Seconds that a connection blocks at a time. A half-open one stays first among those that wait, and takes the
#: next job into a list whose owner learns of it only then.
SLICE: Final = 5.0

# Redis 6.2 rounds a shorter time to 0, which means: without end.
SHORTEST: Final = 0.01


def knocks(connections: Connections, into: bytes, sources: Mapping[bytes, str | None], seconds: float) -> list[Knock]:
    """
    Block until a job comes to one of the lists `sources`, at most `seconds`; return those that came, moved to `into`.

    There may be several, or none. When Redis lets nobody unblock a connection (NOPERM), or one is lost, a job may
    be in `into` without being returned: what counts is what is found there. Raises redis-py's errors.
    """
    time_of_redis = f"{max(seconds, SHORTEST):.3f}"
    with connections.lend(len(sources)) as lent:
        ids = [connection.client_id() for connection in lent]
        for connection, source in zip(lent, sources, strict=True):
            connection.send(pack(("BLMOVE", source, into, "RIGHT", "LEFT", time_of_redis)))
        replies = _replies(lent, ids, seconds + connections.bound)
    pairs = zip(replies, sources.values(), strict=True)
    came = [Knock(to_str(reply), source) for reply, source in pairs if isinstance(reply, bytes)]
    if not came:
        for reply in replies:
            checked(reply)
    return came


def _replies(lent: Sequence[Connection], ids: Sequence[int | None], seconds: float) -> list[object]:
    """Wait for the first reply, free the other connections, and return what each got; None for who got nothing."""
    first, reply = _first(lent, seconds)
    replies: dict[Connection, object] = {first: reply}
    blocked = [(connection, known) for connection, known in zip(lent, ids, strict=True) if connection is not first]
    if _unblock(first, [known for _, known in blocked]):
        replies.update((connection, connection.receive()) for connection, _ in blocked)
    return [replies.get(connection) for connection in lent]


def _first(lent: Sequence[Connection], seconds: float) -> tuple[Connection, object]:
    end = time.monotonic() + seconds
    with selectors.DefaultSelector() as selector:
        for connection in lent:
            selector.register(connection, selectors.EVENT_READ)
        while selector.select(max(0.0, end - time.monotonic())):
            # Not only those that the selector names: TLS has a buffer of its own.
            for connection in lent:
                if (reply := connection.receive_now()) is not NOTHING:
                    return connection, reply
    raise RedisTimeoutError("Redis does not answer")


def _unblock(free: Connection, blocked: Sequence[int | None]) -> bool:
    """Free the connections with these ids; returns False when that is not permitted, and they may stay blocked."""
    if None in blocked:
        return False
    free.send(b"".join([pack(("CLIENT", "UNBLOCK", known or 0)) for known in blocked]), len(blocked))
    replies = [free.receive() for _ in blocked]
    return not any(isinstance(reply, ResponseError) for reply in replies)
