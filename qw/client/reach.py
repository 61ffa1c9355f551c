"""Ask a Redis whether it is there, lets us in, and is new enough; say in one line what to do when not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import redis
from redis.connection import AbstractConnection
from redis.exceptions import (
    NoPermissionError,
    RedisError,
    ResponseError,
)

from qw.client.connect import dedicated, keeps_out
from qw.client.server import info_fields, version_of, warn
from qw.errors import RedisRefused, RedisTooOld, RedisUnavailable
from qw.logs import safe

if TYPE_CHECKING:
    from qw.logs import Logger

#: BLMOVE, LMOVE and what else qw stands on came with this version.
OLDEST: Final = (6, 2)
#: Seconds until a Redis that does not answer counts as not there.
PATIENCE: Final = 5.0


def check(pool: redis.ConnectionPool, *, scripts: bool = True, logger: Logger | None = None) -> None:
    """
    Make sure that the Redis behind `pool` can be used; one that may not be asked for its version can.

    Tells `logger` what in its settings puts jobs at risk.

    Raises `RedisUnavailable`, `RedisTooOld`, or `RedisRefused`: also when `scripts` are wanted and not permitted.
    """
    connection = dedicated(pool, socket_timeout=PATIENCE)
    try:
        connection.connect()
        info = {**_info(connection, "server"), **_info(connection, "memory"), **_info(connection, "persistence")}
        # Known or not, it says first whether this user may run one.
        said = _ask(connection, "EVALSHA", "0" * 40, "0") if scripts else None
        if isinstance(said, NoPermissionError):
            raise said
        save = _ask(connection, "CONFIG", "GET", "save") if logger else None
    except RedisError as error:
        raise _explained(error) from None
    except OSError as error:
        raise RedisUnavailable(f"Redis does not answer: {safe(str(error))}") from None
    finally:
        connection.disconnect()
    version = version_of(info)
    if version and version < OLDEST:
        raise RedisTooOld(f"this Redis is {safe(info['redis_version'])}; qw needs 6.2 or newer")
    if logger:
        warn(logger, info, save)


def _info(connection: AbstractConnection, section: str) -> Mapping[str, str]:
    return info_fields(_ask(connection, "INFO", section))


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


def shown(pool: redis.ConnectionPool) -> str:
    """Return where the Redis behind `pool` is, as a URL without a password."""
    options = pool.connection_kwargs
    db = options.get("db") or 0
    path = options.get("path")
    if path:
        return safe(f"unix://{path}?db={db}")
    scheme = "rediss" if issubclass(pool.connection_class, redis.SSLConnection) else "redis"
    return safe(f"{scheme}://{options.get('host', 'localhost')}:{options.get('port', 6379)}/{db}")
