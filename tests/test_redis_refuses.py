"""A Redis that is there and refuses: full, read-only, busy, loading, without its disk or its replicas."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
import redis
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from qw.client import Client
from qw.scripts.dispatcher import LEAVE
from tests.conftest import Mode
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, jobs_in, left_in, push, stat
from tests.support.outages import SOON, Fleet, share_of_cpu
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def server(make_server: MakeServer) -> RedisServer:
    """Return a server of this test's own, which may be told to write its data to disk."""
    server = make_server()
    with redis.Redis.from_url(server.url) as client:
        client.config_set("save", "3600 1")  # as an option Redis 6.2 takes it for one word, and writes nothing
    return server


@pytest.fixture
def fleet(server: RedisServer, mode: Mode, caplog: pytest.LogCaptureFixture) -> Iterator[Fleet]:
    """Return what starts managers, in each mode in turn; they end before their server does."""
    made = Fleet(mode, caplog)
    yield made
    made.close()


@pytest.fixture
def plain(server: RedisServer) -> Iterator[redis.Redis]:
    """Return redis-py's own client."""
    with redis.Redis.from_url(server.url) as client:
        yield client


# -- Each of these refuses, until it is allowed again --------------------------------------------------------------


def read_only(server: RedisServer, plain: redis.Redis) -> Callable[[], object]:
    """Make it a replica, as after a failover."""
    plain.replicaof("127.0.0.1", "1")
    return lambda: plain.replicaof("NO", "ONE")


def without_replicas(server: RedisServer, plain: redis.Redis) -> Callable[[], object]:
    """Have it insist on a replica."""
    plain.config_set("min-replicas-to-write", 1)
    return lambda: plain.config_set("min-replicas-to-write", 0)


def without_disk(server: RedisServer, plain: redis.Redis) -> Callable[[], object]:
    """Have it fail to write its data."""
    obstacle = server.directory / "dump.rdb"
    obstacle.mkdir()
    plain.bgsave()
    wait_until(lambda: plain.info("persistence")["rdb_last_bgsave_status"] == "err")

    def repair() -> None:
        obstacle.rmdir()
        plain.bgsave()

    return repair


def busy(server: RedisServer, plain: redis.Redis) -> Callable[[], object]:
    """Have somebody's script run and run."""
    modern = server.version >= (7,)
    plain.config_set("busy-reply-threshold" if modern else "lua-time-limit", 50)

    def run() -> None:
        with redis.Redis.from_url(server.url) as somebody, suppress(RedisError):
            somebody.eval("while true do end", 0)

    def is_busy() -> bool:
        try:
            return not plain.ping()
        except ResponseError as error:
            return str(error).startswith("BUSY")

    thread = threading.Thread(target=run)
    thread.start()
    wait_until(is_busy, why="the script to run for too long")

    def end() -> None:
        plain.script_kill()
        thread.join()

    return end


