"""`due`: what it moves where, in which order, and what it says of the next one; the whole key space is compared."""

from __future__ import annotations

import math
import time
from typing import Any, Final

import attrs
import pytest
import redis

from qw.keys import Keys, to_bytes
from qw.scripts import Due
from tests.support.keyspace import Value, snapshot
from tests.support.scripts import ALIVE, NOW, ONE, TWO, Space, jobs, run, scripts, seed, under
from tests.support.server import MakeServer

#: Scores: long ago, and in the year 9999, as far as any calendar goes.
PAST: Final = 1000.0
YEAR_9999: Final = 253402300799000.0
#: What is answered when all is moved and nothing is left.
DONE: Final = Due("ok", 1, math.inf, [])
#: The fields of a job for one worker.
FOR_ONE: Final = {"qw:for": ONE, "qw:queue": "web:jobs"}
WORKERS: Final[Space] = {**ALIVE, "web:workers": {ONE, TWO}}


@attrs.frozen
class Row:
    """A key space, what `due` answers, and the key space afterwards (None: as it was); called again it is at rest."""

    claim: str
    before: Space
    after: Space | None
    answer: Due = DONE


def stats(**counts: str) -> Space:
    """Return the counters."""
    return {"all:stats": counts}


def not_there(*ids: str) -> list[tuple[str, str]]:
    """Return what is said of ids without a hash."""
    return [(job_id, f"job:{job_id} is not there") for job_id in ids]


