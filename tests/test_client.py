"""How a client is made and kept, that it still is redis-py's, and what it shows of managers, workers and jobs."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import threading
from collections.abc import Callable
from multiprocessing.synchronize import Event
from typing import Any

import attrs
import pytest
import redis

from qw.client import Client, JobInfo
from qw.client._connections import Connection
from qw.errors import BadName, UsageError
from qw.job import Job
from tests.support.keyspace import snapshot
from tests.support.names import shown
from tests.support.proxy import Proxy
from tests.support.scripts import jobs, seed
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

ODD = "\udcff"


@attrs.frozen
class Thumbnail(Job[int]):
    """A typed job."""

    path: str
    width: int = 128


class TestMaking:
    """Where it connects to, and how."""

    @pytest.mark.usefixtures("redis_url")
    def test_by_host_and_port(self, redis_server: RedisServer) -> None:
        """As in qw 0.1.1, by place."""
        with Client("127.0.0.1", redis_server.port, 0) as client:
            client.register_manager("web")

            assert client.get_all_managers() == ["web"]

    @pytest.mark.usefixtures("redis_url")
    def test_by_unix_socket(self, redis_server: RedisServer) -> None:
        """By option, and by URL."""
        with Client(unix_socket_path=redis_server.socket) as one, Client.from_url(redis_server.unix_url) as other:
            one.register_manager("web")

            assert other.get_all_managers() == ["web"]

    def test_by_pool(self, redis_url: str) -> None:
        """The pool that is handed in says where; it is not closed with the client."""
        pool = redis.ConnectionPool.from_url(redis_url)
        with Client(connection_pool=pool) as client:
            client.register_manager("web")
        assert redis.Redis(connection_pool=pool).smembers("all:managers") == {b"web"}
        pool.disconnect()

    @pytest.mark.parametrize("pool_class", [redis.ConnectionPool, redis.BlockingConnectionPool])
    def test_a_pool_that_is_handed_in_repeats_nothing_any_more(
        self, redis_server: RedisServer, redis_url: str, pool_class: type[redis.ConnectionPool]
    ) -> None:
        """A lost reply to a raw command of it raises at once, and the command was applied once."""
        retry: Any = redis.retry.Retry(redis.backoff.NoBackoff(), 5)
        with Proxy(redis_server.port) as proxy, redis.Redis.from_url(redis_url) as plain:
            pool = pool_class.from_url(proxy.url, retry=retry)
            proxy.lose("reply", b"LPUSH")
            with Client(connection_pool=pool) as client, pytest.raises(redis.ConnectionError):
                client.lpush("list", "a")
            pool.disconnect()

            assert plain.llen("list") == 1

    def test_with_a_user_and_a_password(self, redis_server: RedisServer, redis_url: str) -> None:
        """An ACL user gets through; a wrong password is not tried for long."""
        with Client.from_url(redis_url) as admin:
            admin.execute_command("ACL", "SETUSER", "anna", "on", ">secret", "~*", "&*", "+@all")
        with Client("127.0.0.1", redis_server.port, username="anna", password="secret") as client:
            client.register_manager("web")
            assert client.get_all_managers() == ["web"]
        with (
            Client("127.0.0.1", redis_server.port, username="anna", password="wrong", patience=60) as client,
            pytest.raises(redis.AuthenticationError),
        ):
            client.get_all_managers()

    def test_pickled(self, redis_url: str) -> None:
        """It is made again where it arrives, as it was."""
        with Client.from_url(redis_url, namespace="shop", patience=1.5) as client:
            client.register_manager("web")

            with pickle.loads(pickle.dumps(client)) as copy:  # noqa: S301 - our own
                assert copy.get_all_managers() == ["web"]

    def test_closed_and_used_again(self, client: Client) -> None:
        """Closing is about connections; there are new ones when they are needed."""
        client.register_manager("web")
        client.close()

        assert client.get_all_managers() == ["web"]

    @pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
    def test_both_sides_of_a_fork(self, client: Client, plain: redis.Redis) -> None:
        """The child takes connections of its own: nobody gets another's replies."""
        context = multiprocessing.get_context("fork")
        over = context.Event()
        client.register_manager("web")
        before = _connected(plain)
        child = context.Process(target=_register_in_child, args=(client, over))
        child.start()
        wait_until(lambda: plain.smembers("web:workers") == {b"child"})

        assert _connected(plain) == before + 1

        over.set()
        child.join(30)
        assert child.exitcode == 0
        assert client.get_all_managers() == ["web"]

    @pytest.mark.parametrize("namespace", ["a b", "", "a:b", "{a}"])
    def test_a_namespace_is_checked(self, namespace: str) -> None:
        """It becomes part of every key."""
        with pytest.raises(BadName):
            Client(namespace=namespace)


