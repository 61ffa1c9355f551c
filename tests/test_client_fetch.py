"""Fetching and finishing: the order of the lists, what wakes, what is in hand, and what a break leaves behind."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import attrs
import pytest
import redis

from qw.client import Client
from qw.errors import UsageError
from qw.job import Job
from tests.support.keyspace import snapshot
from tests.support.proxy import Proxy
from tests.support.scripts import jobs, seed
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

Fetched = tuple[str, dict[str, str]] | tuple[None, None]


@attrs.frozen
class Note(Job[None]):
    """A typed job."""

    text: str


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Return a thread for what blocks."""
    with ThreadPoolExecutor(1) as executor:
        yield executor


def blocked(plain: redis.Redis) -> int:
    """Return how many connections are blocked."""
    found: Any = plain.info("clients")
    return int(found["blocked_clients"])


class TestFetchNext:
    """`fetch_next_job`."""

    def test_the_order_of_the_lists(self, client: Client) -> None:
        """The own list, the manager's, all:jobs; in each the oldest first."""
        client.register_manager("web")
        client.register_worker("web", "web.1")
        free = client.queue_jobs([{"n": 1}, {"n": 2}])
        bound = client.queue_jobs([{}, {}], "web")
        sent = client.queue_jobs([{}, {}], worker="web.1")

        fetched = [client.fetch_next_job("web", "web.1")[0] for _ in range(6)]

        assert fetched == [*sent, *bound, *free]
        assert client.fetch_next_job("web", "web.1", timeout=0.01) == (None, None)

    def test_a_typed_job_comes_as_its_fields(self, client: Client) -> None:
        """Without those that are qw's own."""
        job_id = client.queue_job(Note("hello"), "web")

        assert client.fetch_next_job("web", "web.1") == (job_id, {"text": "hello"})

    def test_nothing_comes(self, client: Client) -> None:
        """After the time that was given; nothing is written, and nobody stays blocked."""
        began = time.monotonic()

        assert client.fetch_next_job("web", "web.1", 0.3) == (None, None)

        assert 0.3 <= time.monotonic() - began < 2
        assert blocked(client) == 0
        assert client.dbsize() == 0

    @pytest.mark.parametrize("timeout", [10, 0, None])
    @pytest.mark.parametrize(
        "where", ["all", "manager", "worker", "lpush to all", "lpush to manager", "lpush to worker"]
    )
    def test_a_job_wakes_at_once(
        self, client: Client, plain: redis.Redis, aside: ThreadPoolExecutor, where: str, timeout: float | None
    ) -> None:
        """On any of the three lists, from qw or from redis-cli; the job is where it belongs, and nowhere else."""
        client.register_manager("web")
        client.register_worker("web", "web.1")
        waiting: Future[Fetched] = aside.submit(client.fetch_next_job, "web", "web.1", timeout)
        wait_until(lambda: blocked(plain) == 3)
        target = {"all": (None, None), "manager": ("web", None), "worker": (None, "web.1")}.get(where)
        began = time.monotonic()

        if target:
            job_id: str = client.queue_job({"n": "a"}, *target)
        else:
            job_id = "a"
            seed(plain, jobs("a"))
            plain.lpush(
                {"all": "all:jobs", "manager": "web:jobs", "worker": "web.1:jobs"}[where.rpartition(" ")[2]], "a"
            )

        assert waiting.result(5) == (job_id, {"n": "a"})
        assert time.monotonic() - began < 0.5
        assert blocked(plain) == 0
        assert snapshot(plain)["web.1:jobs"] == [job_id]
        queue = snapshot(plain)[f"job:{job_id}"].get("qw:queue")  # type: ignore[union-attr]
        assert queue == (None if "all" in where else "web:jobs")

    def test_the_own_list_with_something_in_hand(self, client: Client, aside: ThreadPoolExecutor) -> None:
        """It cannot wake then; the job is found when the wait is over, at the latest."""
        client.register_manager("web")
        client.register_worker("web", "web.1")
        client.queue_job({})
        client.fetch_next_job("web", "web.1")
        waiting: Future[Fetched] = aside.submit(client.fetch_next_job, "web", "web.1", 1)
        wait_until(lambda: blocked(client) == 2)

        job_id = client.queue_job({}, worker="web.1")

        assert waiting.result(5) == (job_id, {})

    def test_jobs_that_come_on_all_lists_at_once(self, client: Client, plain: redis.Redis) -> None:
        """One is handed out; what was claimed beside it goes back to where others can take it."""
        client.register_manager("web")
        client.register_worker("web", "web.1")
        ids = [f"{n:03}" for n in range(60)]
        seed(plain, jobs(*ids))
        push = client.register_script("for i = 1, 3 do redis.call('LPUSH', KEYS[i], ARGV[i]) end")
        done: list[str] = []
        with ThreadPoolExecutor(1) as other:
            for at in range(0, 60, 3):
                waiting: Future[Fetched] = other.submit(client.fetch_next_job, "web", "web.1", 10)
                wait_until(lambda: blocked(plain) == 3)
                push(keys=["web.1:jobs", "web:jobs", "all:jobs"], args=ids[at : at + 3])
                done.append(waiting.result(5)[0] or "")
                assert client.finish_job(done[-1], "web.1")
                left = snapshot(plain)
                assert left.get("web.1:jobs", []) in ([], [ids[at]])
                while (job_id := client.fetch_next_job("web", "web.1", 0.01)[0]) is not None:
                    done.append(job_id)
                    client.finish_job(job_id, "web.1")

        assert sorted(done) == ids
        assert "web.1:jobs" not in snapshot(plain)

    def test_who_may_not_unblock(self, client: Client, redis_server: RedisServer) -> None:
        """Without CLIENT UNBLOCK, or CLIENT ID, nothing is lost: connections are closed instead."""
        admin: Any = client
        admin.execute_command("ACL", "SETUSER", "eve", "on", ">e", "~*", "&*", "+@all", "-client", "+client|id")
        admin.execute_command("ACL", "SETUSER", "ivo", "on", ">i", "~*", "&*", "+@all", "-client")
        for user in ("eve", "ivo"):
            with (
                Client("127.0.0.1", redis_server.port, username=user, password=user[0]) as other,
                ThreadPoolExecutor(1) as thread,
            ):
                for _ in range(3):
                    waiting = thread.submit(other.fetch_next_job, "web", f"web.{user}", 10)
                    wait_until(lambda: blocked(client) == 3)
                    job_id = client.queue_job({})
                    assert waiting.result(5) == (job_id, {})
                    assert other.finish_job(job_id, f"web.{user}")
                wait_until(lambda: blocked(client) == 0)

    @pytest.mark.parametrize("timeout", [-1, float("nan")])
    def test_a_timeout_that_is_none(self, client: Client, timeout: float) -> None:
        """It is seconds, 0 or more."""
        with pytest.raises(UsageError):
            client.fetch_next_job("web", "web.1", timeout)