ROWS: Final = [
    Row("nothing is scheduled", ALIVE, None, Due("ok", 0, math.inf, [])),
    Row(
        "the one that was due first is taken first, before all that waits",
        {**ALIVE, **jobs("a", "b", "c", "z"), "all:scheduled": {"b": 2.0, "c": 3.0, "a": 1.0}, "all:jobs": ["z"]},
        {**ALIVE, **jobs("a", "b", "c", "z"), "all:jobs": ["z", "c", "b", "a"]},
        Due("ok", 3, math.inf, []),
    ),
    Row(
        "a job goes to the list it is noted for",
        {**ALIVE, **jobs("a", **{"qw:queue": "mail:jobs"}), "all:scheduled": {"a": PAST}},
        {**ALIVE, **jobs("a", **{"qw:queue": "mail:jobs"}), "mail:jobs": ["a"]},
    ),
    Row(
        "a list that is none is passed over",
        {**ALIVE, **jobs("a", **{"qw:queue": "mail:jobs"}), "mail:jobs": "x", "all:scheduled": {"a": PAST}},
        {**ALIVE, **jobs("a", **{"qw:queue": "mail:jobs"}), "mail:jobs": "x", "all:jobs": ["a"]},
    ),
    Row(
        "a job for one worker goes to its own list",
        {**WORKERS, **jobs("a", **FOR_ONE), "all:scheduled": {"a": PAST}, f"{ONE}:jobs": ["x"]},
        {**WORKERS, **jobs("a", **FOR_ONE), f"{ONE}:jobs": ["x", "a"]},
    ),
    Row(
        "for a worker that is gone, to its manager's",
        {**ALIVE, "web:workers": {TWO}, **jobs("a", **FOR_ONE), "all:scheduled": {"a": PAST}},
        {**ALIVE, "web:workers": {TWO}, **jobs("a", **FOR_ONE), "web:jobs": ["a"]},
    ),
    Row(
        "and so where the worker's list, or the set of workers, is none",
        {**WORKERS, **jobs("a", **FOR_ONE), "all:scheduled": {"a": PAST}, f"{ONE}:jobs": "x"},
        {**WORKERS, **jobs("a", **FOR_ONE), "web:jobs": ["a"], f"{ONE}:jobs": "x"},
    ),
    Row(
        "for a worker of nobody knows whom, to all",
        {**WORKERS, **jobs("a", **{"qw:for": ONE}), "all:scheduled": {"a": PAST}},
        {**WORKERS, **jobs("a", **{"qw:for": ONE}), "all:jobs": ["a"]},
    ),
    Row(
        "a set of workers that is none",
        {**ALIVE, "web:workers": "x", **jobs("a", **FOR_ONE), "all:scheduled": {"a": PAST}},
        {**ALIVE, "web:workers": "x", **jobs("a", **FOR_ONE), "web:jobs": ["a"]},
    ),
    Row(
        "an id without a hash is dropped",
        {**ALIVE, **jobs("a"), "all:scheduled": {"x": PAST, "a": PAST, "\udcff": 2 * PAST}},
        {**ALIVE, **jobs("a"), "all:jobs": ["a"], **stats(dropped="2")},
        Due("ok", 1, math.inf, not_there("\udcff", "x")),
    ),
    Row(
        "one whose key is no hash is buried",
        {**ALIVE, "job:s": "a string", "all:scheduled": {"s": PAST}},
        {**ALIVE, "job:s": "a string", "all:dead": {"s": NOW}, **stats(buried="1")},
        Due("ok", 0, math.inf, [("s", "buried: job:s is not a hash")]),
    ),
    Row(
        "or dropped where nothing can be buried",
        {**ALIVE, "job:s": "a string", "all:scheduled": {"s": PAST}, "all:dead": "x"},
        {**ALIVE, "job:s": "a string", "all:dead": "x", **stats(dropped="1")},
        Due("ok", 0, math.inf, [("s", "job:s is not a hash")]),
    ),
    Row(
        "minus infinity is past; the year 9999 is not, nor is infinity",
        {**ALIVE, **jobs("a", "b", "c"), "all:scheduled": {"a": -math.inf, "b": YEAR_9999, "c": math.inf}},
        {**ALIVE, **jobs("a", "b", "c"), "all:scheduled": {"b": YEAR_9999, "c": math.inf}, "all:jobs": ["a"]},
        Due("ok", 1, 1e9, []),
    ),
    Row(
        "only infinity",
        {**ALIVE, **jobs("c"), "all:scheduled": {"c": math.inf}},
        None,
        Due("ok", 0, 1e9, []),
    ),
    Row(
        "what cannot go anywhere stays, and is left alone for a while",
        {**ALIVE, **jobs("a"), "all:scheduled": {"a": PAST}, "all:jobs": "a string"},
        None,
        Due("ok", 0, 1.0, []),
    ),
    Row(
        "a start that Redis has forgotten moves them nevertheless",
        {**jobs("a"), "all:scheduled": {"a": PAST}},
        {**jobs("a"), "all:jobs": ["a"]},
        Due("missing", 1, math.inf, []),
    ),
    Row(
        "counters of the wrong type stop nobody",
        {**ALIVE, "all:scheduled": {"x": PAST}, "all:stats": "a string"},
        {**ALIVE, "all:stats": "a string"},
        Due("ok", 0, math.inf, not_there("x")),
    ),
    Row(
        "who is struck off moves nothing",
        {"all:beats": {"web.s1": "struck 1"}, **jobs("a"), "all:scheduled": {"a": PAST, "x": PAST}},
        None,
        Due("struck", 0, math.inf, []),
    ),
]


def due(client: redis.Redis, namespace: str | None = None) -> Due:
    """Have `web.s1` call it."""
    return run(client, scripts(namespace).due())


def found(client: redis.Redis) -> dict[str, Value]:
    """Return the whole key space, with `NOW` for the time of a burial."""
    space = snapshot(client)
    for key, value in space.items():
        if key.endswith("all:dead") and isinstance(value, dict):
            assert all(abs(float(score) / 1000 - time.time()) < 60 for score in value.values())
            space[key] = dict.fromkeys(value, NOW)
    return space


