"""
What a job costs Redis, in commands and in round trips: exact figures, which do not depend on the machine's mood.

A change that makes one of them larger has made qw slower, whatever a benchmark says on that day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis

from qw.client import Client
from qw.dispatcher.knocker import BLOCK
from qw.dispatcher.liveness import BEATS, LEASE
from qw.scripts import Plan
from tests.support.managers import Managers, jobs_in
from tests.support.proxy import Proxy
from tests.support.scripts import ALIVE, ONE, jobs, run, scripts, seed
from tests.support.wait import wait_until

MANY = 1000
JOB = {"a": "b"}


def calls(plain: redis.Redis) -> Counter[str]:
    """Return how often each command was called so far, within scripts too."""
    stats: Any = plain.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): of["calls"] for name, of in stats.items() if "info" not in name})


def cost(plain: redis.Redis, act: Callable[[], object]) -> dict[str, int]:
    """Return how often each command was called while something was done."""
    before = calls(plain)
    act()
    return dict(calls(plain) - before)


@pytest.fixture
def near(plain: redis.Redis, proxy: Proxy) -> Iterator[Client]:
    """Return a client behind the proxy, which has connected and loaded its scripts."""
    with Client.from_url(proxy.url) as made:
        for job_id in [made.queue_job(JOB), *made.queue_jobs([JOB])]:
            made.fetch_next_job("web", "w")
            made.finish_job(job_id, "w")
        made.queue_jobs([JOB])
        made.finish_jobs([job_id for job_id, _ in made.fetch_jobs("web", "w", 1)], "w")
        assert jobs_in(plain) == {}
        yield made


def test_queueing_a_job(plain: redis.Redis, near: Client, proxy: Proxy) -> None:
    """One script in one round trip: is the id there, the hash, the list, and the time."""
    before = proxy.turns
    spent = cost(plain, lambda: near.queue_job(JOB))

    assert spent == {"evalsha": 1, "time": 1, "exists": 1, "hset": 1, "lpush": 1}
    assert proxy.turns - before == 1


def test_queueing_many(plain: redis.Redis, near: Client, proxy: Proxy) -> None:
    """One script in one round trip for a thousand, one push, and one question whether any of them is there."""
    before = proxy.turns
    spent = cost(plain, lambda: near.queue_jobs([JOB] * MANY))

    assert spent == {"evalsha": 1, "time": 1, "exists": 1, "hset": MANY, "lpush": 1}
    assert proxy.turns - before == 1


def test_fetching_and_finishing_many(plain: redis.Redis, near: Client, proxy: Proxy) -> None:
    """A round trip each; for a job an HGETALL, and an LREM since any of a worker's jobs may be finished first."""
    near.queue_jobs([JOB] * MANY)
    before = proxy.turns
    ids: list[str] = []
    fetched = cost(plain, lambda: ids.extend(job_id for job_id, _ in near.fetch_jobs("web", "w", 100)))
    finished = cost(plain, lambda: near.finish_jobs(ids, "w"))

    assert len(ids) == 100
    assert proxy.turns - before == 2
    once = ("evalsha", "del", "lrange", "lpush", "ltrim")
    assert fetched == {**dict.fromkeys(once, 1), "type": 3, "llen": 3, "hgetall": 100}
    assert finished == {"evalsha": 1, "type": 1, "unlink": 1, "hincrby": 1, "lrem": 100}


def test_an_exchange(plain: redis.Redis) -> None:
    """A hundred jobs finished, a hundred dealt: an HGETALL for each of these, the rest once or twice."""
    done, new = [f"d{n}" for n in range(100)], [f"n{n}" for n in range(100)]
    seed(plain, {**ALIVE, **jobs(*done, *new), f"{ONE}:jobs": done[::-1], "all:jobs": new[::-1]})
    spent = cost(plain, lambda: run(plain, scripts().exchange(Plan(done=[(ONE, done)], want=[(ONE, 100)], number=1))))

    once = ("eval", "time", "hget", "del", "unlink", "type", "hset", "hincrby", "lpush")
    assert spent == {**dict.fromkeys(once, 1), "llen": 2, "lrange": 2, "ltrim": 2, "hgetall": 100}


def test_an_idle_manager(plain: redis.Redis, managers: Managers) -> None:
    """A beat, and a BLMOVE on each list that blocks for as long as it may, with a peek behind it; nothing else."""
    managers.start("tests.support.targets:succeed", workers=2, lease=3)
    wait_until(lambda: plain.info("clients")["blocked_clients"] == 2, why="it waits")
    first = calls(plain)
    wait_until(lambda: calls(plain)["smismember"] - first["smismember"] >= 4, why="two beats")
    before = calls(plain)
    wait_until(lambda: calls(plain)["smismember"] - before["smismember"] >= 6, why="three beats more")
    spent = calls(plain) - before

    beat = {"evalsha": 1, "hget": 1, "smismember": 2, "del": 1, "hset": 1, "hgetall": 1, "zrange": 1, "llen": 2}
    beats, peeks = spent["hgetall"], spent["lindex"]
    # A BLMOVE and its peek each lease, here: 3 s, and a beat each third of it.
    assert peeks <= 2 * (beats // 3 + 1)
    assert spent.pop("blmove", 0) in {peeks - 1, peeks, peeks + 1}
    spent["evalsha"] += spent.pop("eval", 0)  # the first on a connection goes with its text
    peek = {"evalsha": peeks, "hget": peeks, "time": peeks, "lindex": peeks}
    assert +Counter(spent) == +(Counter(peek) + Counter({name: beats * times for name, times in beat.items()}))


def test_what_an_idle_manager_asks_for() -> None:
    """With the lease that managers have: in a minute two BLMOVEs and two peeks six times, and twelve beats."""
    assert (60 / min(BLOCK, LEASE), 60 / (LEASE / BEATS)) == (6, 12)


def test_a_job_for_an_idle_manager(plain: redis.Redis, client: Client, managers: Managers) -> None:
    """Queued, it comes with the replies to a BLMOVE and the peek behind it; an exchange tells that it is done."""
    managers.start("tests.support.targets:succeed", workers=2, lease=600)

    def one() -> None:
        client.queue_job(JOB)
        wait_until(lambda: jobs_in(plain) == {})

    spent = [cost(plain, one) for _ in range(5)]
    # The first peek on a connection goes with its text; and a job may come before the manager waits again.
    costs = [(each.get("evalsha", 0) + each.get("eval", 0), each.get("blmove", 0)) for each in spent]
    assert min(costs)[0] == 3
    assert (3, 1) in costs