class TestInHand:
    """What a client has handed out and not finished."""

    def test_a_new_client_hands_out_what_the_own_list_holds(self, client: Client, redis_url: str) -> None:
        """The old one remembers, a new one knows of nothing."""
        ids = client.queue_jobs([{}, {}])
        assert [client.fetch_next_job("web", "web.1")[0] for _ in range(2)] == ids

        assert client.fetch_next_job("web", "web.1", 0.01) == (None, None)
        with Client.from_url(redis_url) as new:
            assert [new.fetch_next_job("web", "web.1")[0] for _ in range(2)] == ids
            assert new.fetch_next_job("web", "web.1", 0.01) == (None, None)

    def test_what_was_taken_away_and_comes_back(self, client: Client, plain: redis.Redis) -> None:
        """A rescued job may come to the same worker again: it is handed out again."""
        job_id = client.queue_job({})
        client.fetch_next_job("web", "web.1")
        plain.lmove("web.1:jobs", "all:jobs")

        assert client.fetch_next_job("web", "web.1") == (job_id, {})
        plain.lmove("web.1:jobs", "elsewhere")
        assert client.fetch_next_job("web", "web.1", 0.01) == (None, None)
        plain.lmove("elsewhere", "web.1:jobs")
        assert client.fetch_next_job("web", "web.1") == (job_id, {})

    def test_each_worker_has_its_own(self, client: Client) -> None:
        """One client may serve many."""
        ids = client.queue_jobs([{}] * 4)

        assert [client.fetch_next_job("web", f"web.{n % 2}")[0] for n in range(4)] == ids
        assert client.finish_jobs(ids, "web.0") == [True, False, True, False]
        assert client.finish_jobs(ids, "web.1") == [False, True, False, True]

    def test_no_job_is_handed_out_twice_to_threads_of_one_worker(self, client: Client) -> None:
        """The own list is one for them."""
        client.register_manager("web")
        client.register_worker("web", "web.1")
        ids = client.queue_jobs([{}] * 200, worker="web.1")
        with ThreadPoolExecutor(8) as threads:
            taken = [job[0] for job in threads.map(lambda _: client.fetch_next_job("web", "web.1"), range(200))]

        assert sorted(map(str, taken)) == sorted(ids)


