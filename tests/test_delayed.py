"""Delayed jobs from end to end: a client that queues them, and managers that start them when they are due."""

from __future__ import annotations

import statistics
import time
from typing import Final

import pytest
import redis

from qw.client import Client
from qw.dispatcher.refusals import PAUSE
from tests.support import targets
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, Managers, jobs_in, push, stat
from tests.support.server import RedisServer
from tests.support.targets import Add
from tests.support.wait import wait_until

#: Seconds until a job is due: long beside the start of what is looked at meanwhile.
SOON: Final = 0.4
#: Seconds that a job may be late in these tests, whatever else the machine does. The figures are in the README.
GENEROUS: Final = 1.0


def due_of(client: Client, job_id: str) -> float:
    """Return when a delayed job is due, in seconds by the clock of Redis."""
    return dict(client.get_all_scheduled_jobs())[job_id]


def clock(client: redis.Redis) -> float:
    """Return what time it is for Redis."""
    seconds, micros = client.time()
    return float(seconds + micros / 1e6)


class TestQueues:
    """Where a job runs when it is due."""

    @pytest.mark.parametrize("to", ["all", "manager", "worker"])
    def test_of_every_kind(self, client: Client, plain: redis.Redis, managers: Managers, gate: Gate, to: str) -> None:
        """It waits in all:scheduled alone, then it is run once, and nothing is left."""
        manager = managers.start(targets.note_attempt, workers=2)
        where = {"all": (None, None), "manager": ("web", None), "worker": (None, manager.workers[1])}[to]
        job_id = client.queue_job(gate.fields, *where, delay=SOON)

        due = due_of(client, job_id)
        assert set(jobs_in(plain)) == {f"job:{job_id}", "all:scheduled"}
        gate.await_runs(1)
        assert due <= clock(client) < due + GENEROUS
        wait_until(lambda: stat(plain, "finished") == 1)
        assert jobs_in(plain) == {}
        (run,) = gate.runs
        assert run.startswith(f"{job_id} 1 ")
        assert to != "worker" or run.endswith(f" {manager.workers[1]}")

    def test_of_a_worker_that_is_gone_meanwhile(
        self, client: Client, plain: redis.Redis, managers: Managers, gate: Gate
    ) -> None:
        """It goes to that worker's manager, whoever comes under that name."""
        manager = managers.start(targets.record)
        client.queue_job(gate.fields, worker=manager.workers[0], id="a", delay=SOON)
        manager.stop()
        assert set(snapshot(plain)) == {"job:a", "all:scheduled"}
        managers.start(targets.record, name="other")
        wait_until(lambda: "web:jobs" in snapshot(plain))

        managers.start(targets.record)
        assert gate.await_runs(1) == ["a"]

    def test_of_a_namespace(self, redis_url: str, managers: Managers, gate: Gate) -> None:
        """Key and bell are its own."""
        managers.start(targets.record, namespace="shop")
        with Client.from_url(redis_url, namespace="shop") as shop:
            shop.wait_job(shop.queue_job(gate.fields, id="a", delay=SOON), timeout=10)

        assert gate.runs == ["a"]

    def test_that_hold_others_already(self, client: Client, managers: Managers, gate: Gate) -> None:
        """It has waited: it is taken before what came meanwhile."""
        manager = managers.start(targets.hold)
        client.queue_job(gate.fields, id="first")
        gate.await_runs(1)
        client.queue_job(gate.fields, "web", id="delayed", delay=0.05)
        for n in range(3):
            client.queue_job(gate.fields, "web", id=f"j{n}")
        wait_until(lambda: list(client.get_manager_queued_jobs("web"))[-1:] == ["delayed"])
        gate.open()

        assert gate.await_runs(5)[1] == "delayed"
        manager.stop()


