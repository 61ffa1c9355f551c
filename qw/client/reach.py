"""Ask a Redis whether it is there, lets us in, and is new enough; say in one line what to do when not."""

from __future__ import annotations

from typing import Final

import redis
from redis.connection import AbstractConnection
from redis.exceptions import (
    NoPermissionError,
    RedisError,
    ResponseError,
)

from qw.client.connect import dedicated, keeps_out
from qw.errors import RedisRefused, RedisTooOld, RedisUnavailable
from qw.logs import safe

#: BLMOVE, LMOVE and what else qw stands on came with this version.
OLDEST: Final = (6, 2)
#: Seconds until a Redis that does not answer counts as not there.
PATIENCE: Final = 5.0


def check(pool: redis.ConnectionPool, *, scripts: bool = True) -> str:
    """
    Return the version of the Redis behind `pool`, '' when it may not be asked.

    Raises `RedisUnavailable`, `RedisTooOld`, or `RedisRefused`: also when `scripts` are wanted and not permitted.
    """
    connection = dedicated(pool, socket_timeout=PATIENCE)
    try:
        connection.connect()
        version = _version(_ask(connection, "INFO", "server"))
        # Known or not, it says first whether this user may run one.
        said = _ask(connection, "EVALSHA", "0" * 40, "0") if scripts else None
        if isinstance(said, NoPermissionError):
            raise said
    except RedisError as error:
        raise _explained(error) from None
    except OSError as error:
        raise RedisUnavailable(f"Redis does not answer: {safe(str(error))}") from None
    finally:
        connection.disconnect()
    if version and _numbers(version) < OLDEST:
        raise RedisTooOld(f"this Redis is {safe(version)}; qw needs 6.2 or newer")
    return version


def _ask(connection: AbstractConnection, *command: str) -> object:
    """Return the reply to a command; what Redis has against it is one."""
    connection.send_command(*command)
    try:
        return connection.read_response()
    except ResponseError as error:
        return error


def _explained(error: RedisError) -> RedisUnavailable:
    text = safe(str(error))
    if keeps_out(error):
        return RedisRefused(f"Redis wants another user or password, or one that may do more: {text}")
    if isinstance(error, ResponseError):
        return RedisUnavailable(f"Redis does not answer as it should: {text}")
    return RedisUnavailable(f"Redis does not answer: {text}")


def _version(info: object) -> str:
    text = info.decode("utf-8", "replace") if isinstance(info, bytes) else ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name == "redis_version":
            return value.strip()
    return ""


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".")[:2] if part.isdecimal())


def shown(pool: redis.ConnectionPool) -> str:
    """Return where the Redis behind `pool` is, as a URL without a password."""
    options = pool.connection_kwargs
    db = options.get("db") or 0
    path = options.get("path")
    if path:
        return safe(f"unix://{path}?db={db}")
    scheme = "rediss" if issubclass(pool.connection_class, redis.SSLConnection) else "redis"
    return safe(f"{scheme}://{options.get('host', 'localhost')}:{options.get('port', 6379)}/{db}")