class TestMany:
    """`fetch_jobs` and `finish_jobs`."""

    def test_many_at_once(self, client: Client, plain: redis.Redis) -> None:
        """In order, at most a thousand; none when there is none, and nothing is left."""
        ids = client.queue_jobs([{"n": n} for n in range(2500)])
        fetched = [job for count in (1, 500, 5000, 5000, 1) for job in client.fetch_jobs("web", "web.1", count)]

        assert fetched == [(job_id, {"n": str(n)}) for n, job_id in enumerate(ids)]
        assert client.fetch_jobs("web", "web.1", 1) == []
        assert client.finish_jobs(ids, "web.1") == [True] * 2500
        assert client.finish_jobs(ids, "web.1") == [False] * 2500
        assert client.finish_jobs([], "web.1") == []
        assert snapshot(plain) == {"all:stats": {"finished": "2500"}}

    def test_a_count_that_is_none(self, client: Client) -> None:
        """1 or more."""
        with pytest.raises(UsageError):
            client.fetch_jobs("web", "web.1", 0)

    def test_finishing_what_was_taken_away(self, client: Client, plain: redis.Redis) -> None:
        """Nothing happens to it."""
        job_id = client.queue_job({})
        client.fetch_next_job("web", "web.1")
        plain.lmove("web.1:jobs", "web.2:jobs")
        before = snapshot(plain)

        assert not client.finish_job(job_id, "web.1")
        assert snapshot(plain) == before


class TestUseless:
    """Ids that make no job."""

    def test_ids_without_a_hash(
        self, client: Client, plain: redis.Redis, aside: ThreadPoolExecutor, caplog: pytest.LogCaptureFixture
    ) -> None:
        """They are dropped, counted and logged, however many, waiting or not; the job behind them is found."""
        seed(plain, {"all:jobs": [f"x{n}" for n in range(2500)][::-1]})
        job_id = client.queue_job({})
        with caplog.at_level(logging.WARNING, "qw.client"):
            assert client.fetch_next_job("web", "web.1") == (job_id, {})
            waiting: Future[Fetched] = aside.submit(client.fetch_next_job, "web", "web.1", 10)
            wait_until(lambda: blocked(plain) == 2)
            plain.lpush("all:jobs", "evil\x1b[2J")
            wait_until(lambda: client.get_stats() == {"dropped": 2501})
            wait_until(lambda: blocked(plain) == 2)
            other = client.queue_job({})

            assert waiting.result(5) == (other, {})

        assert len(caplog.records) == 2501
        assert caplog.messages[0].startswith("drop job=x0 worker=web.1")
        assert "\x1b" not in caplog.text

    def test_keys_that_are_no_hash(self, client: Client, plain: redis.Redis, caplog: pytest.LogCaptureFixture) -> None:
        """They are buried, and logged."""
        seed(plain, {"web:jobs": ["b", "a"], "job:a": "a string", **jobs("b")})

        with caplog.at_level(logging.WARNING, "qw.client"):
            assert client.fetch_next_job("web", "web.1") == ("b", {"n": "b"})

        assert list(client.get_dead_jobs()) == ["a"]
        assert caplog.messages[0].startswith("bury job=a worker=web.1")