def _register_in_child(client: Client, over: Event) -> None:
    client.register_worker("web", "child")
    over.wait(30)
    if client.get_all_managers() != ["web"]:
        os._exit(1)


def _connected(plain: redis.Redis) -> int:
    found: Any = plain.info("clients")
    return int(found["connected_clients"])


class TestStillRedis:
    """Commands of redis-py work as they are configured, and qw's own do whatever that is."""

    @pytest.mark.parametrize("options", [{}, {"decode_responses": True}, {"protocol": 3}, {"encoding": "latin-1"}])
    def test_own_methods_whatever_is_configured(self, redis_url: str, options: dict[str, Any]) -> None:
        """Ids and names are `str`, bytes that are not UTF-8 among them."""
        with Client.from_url(redis_url, **options) as client:
            job_id = client.queue_job({"name": "é", "raw": b"\xff"}, "web")

            assert list(client.get_manager_queued_jobs("web")) == [job_id]
            assert client.fetch_next_job("web", "web.1") == (job_id, {"name": "é", "raw": ODD})
            assert client.finish_job(job_id, "web.1")

    def test_raw_commands_as_configured(self, redis_url: str) -> None:
        """Bytes by default, `str` when asked for."""
        with Client.from_url(redis_url) as raw, Client.from_url(redis_url, decode_responses=True) as decoded:
            raw.set("key", "value")

            assert raw.get("key") == b"value"
            assert decoded.get("key") == "value"
            assert decoded.keys() == ["key"]

    def test_pipelines_and_scripts(self, client: Client) -> None:
        """What stands on the client works on it too."""
        with client.pipeline() as pipeline:
            pipeline.set("a", 1)
            pipeline.incr("a")

            assert pipeline.execute()[1] == 2
        script: Callable[..., object] = client.register_script("return redis.call('GET', KEYS[1])")
        assert script(keys=["a"]) == b"2"

    def test_own_methods_repair_a_forgotten_script(self, client: Client) -> None:
        """Redis forgets scripts when it is restarted."""
        for _ in range(2):
            client.script_flush()
            job_id = client.queue_job({})
            client.script_flush()
            assert client.fetch_next_job("web", "web.1") == (job_id, {})
            client.script_flush()
            assert client.finish_job(job_id, "web.1")


