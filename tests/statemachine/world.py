"""The real Redis: scripts called as qw calls them, commands as a foreign program sends them, and all that it holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import redis

from qw.client import Client
from qw.keys import Keys, to_bytes, to_str
from qw.scripts import Call
from tests.support.keyspace import Value, expiring, text

T = TypeVar("T")

#: How a key of each type is read.
_READ: Final = {
    b"hash": ("HGETALL",),
    b"list": ("LRANGE", 0, -1),
    b"set": ("SMEMBERS",),
    b"string": ("GET",),
    b"zset": ("ZRANGE", 0, -1, "WITHSCORES"),
}
#: The fields of a job that decide what becomes of it.
_DECIDING: Final = frozenset({"qw:queue", "qw:for", "qw:tries", "qw:crashes", "qw:rescues"})


class World:
    """One database, empty at first, under one namespace."""

    def __init__(self, url: str, namespace: str | None) -> None:
        self._url, self._namespace = url, namespace
        self.keys = Keys(namespace)
        #: Knows nothing of qw.
        self.redis = redis.Redis.from_url(url)
        self.redis.flushall()
        self.client = Client.from_url(url, namespace=namespace)

    def close(self) -> None:
        """Close the connections."""
        self.redis.close()
        self.client.close()

    def another_client(self) -> None:
        """Let another process take the place of the client: it has nothing in hand."""
        self.client.close()
        self.client = Client.from_url(self._url, namespace=self._namespace)

    def call(self, call: Call[T]) -> T:
        """Call a script; it is taught to a Redis that has forgotten it."""
        return self.client.call(call)

    def command(self, name: str, *words: object) -> Any:
        """Send a command as any program may; an id is `str` here as well."""
        return self.redis.execute_command(name, *(to_bytes(w) if isinstance(w, str) else w for w in words))

    def look(self) -> dict[str, Value]:
        """Return all that is there, without the namespace, and without what decides nothing about a job."""
        names: list[bytes] = self.command("KEYS", "*")
        with self.redis.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.type(name)
            kinds = pipeline.execute()
            for name, kind in zip(names, kinds, strict=True):
                command, *more = _READ[kind]
                pipeline.execute_command(command, name, *more)
            values = pipeline.execute()
        found = ((self._bare(name), value) for name, value in zip(names, values, strict=True))
        return {name: _plainly(name, value) for name, value in found}

    def lasting(self, names: Iterable[str]) -> set[str]:
        """Return which of these keys have no time to live."""
        return set(names) - {self._bare(to_bytes(name)) for name in expiring(self.redis)}

    def _bare(self, name: bytes) -> str:
        assert name.startswith(self.keys.prefix), f"{name!r} is outside of the namespace"
        return to_str(name.removeprefix(self.keys.prefix))


def _plainly(name: str, value: Any) -> Value:
    """Return what a key holds, as the shadow says it."""
    if name.startswith("result:"):
        return "kept"
    if name == "all:scheduled":
        return {text(member): float(score) for member, score in value}
    if isinstance(value, Mapping):
        return _deciding(name, {text(field): text(held) for field, held in value.items()})
    if isinstance(value, bytes):
        return "text"
    # Of a sorted set, pairs with scores that decide nothing.
    members = [text(member[0] if isinstance(member, (list, tuple)) else member) for member in value]
    return set(members) if isinstance(value, set) or name == "all:dead" else members


def _deciding(name: str, fields: Mapping[str, str]) -> dict[str, str]:
    """Return of a hash what decides: a mark without its time, a job without its data."""
    if name == "all:beats":
        return {start: "struck" if beat.startswith("struck ") else beat for start, beat in fields.items()}
    return {field: held for field, held in fields.items() if name == "all:stats" or field in _DECIDING}


def differences(found: Mapping[str, Value], wanted: Mapping[str, Value]) -> list[str]:
    """Return a line for each key that holds something else than it should."""
    keys = sorted({*found, *wanted})
    return [
        f"{key}: {found.get(key, 'not there')} in Redis, {wanted.get(key, 'not there')} expected"
        for key in keys
        if found.get(key) != wanted.get(key)
    ]
