"""A Redis that goes and comes back: said once, nothing lost, and jobs run again soon; both modes, idle and busy."""

from __future__ import annotations

import threading
import time
from collections import Counter

import pytest
import redis

from qw.client import Client
from qw.dispatcher import link, session
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, jobs_in, left_in, push, stat
from tests.support.network import Network
from tests.support.outages import SOON, Fleet, share_of_cpu
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def server(make_server: MakeServer) -> RedisServer:
    """Return a server that keeps what it holds."""
    return make_server(appendonly=True)


def runs_soon(plain: redis.Redis, gate: Gate, job_id: str) -> float:
    """Queue a job as `redis-cli` does, and return how long it took until it ran."""
    began = time.monotonic()
    push(plain, job_id, gate.fields)
    wait_until(lambda: job_id in {run.split()[0] for run in gate.runs}, within=SOON, why=f"{job_id} running again")
    return time.monotonic() - began


# -- Restarts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["stop", "kill"])
@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_restart_loses_nothing(fleet: Fleet, server: RedisServer, gate: Gate, how: str, busy: bool) -> None:
    """What runs meanwhile counts, what is queued is run, each job once; that it was gone and is back is said once."""
    fleet.start(server.url)
    with redis.Redis.from_url(server.url) as plain, Client.from_url(server.url) as client:
        ids = client.queue_jobs([{**gate.fields, "do": "hold"}] * 2 + [gate.fields] * 20) if busy else []
        gate.await_runs(2 if busy else 0)
        getattr(server, how)()
        wait_until(lambda: fleet.said("gone"))
        gate.open()
        server.start()
        runs_soon(plain, gate, "new")
        wait_until(lambda: jobs_in(plain) == {}, why="everything finished")

        assert Counter(run.split()[0] for run in gate.runs) == Counter([*ids, "new"])
        assert stat(plain, "finished") == len(ids) + 1
    assert (len(fleet.said("gone")), len(fleet.said("back"))) == (1, 1)
    assert isinstance(fleet.said("back")[0]["after"], float)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_redis_that_has_forgotten_everything(fleet: Fleet, make_server: MakeServer, gate: Gate, busy: bool) -> None:
    """A manager makes itself known again and goes on; an outcome of a job that nobody knows any more is refused."""
    server = make_server()
    manager = fleet.start(server.url)
    with redis.Redis.from_url(server.url) as plain:
        if busy:
            push(plain, "lost", {**gate.fields, "do": "hold"})
            gate.await_runs(1)
        server.restart(keep_data=False)
        runs_soon(plain, gate, "new")
        gate.open()
        wait_until(lambda: jobs_in(plain) == {})
        wait_until(lambda: not busy or [fields["job"] for fields in fleet.said("refused")] == ["lost"])

        assert snapshot(plain)["web:workers"] == set(manager.workers)
        manager.stop()
        assert left_in(plain) == {}


def test_while_it_is_away_nobody_runs_in_circles(fleet: Fleet, server: RedisServer) -> None:
    """Two seconds without Redis cost a manager next to nothing, and two lines in the log."""
    fleet.start(server.url)
    server.stop()
    wait_until(lambda: fleet.said("gone"))
    share = share_of_cpu(2.0)
    server.start()
    wait_until(lambda: fleet.said("back"), within=SOON)

    assert share < 0.2
    assert (len(fleet.said("gone")), len(fleet.said("back")), fleet.refused()) == (1, 1, [])


def test_a_stop_while_it_is_away(fleet: Fleet, server: RedisServer) -> None:
    """A manager that is told to stop does so, soon."""
    manager = fleet.start(server.url)
    server.stop()
    wait_until(lambda: fleet.said("gone"))
    began = time.monotonic()
    manager.stop()

    assert time.monotonic() - began < 4.0


@pytest.mark.parametrize("failures", [1, 5, 100, 2000])
@pytest.mark.parametrize("outside", [False, True])
def test_pauses_are_bounded_however_long_it_takes(failures: int, outside: bool) -> None:
    """The two thousandth attempt, an hour later, is made like the tenth: its pause fits a float."""
    pauses = [link.pause(failures, outside=outside) for _ in range(100)]

    assert min(pauses) > 0
    assert max(pauses) <= (link.LONGEST_PAUSE_OUTSIDE if outside else link.LONGEST_PAUSE)
    assert len(set(pauses)) > 50, "a fleet does not come back in step"


# -- A Redis that stays, and takes things away -------------------------------------------------------------------------


def test_a_storm_of_kills_and_flushes(fleet: Fleet, server: RedisServer, gate: Gate) -> None:
    """Every connection is ended, and every script forgotten, again and again: each job is run, and once."""
    fleet.start(server.url)
    over = threading.Event()
    with redis.Redis.from_url(server.url) as plain:

        def storm() -> None:
            with redis.Redis.from_url(server.url) as admin:
                while not over.wait(0.05):
                    admin.script_flush()
                    for kind in ("normal", "pubsub"):
                        admin.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

        with Client.from_url(server.url, patience=20) as client:
            ids = client.queue_jobs([gate.fields] * 300)
            thread = threading.Thread(target=storm)
            thread.start()
            gate.await_runs(300, within=20)
            over.set()
            thread.join()
        wait_until(lambda: jobs_in(plain) == {})

    assert Counter(run.split()[0] for run in gate.runs) == Counter(ids)
    assert len(fleet.said("back")) <= len(fleet.said("gone"))


