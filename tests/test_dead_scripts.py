"""The scripts for buried jobs against whole key spaces: `requeue` and `delete` of a client, `trim` of a dispatcher."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from qw.keys import Keys
from qw.scripts import ClientScripts, Trimmed
from tests.support.keyspace import Value, snapshot
from tests.support.scripts import Space, jobs, now_ms, run, scripts, seed, under
from tests.support.server import MakeServer

#: What is noted in the hash of a buried job, and forgotten when it is queued again.
WHY = {
    "qw:error": "E: x",
    "qw:traceback": "T",
    "qw:worker": "web.s1.0",
    "qw:dead_at": "5",
    "qw:tries": "3",
    "qw:crashes": "1",
    "qw:rescues": "2",
}
DAY = 86_400.0

Seen = tuple[object, dict[str, Value]]


def buried(*ids: str, **fields: str) -> dict[str, Value]:
    """Return the key space of buried jobs."""
    space = jobs(*ids, **{**WHY, **fields})
    return {**space, "all:dead": dict.fromkeys(ids, 5.0), **{f"result:{job_id}": ['{"error": "E"}'] for job_id in ids}}


def timeless(space: Space) -> dict[str, Value]:
    """Return the key space without the time at which a job was queued again."""
    return {key: _timeless(value) for key, value in space.items()}


def _timeless(value: Any) -> Value:
    if isinstance(value, dict):
        return {name: item for name, item in value.items() if name != "qw:queued_at"}
    same: Value = value
    return same


def requeue(client: redis.Redis, *ids: str, namespace: str | None = None) -> Seen:
    """Requeue, and return what is said and what is there afterwards."""
    return run(client, ClientScripts(Keys(namespace)).requeue(ids)), timeless(snapshot(client))


def delete(client: redis.Redis, *ids: str, namespace: str | None = None) -> Seen:
    """Delete, and return what is said and what is there afterwards."""
    return run(client, ClientScripts(Keys(namespace)).delete(ids)), snapshot(client)


@pytest.mark.parametrize("namespace", [None, "orders"])
def test_back_in_the_queue(plain: redis.Redis, namespace: str | None) -> None:
    """Each at the end of its own queue, as if new, without its last result; and no second time."""
    elsewhere = jobs("b", **WHY, **{"qw:queue": "web:jobs"})
    seed(plain, under(namespace, {**buried("a", "b"), **elsewhere, "all:jobs": ["z"]}))
    after = {
        **jobs("a"), **jobs("b", **{"qw:queue": "web:jobs"}),
        "all:jobs": ["a", "z"], "web:jobs": ["b"], "all:stats": {"requeued": "2"}
    }  # fmt: skip

    assert requeue(plain, "a", "b", "x", namespace=namespace) == ([1, 1, 0], timeless(under(namespace, after)))
    assert requeue(plain, "a", "b", "x", namespace=namespace) == ([0, 0, 0], timeless(under(namespace, after)))


def test_it_is_queued_now(plain: redis.Redis) -> None:
    """What its line in the log tells as waiting does not count the time it was buried."""
    seed(plain, buried("a", **{"qw:queued_at": "1"}))
    before = now_ms(plain)
    requeue(plain, "a")
    queued_at: Any = plain.hget("job:a", "qw:queued_at")

    assert before - 1 <= int(queued_at) <= now_ms(plain)


def test_nothing_else_is_touched(plain: redis.Redis) -> None:
    """A job that is queued, being run or done is no buried one, whoever says so."""
    space: Space = {**jobs("a", "b"), "all:jobs": ["a"], "web.1:jobs": ["b"], "result:c": ["1"]}
    seed(plain, space)

    assert requeue(plain, "a", "b", "c") == ([0, 0, 0], space)
    assert delete(plain, "a", "b", "c") == ([False, False, False], space)


def test_what_is_no_job_any_more(plain: redis.Redis) -> None:
    """An id without a hash is forgotten; one whose key is of another type, or whose queue is, stays."""
    space: Space = {"job:s": "a string", **jobs("q"), "all:jobs": "a string"}
    seed(plain, {**space, "all:dead": {"gone": 1.0, "s": 2.0, "q": 3.0}})

    assert requeue(plain, "gone", "s", "q") == ([-1, -2, -2], {**space, "all:dead": {"s": 2.0, "q": 3.0}})


def test_deleted_for_good(plain: redis.Redis) -> None:
    """With its hash and its result, whatever its key holds; the others stay."""
    space: Space = {**buried("a", "b"), "job:s": "a string", "all:dead": {"a": 5.0, "b": 5.0, "s": 5.0, "gone": 5.0}}
    seed(plain, space)
    left = {key: value for key, value in space.items() if key.endswith(":b")}

    assert delete(plain, "a", "s", "gone", "x") == ([True, True, True, False], {**left, "all:dead": {"b": 5.0}})


def test_too_many_and_too_old(plain: redis.Redis) -> None:
    """The oldest go; those that are left are the newest, with all they have."""
    now = now_ms(plain)
    ages = {"a": 9 * DAY, "b": 8 * DAY, "c": 3 * DAY, "d": 2 * DAY, "e": 1 * DAY}
    dead = {job_id: now - 1000 * age for job_id, age in ages.items()}
    space = buried(*ages)
    seed(plain, {**space, "all:dead": dead})

    assert run(plain, scripts().trim(2, 7 * DAY)) == Trimmed(2, 1, more=False)
    left = {key: value for key, value in space.items() if key[-2:] in (":d", ":e")}
    assert snapshot(plain) == {**left, "all:dead": {"d": dead["d"], "e": dead["e"]}, "all:stats": {"trimmed": "3"}}
    assert run(plain, scripts().trim(2, 7 * DAY)) == Trimmed(0, 0, more=False)


def test_a_trim_is_bounded(plain: redis.Redis) -> None:
    """A thousand at a time, and it says when there is more."""
    seed(plain, {"all:dead": {f"j{n}": float(n) for n in range(1500)}})

    assert run(plain, scripts().trim(300, 1e10)) == Trimmed(0, 1000, more=True)
    assert run(plain, scripts().trim(300, 1e10)) == Trimmed(0, 200, more=False)
    assert plain.zrange("all:dead", 0, 0) == [b"j1200"]


def test_nothing_to_trim_writes_nothing(plain: redis.Redis) -> None:
    """Nor does a key of another type stop anybody."""
    assert run(plain, scripts().trim(2, 1.0)) == Trimmed(0, 0, more=False)
    plain.set("all:dead", "a string")
    assert run(plain, scripts().trim(2, 1.0)) == Trimmed(0, 0, more=False)
    assert snapshot(plain) == {"all:dead": "a string"}


def test_on_a_full_redis(make_server: MakeServer) -> None:
    """All three work: to delete what is buried is what one would do then."""
    with redis.Redis.from_url(make_server().url) as full:
        seed(full, {**buried("a", "b", "c"), "all:jobs": ["z"]})
        full.config_set("maxmemory", 1)

        assert requeue(full, "a")[0] == [1]
        assert delete(full, "b")[0] == [True]
        assert run(full, scripts().trim(1, 1.0)).too_old == 1
        assert full.lrange("all:jobs", 0, -1) == [b"a", b"z"]
        assert not full.exists("all:dead", "job:b", "job:c")


def test_the_keys_are_those_of_the_namespace() -> None:
    """All keys of the calls carry the prefix."""
    mine, others = ClientScripts(Keys("orders")), scripts("orders")
    keys = [*mine.requeue(["a"]).keys, *mine.delete(["a"]).keys, *others.trim(1, 1.0).keys]

    assert all(key.startswith(Keys("orders").prefix) for key in keys)