class TestRegistering:
    """Managers and workers, as qw 0.1.1 registers them."""

    def test_managers_and_workers(self, client: Client, plain: redis.Redis) -> None:
        """Two sets, and nothing else: no beats, so that nobody takes them for dead."""
        for manager in ("web", "api"):
            client.register_manager(manager)
        client.register_worker("web", "web.2")
        client.register_workers("web", ["web.1", "web.3"])
        client.register_workers("web", [])

        assert client.get_all_managers() == ["api", "web"]
        assert client.get_manager_workers("web") == ["web.1", "web.2", "web.3"]
        assert client.get_manager_workers("api") == []
        assert snapshot(plain) == {"all:managers": {"web", "api"}, "web:workers": {"web.1", "web.2", "web.3"}}

        client.deregister_worker("web", "web.1")
        client.deregister_workers("web", ["web.2", "web.3", "web.4"])
        for manager in ("web", "api", "none"):
            client.deregister_manager(manager)
        assert snapshot(plain) == {}

    def test_what_a_worker_leaves_goes_back(self, client: Client) -> None:
        """Nobody would look into its list any more."""
        client.register_worker("web", "web.1")
        ids = client.queue_jobs([{"n": n} for n in range(3)])
        client.fetch_jobs("web", "web.1", 2)

        client.deregister_worker("web", "web.1")

        assert [job_id for job_id, _ in client.fetch_jobs("web", "web.2", 5)] == ids

    @pytest.mark.parametrize(
        "name", ["", "a b", "a:b", "{a}", "a\n", "all", "job", "result", "x" * 256, "\udc00"], ids=shown
    )
    def test_names_are_checked_where_they_enter(self, client: Client, plain: redis.Redis, name: str) -> None:
        """They become parts of keys."""
        calls: list[Callable[[], object]] = [
            lambda: client.register_manager(name),
            lambda: client.deregister_manager(name),
            lambda: client.register_worker(name, "w"),
            lambda: client.register_worker("m", name),
            lambda: client.deregister_worker(name, "w"),
            lambda: client.deregister_worker("m", name),
            lambda: client.queue_job({}, manager=name),
            lambda: client.queue_job({}, worker=name),
            lambda: client.fetch_next_job(name, "w"),
            lambda: client.fetch_next_job("m", name),
            lambda: client.fetch_jobs(name, "w", 1),
            lambda: client.finish_job("a", name),
            lambda: client.get_manager_workers(name),
            lambda: client.get_worker_pending_jobs(name),
            lambda: client.get_manager_queued_jobs(name),
        ]
        for call in calls:
            with pytest.raises(BadName):
                call()

        assert snapshot(plain) == {}

    def test_a_worker_is_not_called_as_its_manager(self, client: Client) -> None:
        """Their lists would be one."""
        with pytest.raises(UsageError):
            client.fetch_next_job("web", "web")


