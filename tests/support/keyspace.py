"""All that is in a Redis database, as Python values that can be compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import redis

#: What a key holds: a string, a list from left to right, a set, a hash, or a sorted set with its scores.
Value: TypeAlias = "str | list[str] | set[str] | dict[str, str] | dict[str, float]"


def text(raw: object) -> str:
    """Return what Redis sent as `str`; bytes that are not UTF-8 become lone surrogates."""
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else str(raw)


def _string(client: redis.Redis, key: bytes) -> Value:
    return text(client.get(key))


def _list(client: redis.Redis, key: bytes) -> Value:
    found: Any = client.lrange(key, 0, -1)
    return [text(item) for item in found]


def _set(client: redis.Redis, key: bytes) -> Value:
    found: Any = client.smembers(key)
    return {text(item) for item in found}


def _hash(client: redis.Redis, key: bytes) -> Value:
    found: Any = client.hgetall(key)
    return {text(field): text(value) for field, value in found.items()}


def _zset(client: redis.Redis, key: bytes) -> Value:
    found: Any = client.zrange(key, 0, -1, withscores=True)
    return {text(member): float(score) for member, score in found}


_READ: Mapping[str, Callable[[redis.Redis, bytes], Value]] = {
    "hash": _hash,
    "list": _list,
    "set": _set,
    "string": _string,
    "zset": _zset,
}


def snapshot(client: redis.Redis) -> dict[str, Value]:
    """Return every key of the client's database with its value; one that goes meanwhile is not there."""
    kinds = {key: text(client.type(key)) for key in client.scan_iter()}
    found = {text(key): (kind, _READ[kind](client, key)) for key, kind in kinds.items() if kind != "none"}
    # Of all kinds only a string may be empty.
    return {name: value for name, (kind, value) in found.items() if value or kind == "string"}


def expiring(client: redis.Redis) -> dict[str, float]:
    """Return the keys that have a time to live, with the seconds of it."""
    left: dict[str, Any] = {text(key): client.pttl(key) for key in client.scan_iter()}
    return {key: int(ms) / 1000 for key, ms in left.items() if int(ms) >= 0}