class TestTime:
    """When it runs."""

    def test_an_idle_manager_starts_each_in_time(self, client: Client, managers: Managers, gate: Gate) -> None:
        """Twenty jobs run in the order in which they are due, not in which they were queued, and none early."""
        managers.start(targets.record)
        ids = [f"j{n:02}" for n in range(20)]
        for n in reversed(range(20)):
            client.queue_job(gate.fields, id=ids[n], delay=SOON + n * 0.05)
        dues = dict(client.get_all_scheduled_jobs())
        ids.sort(key=dues.__getitem__)  # on a busy machine it may take longer to queue one than lies between two
        late = []
        for n, job_id in enumerate(ids):
            gate.await_runs(n + 1)
            late.append(clock(client) - dues[job_id])

        assert gate.runs == ids
        assert min(late) >= 0
        assert statistics.median(late) < GENEROUS

    def test_nothing_is_polled(self, client: Client, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """A job that is due later costs a few calls, however long it waits; an idle manager makes none."""
        managers.start(targets.record)
        wait_until(lambda: calls(plain) > 0)
        before = calls(plain)
        client.queue_job(gate.fields, delay=1.0)
        gate.await_runs(1)

        assert calls(plain) - before <= 5

    def test_what_was_due_long_ago(self, client: Client, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """More than one call moves, while nobody was there: all of it is run."""
        ids = client.queue_jobs([gate.fields] * 1100, delay=0.01)
        wait_until(lambda: clock(client) > max(due for _, due in client.get_all_scheduled_jobs()))
        managers.start(targets.record)

        assert sorted(gate.await_runs(1100)) == sorted(ids)
        wait_until(lambda: stat(plain, "finished") == 1100)
        assert jobs_in(plain) == {}

    def test_burst_takes_what_is_due_along(self, client: Client, managers: Managers, gate: Gate) -> None:
        """And does not wait for what is not."""
        client.queue_job(gate.fields, id="now", delay=0.001)
        client.queue_job(gate.fields, id="later", delay=3600)
        wait_until(lambda: clock(client) > due_of(client, "now"))
        manager = managers.start(targets.record, burst=True)

        manager.join(timeout=20)
        assert gate.runs == ["now"]
        assert [job_id for job_id, _ in client.get_all_scheduled_jobs()] == ["later"]


class TestOthers:
    """What others do."""

    def test_two_managers(self, client: Client, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """Both know when the jobs are due; each is run once."""
        managers.start(targets.record, name="web", workers=2)
        managers.start(targets.record, name="mail", workers=2)
        ids = [client.queue_job(gate.fields, delay=SOON + n % 10 * 0.02) for n in range(200)]

        wait_until(lambda: stat(plain, "finished") == 200, within=20)
        assert sorted(gate.runs) == sorted(ids)
        assert (stat(plain, "dropped"), jobs_in(plain)) == (0, {})

    def test_a_plain_job_that_another_program_schedules(
        self, plain: redis.Redis, managers: Managers, gate: Gate
    ) -> None:
        """A hash and a ZADD are enough; without a bell it is found with the next beat."""
        managers.start(targets.record, lease=1.5)
        push(plain, "a", gate.fields, to="nowhere")
        plain.zadd("all:scheduled", {"a": 5})

        assert gate.await_runs(1) == ["a"]

    def test_a_client_that_may_not_ring(
        self, plain: redis.Redis, redis_server: RedisServer, managers: Managers, gate: Gate
    ) -> None:
        """The next beat finds it: late, but not lost."""
        managers.start(targets.record, lease=1.5)
        plain.execute_command("ACL", "SETUSER", "mute", "on", ">m", "~*", "&*", "+@all", "-publish")
        with Client("127.0.0.1", redis_server.port, username="mute", password="m") as mute:
            mute.wait_job(mute.queue_job(gate.fields, id="a", delay=0.05), timeout=10)

        assert gate.runs == ["a"]

    def test_ids_that_make_no_job(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """They are dropped and buried as those in a queue are, and told of."""
        manager = managers.start(targets.record, lease=1.5)
        push(plain, "a", gate.fields, to="nowhere")
        plain.set("job:s", "a string")
        plain.zadd("all:scheduled", {"a": 7, "x": 5, "s": 6})
        gate.await_runs(1)
        wait_until(lambda: stat(plain, "finished") == 1)
        manager.stop()

        assert (stat(plain, "dropped"), stat(plain, "buried"), plain.zscore("all:dead", "x")) == (1, 1, None)
        assert plain.zscore("all:dead", "s") is not None
        assert (manager.totals.dropped, manager.totals.buried) == (1, 1)


class TestTrouble:
    """What goes wrong meanwhile."""

    def test_connections_that_break(self, client: Client, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """What was known is asked for again."""
        managers.start(targets.record)
        client.queue_job(gate.fields, id="a", delay=SOON)
        for kind in ("normal", "pubsub"):
            plain.execute_command("CLIENT", "KILL", "TYPE", kind)

        assert gate.await_runs(1) == ["a"]

    def test_scheduled_of_another_type(
        self, client: Client, plain: redis.Redis, managers: Managers, gate: Gate, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is said once, all other jobs run, and so do delayed ones when that key is gone."""
        plain.set("all:scheduled", "a string")
        managers.start(targets.record)
        client.wait_job(client.queue_job(gate.fields, id="a"), timeout=10)
        began = time.monotonic()
        wait_until(lambda: time.monotonic() - began > 3 * PAUSE)
        plain.delete("all:scheduled")
        client.queue_job(gate.fields, id="b", delay=0.05)

        assert gate.await_runs(2) == ["a", "b"]
        assert sum("WRONGTYPE all:scheduled" in record.getMessage() for record in caplog.records) == 1

    def test_a_waiting_client(self, client: Client, managers: Managers) -> None:
        """A delayed job is alive: its result is waited for as that of any other."""
        managers.start("tests.support.targets:work")
        job_id = client.queue_job(Add(40, 2), delay=SOON)

        with pytest.raises(TimeoutError):
            client.wait_job(job_id, timeout=0.05)
        assert client.wait_job(job_id, timeout=10) == 42


def calls(client: redis.Redis) -> int:
    """Return how often it was asked what is due."""
    stats = client.info("commandstats")
    assert isinstance(stats, dict)
    return int(stats.get("cmdstat_zrevrangebyscore", {"calls": 0})["calls"])
