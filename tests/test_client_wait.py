"""Waiting for results: typed and plain, there already or yet to come, gone, failed, and through breaks."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import attrs
import pytest
import redis

from qw.client import Client
from qw.errors import JobFailed, ResultGone, UndecodableJob, UnknownJob, UsageError
from qw.job import Job, JobId
from tests.support.keyspace import expiring, snapshot
from tests.support.proxy import Proxy
from tests.support.scripts import jobs, seed
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until


@attrs.frozen
class Size:
    """A result."""

    width: int
    name: str = "é"


@attrs.frozen
class Thumbnail(Job[Size]):
    """A job with a result."""

    path: str = "/a.png"


@attrs.frozen
class Note(Job[None]):
    """A job without one."""

    text: str = ""


def finish(plain: redis.Redis, job_id: str, content: object = None) -> None:
    """Do what a dispatcher does in one script with a job that is done."""
    with plain.pipeline(transaction=True) as pipeline:
        if content is not None:
            pipeline.lpush(f"result:{job_id}", json.dumps(content))
            pipeline.pexpire(f"result:{job_id}", 60_000)
        pipeline.delete(f"job:{job_id}")
        pipeline.lrem("all:jobs", 0, job_id)
        pipeline.execute()


def bury(plain: redis.Redis, job_id: str, content: object = None) -> None:
    """Do what a dispatcher does with a job that failed."""
    with plain.pipeline(transaction=True) as pipeline:
        if content is not None:
            pipeline.lpush(f"result:{job_id}", json.dumps(content))
            pipeline.pexpire(f"result:{job_id}", 60_000)
        pipeline.hset(f"job:{job_id}", mapping={"qw:error": "ValueError: no", "qw:traceback": "line 1"})
        pipeline.zadd("all:dead", {job_id: 1})
        pipeline.execute()


def blocked(plain: redis.Redis) -> int:
    """Return how many connections are blocked."""
    found: Any = plain.info("clients")
    return int(found["blocked_clients"])


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Return threads for what blocks."""
    with ThreadPoolExecutor(8) as executor:
        yield executor


class TestResults:
    """What comes back."""

    def test_a_result_comes_in_its_type(self, client: Client, plain: redis.Redis) -> None:
        """The id knows it; as long as it is kept it can be asked for again."""
        job_id = client.queue_job(Thumbnail())
        finish(plain, job_id, {"result": {"width": 128, "name": "\udcff"}})

        assert client.wait_job(job_id, 0) == Size(128, "\udcff")
        assert client.wait_job(job_id, timeout=5) == Size(128, "\udcff")

    def test_for_a_plain_id_it_comes_as_the_json_says(self, client: Client, plain: redis.Redis) -> None:
        """Nobody knows its type."""
        job_id = client.queue_job(Thumbnail())
        finish(plain, job_id, {"result": {"width": 128, "big": 2**70, "none": None}})

        assert client.wait_job(str(job_id)) == {"width": 128, "big": 2**70, "none": None}
        assert client.wait_job(JobId(str(job_id))) == {"width": 128, "big": 2**70, "none": None}

    def test_any_number_of_waiters(self, client: Client, plain: redis.Redis, aside: ThreadPoolExecutor) -> None:
        """All are woken at once, the result stays for others, and so does its time to live."""
        job_id = client.queue_job(Thumbnail())
        waiting = [aside.submit(client.wait_job, job_id, 20) for _ in range(8)]
        wait_until(lambda: blocked(plain) == 8)
        began = time.monotonic()

        finish(plain, job_id, {"result": {"width": 1}})

        assert [future.result(5) for future in waiting] == [Size(1)] * 8
        assert time.monotonic() - began < 0.9
        assert client.wait_job(job_id) == Size(1)
        assert 50 < expiring(plain)[f"result:{job_id}"] <= 60
        assert snapshot(plain)[f"result:{job_id}"] == ['{"result": {"width": 1}}']

    def test_a_job_without_a_result(self, client: Client, plain: redis.Redis, aside: ThreadPoolExecutor) -> None:
        """None, when it is gone; typed, plain, or an id that was seen alive."""
        ids = [client.queue_job(Note()), client.queue_job({}), str(client.queue_job({}))]
        waiting = [aside.submit(client.wait_job, job_id, 20) for job_id in ids]
        wait_until(lambda: blocked(plain) == 3)
        for job_id in ids:
            finish(plain, job_id)

        assert [future.result(5) for future in waiting] == [None] * 3
        assert client.wait_jobs(ids[:2]) == [None, None]

    def test_a_result_that_is_none(self, client: Client, plain: redis.Redis) -> None:
        """What holds no result is said to be so; what is of another type as well."""
        contents: list[object] = [[], "text", {}, {"other": 1}]
        for content in contents:
            job_id = client.queue_job(Thumbnail())
            finish(plain, job_id, content)
            with pytest.raises(UndecodableJob, match=job_id):
                client.wait_job(job_id)
        job_id = client.queue_job(Thumbnail())
        plain.lpush(f"result:{job_id}", "[" * 100_000)
        with pytest.raises(UndecodableJob, match=job_id):
            client.wait_job(job_id)
        job_id = client.queue_job(Thumbnail())
        finish(plain, job_id, {"result": {"width": "wide"}})
        with pytest.raises(UndecodableJob, match="width"):
            client.wait_job(job_id)