@pytest.mark.parametrize("namespace", [None, "orders"])
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.claim)
def test_what_is_due_goes_where_it_belongs(row: Row, namespace: str | None, plain: redis.Redis) -> None:
    """The whole key space after a call, and the same after another one."""
    seed(plain, under(namespace, row.before))
    answer = due(plain, namespace)

    after = under(namespace, row.before if row.after is None else row.after)
    assert (attrs.evolve(answer, wait=row.answer.wait), found(plain)) == (row.answer, after)
    assert answer.wait == pytest.approx(row.answer.wait)
    again = due(plain, namespace)
    assert (again.moved, again.dropped, found(plain)) == (0, [], after)


def test_the_wait_is_until_the_next_one(plain: redis.Redis) -> None:
    """Rounded up, so that it is due when one asks then."""
    seconds, micros = plain.time()
    seed(plain, {**ALIVE, **jobs("a"), "all:scheduled": {"a": seconds * 1000 + micros / 1000 + 10_000}})

    assert 9 < due(plain).wait <= 10


def test_a_call_is_bounded(plain: redis.Redis) -> None:
    """At most 500 jobs, and it says that more are due; when all are moved they are in their order."""
    ids = [f"j{n:04}" for n in range(1100)]
    seed(plain, {**ALIVE, **jobs(*ids), "all:scheduled": {job_id: float(n) for n, job_id in enumerate(ids)}})

    answers = [due(plain) for _ in range(3)]

    assert [(answer.moved, answer.wait) for answer in answers] == [(500, 0), (500, 0), (100, math.inf)]
    queue: Any = snapshot(plain)["all:jobs"]
    assert queue[::-1] == ids


def test_scheduled_of_another_type_is_refused(plain: redis.Redis) -> None:
    """The line names the key, and nothing is written."""
    before = {**ALIVE, "all:scheduled": "a string"}
    seed(plain, before)

    with pytest.raises(redis.ResponseError, match="WRONGTYPE all:scheduled is not a sorted set"):
        due(plain)
    assert snapshot(plain) == before


def test_the_bell_rings_once_for_each_worker(plain: redis.Redis) -> None:
    """Its dispatcher blocks on other lists, and must look."""
    seed(plain, {**WORKERS, **jobs("a", "b", **FOR_ONE), **jobs("c"), "all:scheduled": dict.fromkeys("abc", PAST)})
    with plain.pubsub(ignore_subscribe_messages=True) as bell:
        bell.subscribe("all:bell")
        bell.get_message(timeout=5)
        due(plain)
        plain.publish("all:bell", "end")

        rung: list[Any] = [bell.get_message(timeout=5), bell.get_message(timeout=5)]
    assert [message["data"] for message in rung] == [to_bytes(ONE), b"end"]


def test_works_on_a_full_redis(plain: redis.Redis, make_server: MakeServer) -> None:
    """Else it would never drain: everything that a row of the table writes, it writes."""
    server = make_server()
    with redis.Redis.from_url(server.url) as full:
        space = {**WORKERS, **jobs("a"), **jobs("b", **FOR_ONE), "job:s": "a string"}
        seed(full, {**space, "all:scheduled": dict.fromkeys("absx", PAST)})
        full.config_set("maxmemory", 1)

        assert due(full).moved == 2
        assert found(full) == {
            **space,
            "all:jobs": ["a"],
            f"{ONE}:jobs": ["b"],
            "all:dead": {"s": NOW},
            **stats(dropped="1", buried="1"),
        }


def test_nothing_due_writes_nothing(plain: redis.Redis) -> None:
    """It is asked at each beat of each manager: a replica and an append-only file hear nothing of it."""
    seed(plain, {**ALIVE, **jobs("a"), "all:scheduled": {"a": YEAR_9999}})
    plain.config_resetstat()
    due(plain)

    commands: Any = plain.info("commandstats")
    assert {name.removeprefix("cmdstat_") for name in commands} <= {
        "eval", "hget", "time", "zrevrangebyscore", "zrange", "config|resetstat", "info", "config"
    }  # fmt: skip


def test_the_keys_are_those_of_the_namespace() -> None:
    """All keys of the call carry the prefix."""
    call = scripts("orders").due()

    assert all(key.startswith(Keys("orders").prefix) for key in call.keys)