class TestBreaks:
    """Connections that end, and a Redis that is away or full."""

    @pytest.mark.parametrize("loss", ["reply", "request"])
    def test_a_lost_reply_loses_no_job(self, client: Client, proxy: Proxy, loss: Any) -> None:
        """A claim whose reply was lost is found again; a finish is not taken for refused."""
        ids = client.queue_jobs([{}] * 3)
        with Client.from_url(proxy.url) as far:
            far.fetch_jobs("web", "web.0", 1)
            proxy.lose(loss, b"EVALSHA")
            assert [job_id for job_id, _ in far.fetch_jobs("web", "web.1", 2)] == ids[1:]
            far.finish_job("none", "web.0")
            proxy.lose(loss, b"EVALSHA")

            assert far.finish_jobs(ids, "web.1") == [False, True, True]

    def test_a_cut_while_it_waits(self, client: Client, proxy: Proxy, aside: ThreadPoolExecutor) -> None:
        """It connects again, and waits on."""
        with Client.from_url(proxy.url) as far:
            waiting: Future[Fetched] = aside.submit(far.fetch_next_job, "web", "web.1", 20)
            for _ in range(3):
                wait_until(lambda: blocked(client) == 3)
                proxy.cut()
                wait_until(lambda: blocked(client) == 0)
            wait_until(lambda: blocked(client) == 3)
            job_id = client.queue_job({})

            assert waiting.result(5) == (job_id, {})

    @pytest.mark.parametrize("loss", ["reply", "silence"])
    def test_a_lost_knock(self, client: Client, proxy: Proxy, aside: ThreadPoolExecutor, loss: Any) -> None:
        """The job is in the own list then, and is found there."""
        proxy.lose(loss, b"BLMOVE", times=3)
        with Client.from_url(proxy.url, socket_timeout=0.3) as far:
            waiting: Future[Fetched] = aside.submit(far.fetch_next_job, "web", "web.1", 0.5)
            wait_until(lambda: blocked(client) == 3)
            job_id = client.queue_job({})

            assert waiting.result(10) == (job_id, {})

    def test_redis_stays_away(self, proxy: Proxy) -> None:
        """redis-py's error comes when patience is over."""
        with Client.from_url(proxy.url, patience=0.3) as far:
            far.fetch_jobs("web", "web.1", 1)
            proxy.refuse()
            with pytest.raises(redis.ConnectionError):
                far.fetch_next_job("web", "web.1", 20)

    def test_a_full_redis(self, make_server: MakeServer, aside: ThreadPoolExecutor) -> None:
        """BLMOVE does not wait there; what comes is found all the same, and can be finished."""
        with Client.from_url(make_server().url) as client:
            job_id = client.queue_job({})
            client.lmove("all:jobs", "aside")
            client.config_set("maxmemory", 1)
            waiting: Future[Fetched] = aside.submit(client.fetch_next_job, "web", "web.1", 20)
            # A script that has deleted first may write.
            client.eval("redis.call('DEL', 'none') redis.call('LMOVE', 'aside', 'all:jobs', 'LEFT', 'LEFT')", 0)

            assert waiting.result(5) == (job_id, {})
            assert client.finish_job(job_id, "web.1")

    def test_threads_wait_side_by_side(self, client: Client) -> None:
        """Each on connections of its own, which are kept or closed afterwards."""
        got: list[str | None] = []
        threads = [
            threading.Thread(target=lambda n=n: got.append(client.fetch_next_job("web", f"web.{n}", 20)[0]))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        wait_until(lambda: blocked(client) == 24)
        ids = client.queue_jobs([{}] * 8)
        for thread in threads:
            thread.join(20)

        assert sorted(map(str, got)) == sorted(ids)
        assert blocked(client) == 0
