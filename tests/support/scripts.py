"""
Scripts against a key space: seed it, call one, and look at everything that is there afterwards.

What a script writes of the time is the `now` of its reply; `settle` puts `NOW` in its place, so that a
key space can be written down in a table. Names are those of the manager `web` in its start `s1`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias, TypeVar, cast

import attrs
import redis

from qw.keys import Keys, to_bytes, to_str
from qw.scripts import Batch, Call, DispatcherScripts, Exchanged, Plan
from tests.support.keyspace import Value, snapshot, text

T = TypeVar("T")

Space: TypeAlias = Mapping[str, Value]

MANAGER: Final = "web"
START: Final = "s1"
ONE, TWO, THREE = WORKERS = ("web.s1.1", "web.s1.2", "web.s1.3")
#: The start is registered, and has raised its counter seven times.
ALIVE: Final[Space] = {"all:beats": {"web.s1": "7"}}
#: Stands for the time of the call, as score of a sorted set and in the field `qw:dead_at`.
NOW: Final = 1.0


def scripts(namespace: str | None = None, workers: tuple[str, ...] = WORKERS) -> DispatcherScripts:
    """Return the calls of the start `web.s1`."""
    return DispatcherScripts(Keys(namespace), MANAGER, START, workers)


def run(client: redis.Redis, call: Call[T]) -> T:
    """Call a script as a dispatcher does when Redis does not know it yet."""
    return call.parse(client.execute_command(*call.eval()))


def now_ms(client: redis.Redis) -> float:
    """Return what time it is for Redis."""
    seconds, micros = client.time()
    return float(seconds * 1000 + micros / 1000)


def jobs(*ids: str, **fields: str) -> dict[str, Value]:
    """Return the keys of plain jobs: a field that tells them apart, and `fields`."""
    return {f"job:{job_id}": {"n": job_id, **fields} for job_id in ids}


def _string(client: redis.Redis, key: bytes, value: Any) -> None:
    client.set(key, to_bytes(value))


def _list(client: redis.Redis, key: bytes, value: Any) -> None:
    client.rpush(key, *(to_bytes(item) for item in value))


def _set(client: redis.Redis, key: bytes, value: Any) -> None:
    client.sadd(key, *(to_bytes(item) for item in value))


def _mapping(client: redis.Redis, key: bytes, value: Any) -> None:
    if any(isinstance(item, float) for item in value.values()):
        client.zadd(key, {to_bytes(name): score for name, score in value.items()})
    else:
        client.hset(key, items=[to_bytes(part) for pair in value.items() for part in pair])


_WRITE: Final[Mapping[type, Callable[[redis.Redis, bytes, Any], None]]] = {
    str: _string,
    list: _list,
    set: _set,
    dict: _mapping,
}


def seed(client: redis.Redis, space: Space) -> None:
    """Write a key space as `snapshot` returns one; a mapping to floats is a sorted set."""
    for key, value in space.items():
        _WRITE[type(value)](client, to_bytes(key), value)


def under(namespace: str | None, space: Space) -> dict[str, Value]:
    """Return the same key space with every key under a namespace."""
    return {to_str(Keys(namespace).prefix) + key: value for key, value in space.items()}


def settle(space: Space, now: int) -> dict[str, Value]:
    """Return the key space with `NOW` wherever the time of the call was written."""
    return {key: _settled(value, now) for key, value in space.items()}


def _settled(value: Value, now: int) -> Value:
    if not isinstance(value, dict):
        return value
    known: dict[object, object] = {float(now): NOW, str(now): str(NOW)}
    return cast("Value", {name: known.get(item, item) for name, item in value.items()})


def read_line(line: bytes) -> tuple[str, dict[str, str]]:
    """Return id and fields of a job as a slot gets it."""
    flat: list[str] = json.loads(to_str(line))
    job_id = flat.pop()
    return job_id, dict(zip(flat[::2], flat[1::2], strict=True))


def read_batch(batch: Batch) -> list[tuple[str, dict[str, str]]]:
    """Return the jobs of a batch, oldest first."""
    return [read_line(line) for line in batch.lines.split(b"\n")]


def _set_of(ids: Iterable[str]) -> frozenset[str]:
    return frozenset(ids)


@attrs.frozen
class Answer:
    """What `exchange` is to answer, times and contents aside."""

    status: str = "ok"
    refused: frozenset[str] = attrs.field(default=frozenset(), converter=_set_of)
    dropped: tuple[tuple[str, str], ...] = ()
    more: bool = False
    #: Worker → ids given to it, in the order in which it is to run them.
    given: Mapping[str, list[str]] = attrs.field(factory=dict)

    @classmethod
    def of(cls, reply: Exchanged) -> Answer:
        """Take from a reply what can be written down beforehand."""
        dropped = tuple((job_id, why) for job_id, why in reply.dropped)
        return cls(reply.status, reply.refused, dropped, reply.more, {b.worker: list(b.ids) for b in reply.batches})


@attrs.frozen
class Case:
    """One row of a table: a key space, what is asked of `exchange`, and what comes of it."""

    claim: str
    before: Space
    plan: Plan
    after: Space
    answer: Answer = attrs.field(factory=Answer)
    #: Seconds left to the keys that have a time to live.
    ttl: Mapping[str, float] = attrs.field(factory=dict)

    def __str__(self) -> str:
        return self.claim


def exchange(client: redis.Redis, plan: Plan, namespace: str | None = None) -> Exchanged:
    """Call `exchange`, and hold the lines that come against the hashes that are there."""
    reply = run(client, scripts(namespace).exchange(plan))
    keys = Keys(namespace)
    for batch in reply.batches:
        for job_id, (name, fields) in zip(batch.ids, read_batch(batch), strict=True):
            found: Any = client.hgetall(keys.job(job_id))
            assert (name, fields) == (job_id, {text(field): text(value) for field, value in found.items()})
    return reply


def found(client: redis.Redis, now: int) -> dict[str, Value]:
    """Return the whole key space, with `NOW` in the place of the time of the call."""
    return settle(snapshot(client), now)