class TestLooking:
    """Queues, workers' lists, jobs."""

    def test_lists(self, client: Client) -> None:
        """From the head on: what came last is seen first."""
        client.register_manager("web")
        client.register_worker("web", "web.1")
        free, bound = client.queue_jobs([{}, {}]), client.queue_jobs([{}, {}], "web")
        sent = client.queue_job({}, worker="web.1")

        assert list(client.get_all_queued_jobs()) == [
            (None, free[1]),
            (None, free[0]),
            ("web", bound[1]),
            ("web", bound[0]),
        ]
        assert list(client.get_all_pending_jobs()) == [("web.1", sent)]
        assert list(client.get_manager_queued_jobs("web")) == [bound[1], bound[0]]
        assert list(client.get_worker_pending_jobs("web.1")) == [sent]
        assert list(client.get_worker_pending_jobs("web.2")) == []

    def test_long_lists_are_read_in_chunks(self, client: Client, plain: redis.Redis) -> None:
        """What is taken and added meanwhile makes no job that stays be missed."""
        plain.lpush("web:jobs", *range(3500))
        seen: list[str] = []
        for n, job_id in enumerate(client.get_manager_queued_jobs("web")):
            seen.append(job_id)
            if n % 10 == 0:
                plain.lpush("web:jobs", f"new.{n}")
                plain.rpop("web:jobs")

        assert set(map(str, range(400, 3500))) <= set(seen)

    def test_round_trips_do_not_grow_with_managers_and_workers(
        self, client: Client, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """One for the managers, one for all their workers, one for all their lists."""
        for m in range(30):
            client.register_manager(f"m{m}")
            client.register_workers(f"m{m}", [f"m{m}.{w}" for w in range(5)])
            seed(plain, {f"m{m}.1:jobs": [f"p{m}"], f"m{m}:jobs": [f"q{m}"]})

        sent: list[bytes] = []
        send = Connection.send

        def note(connection: Connection, payload: bytes, replies: int = 1) -> None:
            sent.append(payload)
            send(connection, payload, replies)

        monkeypatch.setattr(Connection, "send", note)

        assert (len([*client.get_all_queued_jobs()]), len(sent)) == (30, 2)
        assert (len([*client.get_all_pending_jobs()]), len(sent)) == (30, 2 + 3)

    def test_a_job(self, client: Client) -> None:
        """Its data apart from what qw has noted."""
        client.register_worker("web", "web.1")
        typed, plain_one = client.queue_job(Thumbnail("/é"), "web"), client.queue_job({"n": 1.5, "raw": b"\xff"})
        info, other = client.get_job(typed), client.get_job(plain_one)
        now, _ = client.time()

        assert info is not None
        assert info.queued_at == pytest.approx(now, abs=5)
        assert info == JobInfo(
            typed, "Thumbnail", {"path": "/é", "width": "128"}, "web:jobs", info.queued_at, 0, 0, 0, "", ""
        )
        assert other is not None
        assert (other.type, other.data, other.queue) == (None, {"n": "1.5", "raw": ODD}, None)
        assert client.get_job("none") is None

    def test_many_jobs(self, client: Client, plain: redis.Redis) -> None:
        """In the order of the ids; None where there is no hash."""
        seed(plain, {**jobs(*map(str, range(2500))), "job:s": "a string", "job:odd": {"qw:tries": "x", "n": "odd"}})

        found = client.get_jobs([*map(str, range(2500)), "s", "none", "odd"])

        assert [info.data["n"] if info else None for info in found] == [*map(str, range(2500)), None, None, "odd"]
        assert client.get_jobs([]) == []

    @pytest.mark.parametrize("number", ["9" * 400, "9" * 5000, "-1", "1e999", "²", ""], ids=lambda number: number[:6])
    def test_numbers_that_nobody_means(self, client: Client, plain: redis.Redis, number: str) -> None:
        """A foreign program has written them: they count as not there, also for what shows them."""
        fields = {"qw:queued_at": number, "qw:dead_at": number, "qw:tries": number, "qw:crashes": number}
        seed(plain, {"job:a": fields, "all:dead": {"a": 1.0}, "all:stats": {"finished": number, "buried": "1"}})
        info = client.get_job("a")

        assert info is not None
        assert (info.queued_at, info.dead_at, info.tries, info.crashes) == (None, None, 0, 0)
        assert client.get_stats() == {"buried": 1}

    def test_the_dead_and_the_counters(self, client: Client, plain: redis.Redis) -> None:
        """The oldest first, however many were buried in one moment."""
        ids = [f"{n:04}" for n in range(3500)]
        plain.zadd("all:dead", {job_id: 1000 + int(job_id) // 1700 for job_id in ids})
        seed(plain, {"all:stats": {"dropped": "3"}})

        assert list(client.get_dead_jobs()) == ids
        assert client.get_stats() == {"dropped": 3}

    def test_an_empty_database(self, client: Client) -> None:
        """Nothing is there, and nothing is made by looking."""
        assert list(client.get_all_queued_jobs()) == list(client.get_all_pending_jobs()) == []
        assert list(client.get_dead_jobs()) == client.get_all_managers() == []
        assert client.get_stats() == {}
        assert client.dbsize() == 0

    def test_a_key_of_the_wrong_type(self, client: Client, plain: redis.Redis) -> None:
        """Redis's own error comes through."""
        seed(plain, {"web:jobs": "a string"})

        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            list(client.get_manager_queued_jobs("web"))


def test_an_outage_is_waited_for(make_server: MakeServer) -> None:
    """What may be done twice is tried again while Redis is away, and the error comes when it stays so."""
    server = make_server()
    with Client.from_url(server.url, patience=20) as client, Client.from_url(server.url, patience=0.2) as hasty:
        client.register_manager("web")
        hasty.get_all_managers()
        server.stop()
        with pytest.raises(redis.ConnectionError):
            hasty.get_all_managers()
        starting = threading.Thread(target=server.start)
        starting.start()

        assert client.get_all_managers() == []

        starting.join()