def test_all_keys_deleted_under_it(fleet: Fleet, server: RedisServer, gate: Gate) -> None:
    """After FLUSHALL it is known again within a beat, takes jobs, and leaves nothing."""
    manager = fleet.start(server.url)
    with redis.Redis.from_url(server.url) as plain:
        push(plain, "lost", {**gate.fields, "do": "hold"})
        gate.await_runs(1)
        plain.flushall()
        share = share_of_cpu(0.5)
        runs_soon(plain, gate, "new")
        wait_until(lambda: snapshot(plain).get("web:workers") == set(manager.workers))
        gate.open()
        wait_until(lambda: [fields["job"] for fields in fleet.said("refused")] == ["lost"])
        manager.stop()

        assert left_in(plain) == {}
        assert share < 0.3


# -- Another Redis in its place ----------------------------------------------------------------------------------------


def promote(old: redis.Redis, new: redis.Redis) -> None:
    """Make the replica `new` of `old` the master, and the other way round."""
    wait_until(lambda: new.info("replication").get("master_link_status") == "up", 30, "all keys there")
    new.replicaof("NO", "ONE")
    old.replicaof("127.0.0.1", new.connection_pool.connection_kwargs["port"])


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_failover(fleet: Fleet, make_server: MakeServer, gate: Gate, busy: bool) -> None:
    """The name leads to another server from now on: all connections move there, also when there is nothing to say."""
    first, second = make_server(options=("--repl-diskless-sync-delay", "0")), make_server()
    with (
        Network(first.port) as network,
        redis.Redis.from_url(first.url) as old,
        redis.Redis.from_url(second.url) as new,
    ):
        manager = fleet.start(network.url, lease=3.0)
        ids = [push(old, f"held-{n}", {**gate.fields, "do": "hold"}) for n in range(2 * busy)]
        gate.await_runs(len(ids))
        new.replicaof("127.0.0.1", first.port)
        promote(old, new)
        network.lead_to(second.port)
        wait_until(lambda: new.pubsub_numsub("all:bell") == [(b"all:bell", 1)], 10, "the bell")
        gate.open()
        runs_soon(new, gate, "after")
        wait_until(lambda: jobs_in(new) == {}, why="all outcomes")
        manager.stop()

        assert Counter(run.split()[0] for run in gate.runs) == Counter([*ids, "after"])
        assert (fleet.said("struck"), fleet.said("rescue")) == ([], [])
        assert left_in(new) == {}


# -- A Redis that hangs ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["threads"])
def test_a_silence_counts_from_its_beginning(
    fleet: Fleet, server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long Redis was gone is told from the command on that it did not answer, not from when it was given up."""
    monkeypatch.setattr(session, "PATIENCE", 1.0)
    fleet.start(server.url)
    server.pause()
    began = time.monotonic()
    wait_until(lambda: fleet.said("gone"), 10)
    lasted = time.monotonic() - began
    server.resume()
    wait_until(lambda: fleet.said("back"), 10)

    # It beats twice a second: the silence is noticed by the beat that comes next.
    (back,) = fleet.said("back")
    assert lasted > 1.0
    assert float(str(back["after"])) > lasted - 0.6


@pytest.mark.parametrize(("how", "mode"), [("SIGSTOP", "threads"), ("CLIENT PAUSE", "processes")])
def test_a_redis_that_hangs_for_longer_than_the_lease_kills_nobody(
    fleet: Fleet, server: RedisServer, gate: Gate, how: str
) -> None:
    """Three managers are silent for three leases, and none takes another for dead; their jobs are run once."""
    managers = [fleet.start(server.url, f"m{n}", lease=1.0) for n in range(3)]
    starts = [manager.start_id for manager in managers]
    with redis.Redis.from_url(server.url) as plain:
        for n in range(3):
            push(plain, f"j{n}", {**gate.fields, "do": "hold"}, f"m{n}:jobs")
        gate.await_runs(3)
        began = time.monotonic()
        if how == "SIGSTOP":
            server.pause()
        else:
            plain.execute_command("CLIENT", "PAUSE", 3000, "ALL")
        wait_until(lambda: time.monotonic() - began > 3.0, within=10)
        if how == "SIGSTOP":
            server.resume()
        gate.open()
        wait_until(lambda: jobs_in(plain) == {})
        runs_soon(plain, gate, "new")

        assert Counter(run.split()[0] for run in gate.runs) == Counter(["j0", "j1", "j2", "new"])
        assert stat(plain, "rescued") == 0
    assert [manager.start_id for manager in managers] == starts