class TestNoResult:
    """What is raised instead."""

    @pytest.mark.parametrize("typed", [True, False])
    def test_a_job_that_failed(
        self, client: Client, plain: redis.Redis, aside: ThreadPoolExecutor, typed: bool
    ) -> None:
        """With the remote error; it wakes who waits, and is kept in the hash when the result has expired."""
        job_id = client.queue_job(Thumbnail()) if typed else client.queue_job({})
        waiting = aside.submit(client.wait_job, job_id, 20)
        wait_until(lambda: blocked(plain) == 1)
        bury(plain, job_id, {"error": "ValueError: no", "traceback": "line 1"})
        with pytest.raises(JobFailed) as woken:
            waiting.result(5)
        plain.delete(f"result:{job_id}")
        with pytest.raises(JobFailed) as later:
            client.wait_job(job_id, 5)

        for caught in (woken, later):
            assert (caught.value.job_id, caught.value.error, caught.value.traceback) == (
                job_id,
                "ValueError: no",
                "line 1",
            )

    def test_a_result_that_has_expired(self, client: Client, plain: redis.Redis, aside: ThreadPoolExecutor) -> None:
        """Whether the id knows that there was one, or the job was seen alive."""
        job_id, other = client.queue_job(Thumbnail()), client.queue_job(Thumbnail())
        waiting = aside.submit(client.wait_job, str(other), 20)
        wait_until(lambda: blocked(plain) == 1)
        finish(plain, job_id)
        finish(plain, other)

        with pytest.raises(ResultGone, match=job_id):
            client.wait_job(job_id)
        with pytest.raises(ResultGone, match=other):
            waiting.result(5)

    def test_a_job_that_nobody_knows(self, client: Client) -> None:
        """Never queued, or done long ago."""
        for job_id in ("none", JobId[None]("none")):
            with pytest.raises(UnknownJob, match="none"):
                client.wait_job(job_id)

    @pytest.mark.parametrize("timeout", [0, 0.3])
    def test_a_job_that_is_not_done_in_time(self, client: Client, plain: redis.Redis, timeout: float) -> None:
        """Python's own error; nothing is left behind."""
        job_id = client.queue_job(Thumbnail())
        before = snapshot(plain)
        began = time.monotonic()

        with pytest.raises(TimeoutError, match=job_id):
            client.wait_job(job_id, timeout)

        assert timeout <= time.monotonic() - began < timeout + 1
        assert blocked(plain) == 0
        assert snapshot(plain) == before

    def test_a_timeout_that_is_none(self, client: Client) -> None:
        """It is seconds, 0 or more."""
        with pytest.raises(UsageError):
            client.wait_job("a", -1)


class TestMany:
    """`wait_jobs`."""

    def test_results_in_the_order_of_the_ids(self, client: Client, plain: redis.Redis) -> None:
        """Though the jobs are done in another one; more of them than are asked for at a time."""
        ids = client.queue_jobs(Thumbnail(str(n)) for n in range(2300))

        def work() -> None:
            for n in range(2299, -1, -1):
                finish(plain, ids[n], {"result": {"width": n}})

        working = threading.Thread(target=work)
        working.start()

        assert client.wait_jobs(ids, 50) == [Size(n) for n in range(2300)]
        working.join()

    def test_none(self, client: Client) -> None:
        """There is nothing to wait for."""
        assert client.wait_jobs([]) == []

    def test_the_first_that_failed_is_raised(self, client: Client, plain: redis.Redis) -> None:
        """The others go on."""
        ids = client.queue_jobs([Thumbnail(), Thumbnail(), Thumbnail()])
        bury(plain, ids[1], {"error": "ValueError: no", "traceback": ""})

        with pytest.raises(JobFailed, match=ids[1]):
            client.wait_jobs(ids)

    def test_not_all_are_done_in_time(self, client: Client, plain: redis.Redis) -> None:
        """The error says how many are left."""
        ids = client.queue_jobs([Thumbnail()] * 3)
        finish(plain, ids[1], {"result": {"width": 1}})

        with pytest.raises(TimeoutError, match="2 of 3 jobs"):
            client.wait_jobs(ids, 0.2)


class TestBreaks:
    """Connections that end, and a Redis that is full."""

    def test_cuts_are_waited_out(
        self, redis_server: RedisServer, client: Client, plain: redis.Redis, aside: ThreadPoolExecutor
    ) -> None:
        """A waiter connects again; what was done meanwhile is found."""
        job_id = client.queue_job(Thumbnail())
        with Proxy(redis_server.port) as proxy, Client.from_url(proxy.url, patience=20) as far:
            waiting = aside.submit(far.wait_job, job_id, 40)
            for _ in range(3):
                wait_until(lambda: blocked(plain) == 1)
                proxy.cut()
                wait_until(lambda: blocked(plain) == 0)
            proxy.refuse()
            finish(plain, job_id, {"result": {"width": 1}})
            proxy.refuse(refusing=False)

            assert waiting.result(20) == Size(1)

    def test_redis_stays_away(self, redis_server: RedisServer, client: Client) -> None:
        """redis-py's error comes when patience is over, not Python's."""
        job_id = client.queue_job(Thumbnail())
        with Proxy(redis_server.port) as proxy, Client.from_url(proxy.url, patience=0.2) as far:
            proxy.refuse()
            with pytest.raises(redis.ConnectionError):
                far.wait_job(job_id, 20)

    def test_a_full_redis(self, make_server: MakeServer, aside: ThreadPoolExecutor) -> None:
        """BLMOVE does not wait there, but the result is found."""
        server = make_server()
        with Client.from_url(server.url) as client, redis.Redis.from_url(server.url) as plain:
            job_id = client.queue_job(Thumbnail())
            seed(plain, {f"result:{job_id}.new": ['{"result": {"width": 1}}'], **jobs("other")})
            client.config_set("maxmemory", 1)
            waiting = aside.submit(client.wait_job, job_id, 20)
            with pytest.raises(TimeoutError):
                client.wait_job(job_id, 0.3)
            client.rename(f"result:{job_id}.new", f"result:{job_id}")

            assert waiting.result(5) == Size(1)