KINDS: Mapping[str, Callable[[RedisServer, redis.Redis], Callable[[], object]]] = {
    "READONLY": read_only,
    "NOREPLICAS": without_replicas,
    "MISCONF": without_disk,
    "BUSY": busy,
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_refuses_is_done_when_it_is_allowed(
    fleet: Fleet, server: RedisServer, plain: redis.Redis, gate: Gate, kind: str
) -> None:
    """It is told once, costs next to nothing, and what was run meanwhile counts."""
    fleet.start(server.url)
    push(plain, "running", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    allow = KINDS[kind](server, plain)
    gate.open()
    wait_until(lambda: any(kind in text for text in fleet.refused()), why=f"a word of {kind}")
    share = share_of_cpu(1.0)
    allow()
    wait_until(lambda: jobs_in(plain) == {}, within=SOON, why="the outcome in Redis")
    push(plain, "new", gate.fields)
    wait_until(lambda: jobs_in(plain) == {}, within=SOON)

    assert Counter(run.split()[0] for run in gate.runs) == Counter(["running", "new"])
    assert [kind in text for text in fleet.refused()] == [True]
    assert (len(fleet.said("gone")), len(fleet.said("back"))) == ((1, 1) if kind == "READONLY" else (0, 0))
    assert share < 0.2


def refusals(plain: redis.Redis, command: str) -> int:
    """Return how often a command was refused."""
    stats: Any = plain.info("commandstats")
    counts = stats.get(f"cmdstat_{command}", {})
    return int(counts.get("rejected_calls", 0) + counts.get("failed_calls", 0))


def test_a_refusal_of_one_connection_is_not_told_by_another(
    fleet: Fleet, server: RedisServer, plain: redis.Redis
) -> None:
    """The ones that wait for jobs are refused, and then the one that asks for them: that is one refusal."""
    fleet.start(server.url, lease=60)  # no beat comes first
    wait_until(lambda: plain.info("clients")["blocked_clients"] == 2)
    before = refusals(plain, "evalsha")  # scripts that it did not have yet
    without_replicas(server, plain)
    wait_until(
        lambda: refusals(plain, "blmove") and refusals(plain, "evalsha") > before,
        within=20,
        why="refusals of both kinds",
    )
    wait_until(fleet.refused)

    assert ["NOREPLICAS" in text for text in fleet.refused()] == [True]


def test_a_full_redis_drains(fleet: Fleet, server: RedisServer, plain: redis.Redis, gate: Gate) -> None:
    """Producers are told, and nothing is half written; what is queued is fetched, run and finished, and beats go on."""
    with Client.from_url(server.url) as client:
        ids = client.queue_jobs([gate.fields] * 50)
        plain.config_set("maxmemory", "1")
        before = snapshot(plain)
        with pytest.raises(OutOfMemoryError):
            client.queue_job({"a": "b"}, id="refused")
        assert snapshot(plain) == before

        manager = fleet.start(server.url)
        wait_until(lambda: jobs_in(plain) == {}, within=10, why="an empty Redis")
        beat = snapshot(plain)["all:beats"]
        wait_until(lambda: snapshot(plain)["all:beats"] != beat)
        share = share_of_cpu(0.5)
        plain.config_set("maxmemory", "0")
        ids.append(client.queue_job(gate.fields))
        gate.await_runs(51, within=SOON)

    assert Counter(run.split()[0] for run in gate.runs) == Counter(ids)
    assert [text.split()[0] for text in fleet.refused()] in ([], ["OOM"])
    assert share < 0.2
    manager.stop()
    assert left_in(plain) == {}


def test_a_goodbye_that_is_refused(fleet: Fleet, server: RedisServer, plain: redis.Redis, gate: Gate) -> None:
    """It is said again and again, for as long as last words may take: then nothing is left of the manager."""
    manager = fleet.start(server.url, lease=60)
    push(plain, "a", gate.fields)
    wait_until(lambda: jobs_in(plain) == {}, why="a manager that all scripts are known of")
    allow = without_replicas(server, plain)
    before = refusals(plain, "evalsha")
    stopping = threading.Thread(target=manager.stop)
    stopping.start()
    wait_until(lambda: refusals(plain, "evalsha") > before + 3, why="it is said several times")
    allow()
    stopping.join()

    assert left_in(plain) == {}
    assert refusals(plain, "evalsha") < before + 20, "it is not said as fast as Redis can refuse it"


def test_a_goodbye_does_not_overtake_an_outcome(
    fleet: Fleet, server: RedisServer, plain: redis.Redis, gate: Gate
) -> None:
    """That was refused as well: when Redis takes it at last, what has been done is not queued again."""
    manager = fleet.start(server.url, lease=60)
    push(plain, "a", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    plain.script_load(LEAVE.source)  # what is seen then is the goodbye itself, and not a question whether that is known
    allow = without_replicas(server, plain)
    stopping = threading.Thread(target=manager.stop, args=(0.5,))
    with plain.monitor() as monitor:
        stopping.start()
        gate.open()
        wait_until(lambda: LEAVE.sha in str(monitor.next_command()), 20, "a goodbye")
    allow()
    stopping.join()

    assert (left_in(plain), stat(plain, "finished")) == ({}, 1)


def test_a_goodbye_that_is_refused_for_good(fleet: Fleet, server: RedisServer, plain: redis.Redis) -> None:
    """It says what Redis said, and that something is left."""
    manager = fleet.start(server.url, lease=60)
    without_replicas(server, plain)
    manager.stop()

    (told,) = fleet.said("stop")
    assert "NOREPLICAS" in str(told["why"])
    assert "all:beats" in left_in(plain)


def test_a_redis_that_loads(fleet: Fleet, server: RedisServer, plain: redis.Redis, gate: Gate) -> None:
    """It is back when it takes commands, not when it lets connect."""
    fleet.start(server.url)
    # While it loads it answers after each 2 MB, which do not become less in its file.
    plain.mset({f"filler:{n}": os.urandom(4096) for n in range(2000)})
    push(plain, "before", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    server.options = (*server.options, "--key-load-delay", "500")
    loading = threading.Thread(target=server.restart)
    loading.start()
    gate.open()
    wait_until(lambda: any(text.startswith("LOADING") for text in fleet.refused()), within=10)
    assert not fleet.said("back")
    loading.join()
    wait_until(lambda: not plain.exists("job:before"), within=SOON, why="the outcome in Redis")
    push(plain, "new", gate.fields)
    gate.await_runs(2, within=SOON)

    assert (len(fleet.said("gone")), len(fleet.said("back")), len(fleet.refused())) == (1, 1, 1)


def test_no_room_for_connections(fleet: Fleet, server: RedisServer, plain: redis.Redis, gate: Gate) -> None:
    """Where others have taken all connections it waits for one, and does not hammer."""
    fleet.start(server.url)
    plain.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    plain.config_set("maxclients", 1)
    wait_until(lambda: fleet.said("gone"))
    plain.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    plain.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    before = plain.info("stats")["rejected_connections"]
    share = share_of_cpu(1.5)
    rejected = plain.info("stats")["rejected_connections"] - before
    plain.config_set("maxclients", 100)
    push(plain, "new", gate.fields)
    gate.await_runs(1, within=SOON)

    assert share < 0.2
    assert rejected < 60
