"""How a manager starts, stops and ends: one suite for both modes. What its workers do with jobs is in test_manager."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Literal

import pytest
import redis

from qw.client import Client
from qw.errors import (
    AlreadyStartedException,
    NotStartedException,
)
from qw.manager import Manager
from tests.conftest import Mode
from tests.support import targets
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, Managers, descriptors, jobs_in, left_in, push, stat, threads, waiting
from tests.support.targets import Add
from tests.support.wait import wait_until


class TestStart:
    """What is there when `start` returns."""

    def test_makes_it_known(self, plain: redis.Redis, managers: Managers) -> None:
        """The manager, its workers and its first beat are in Redis, and nothing else."""
        manager = managers.start(targets.succeed, workers=3)

        assert manager.workers == tuple(f"web.{manager.start_id}.{n}" for n in range(3))
        found = snapshot(plain)
        beats = found.pop("all:beats")
        assert isinstance(beats, dict)
        assert list(beats) == [f"web.{manager.start_id}"]
        assert found == {"all:managers": {"web"}, "web:workers": set(manager.workers)}

    def test_in_a_namespace_puts_its_prefix_before_every_key(
        self, plain: redis.Redis, redis_url: str, managers: Managers, gate: Gate
    ) -> None:
        """Two namespaces share a Redis and know nothing of each other."""
        managers.start(targets.record, namespace="shop")
        push(plain, "elsewhere", gate.fields)

        with Client.from_url(redis_url, namespace="shop") as client:
            client.wait_job(client.queue_job(gate.fields, id="here"), timeout=10)

        assert gate.runs == ["here"]
        assert {key for key in snapshot(plain) if not key.startswith("{shop}:")} == {"all:jobs", "job:elsewhere"}

    def test_twice_is_refused(self, managers: Managers) -> None:
        """A manager that runs is not started again."""
        manager = managers.start(targets.succeed)

        with pytest.raises(AlreadyStartedException):
            manager.start()

    @pytest.mark.parametrize("method", ["stop", "join", "quiet"])
    def test_must_come_first(self, mode: Mode, method: str) -> None:
        """What does not run can be neither stopped nor joined."""
        manager = Manager(targets.succeed, mode=mode)

        with pytest.raises(NotStartedException):
            getattr(manager, method)()

    @pytest.mark.parametrize(
        "start_method", ["fork", pytest.param("forkserver", marks=pytest.mark.slow), pytest.param("spawn")]
    )
    def test_by_any_method(
        self, client: Client, mode: Mode, managers: Managers, start_method: Literal["fork", "forkserver", "spawn"]
    ) -> None:
        """Processes are born in three ways, and all of them work and end."""
        if mode == "threads":
            pytest.skip("threads are born in one way only")
        manager = managers.start("tests.support.targets:work", start_method=start_method)

        assert client.wait_job(client.queue_job(Add(40, 2)), timeout=20) == 42
        manager.stop()


class TestStop:
    """Leaving in good order."""

    def test_leaves_nothing(self, plain: redis.Redis, mode: Mode, managers: Managers) -> None:
        """No key but the counters, no descriptor, no thread; also when a process has died in between."""
        before = threads()
        plain.ping()
        managers.start(targets.succeed, workers=2).stop()  # what is imported and opened once
        wait_until(lambda: threads() <= before, why=f"no more than {before}")
        open_before = descriptors()

        manager = managers.start(targets.kill_me if mode == "processes" else targets.fail, workers=2)
        push(plain, "bad")
        wait_until(lambda: plain.zscore("all:dead", "bad"), within=10)
        manager.stop()

        assert left_in(plain).keys() == {"all:dead", "job:bad", "result:bad"}
        wait_until(lambda: threads() <= before, why=f"no more than {before}")
        wait_until(lambda: descriptors() <= open_before, why=f"no more than {open_before} descriptors")

    def test_lets_what_runs_end_and_gives_back_the_rest(
        self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate
    ) -> None:
        """The job that runs is finished; those behind it go back in their order, without a mark."""
        manager = managers.start(targets.obey)
        client.wait_jobs(
            client.queue_jobs([gate.fields] * 20), timeout=10
        )  # short ones, so that more are fetched ahead
        ids = client.queue_jobs([{**gate.fields, "do": "hold"}, *([gate.fields] * 30)])
        gate.await_runs(21)

        manager.quiet()
        gate.open()
        manager.stop()

        ran = [run.split()[0] for run in gate.runs[20:]]
        assert ran == ids[: len(ran)]
        assert waiting(plain) == ids[len(ran) :]
        assert {field for job_id in waiting(plain) for field in plain.hkeys(f"job:{job_id}")} <= {
            b"file",
            b"gate",
            b"qw:queued_at",
        }

    def test_in_the_middle_of_a_batch_gives_it_back_in_order(
        self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate
    ) -> None:
        """Jobs from both lists go back to where they came from, those fetched first to be fetched first."""
        manager = managers.start(targets.obey)
        held = client.queue_job({**gate.fields, "do": "hold"})
        gate.await_runs(1)
        for_all = client.queue_jobs([gate.fields] * 5)
        for_web = client.queue_jobs([gate.fields] * 5, "web")

        manager.stop(grace=0.1)

        assert waiting(plain, "all:jobs") == [held, *for_all]
        assert waiting(plain, "web:jobs") == for_web

    def test_gives_what_was_sent_to_one_worker_to_all_of_that_name(
        self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate
    ) -> None:
        """That worker is no more: its jobs go to its manager's list, in the order they were sent."""
        manager = managers.start(targets.obey)
        jobs = [{**gate.fields, "do": "hold"}, *([gate.fields] * 5)]
        ids = client.queue_jobs(jobs, worker=manager.workers[0])
        gate.await_runs(1)

        manager.stop(grace=0.1)

        assert waiting(plain, "web:jobs") == ids

    def test_with_a_grace_cuts_off_what_runs(
        self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate
    ) -> None:
        """A job that does not end in time goes back and is not counted as run; what it still does changes nothing."""
        manager = managers.start(targets.obey, workers=2)
        ids = client.queue_jobs([{**gate.fields, "do": "hold"}] * 2)
        gate.await_runs(2)

        began = time.monotonic()
        manager.stop(grace=0.2)

        assert time.monotonic() - began < 2.0
        assert sorted(waiting(plain)) == sorted(ids)
        assert left_in(plain).keys() == {"all:jobs", *(f"job:{job_id}" for job_id in ids)}
        gate.open()
        second = managers.start(targets.obey)
        client.wait_jobs(ids, timeout=10)
        assert {tuple(run.split()[1:3]) for run in gate.runs[2:]} == {("1", second.workers[0])}
        assert manager.totals.crashed == 0

    def test_counts_what_was_done(self, client: Client, managers: Managers) -> None:
        """Afterwards the totals say what this start has done."""
        manager = managers.start(targets.work)
        client.wait_jobs(client.queue_jobs([Add(1)] * 7), timeout=10)

        manager.stop()

        assert (manager.totals.finished, manager.totals.buried, manager.totals.dropped) == (7, 0, 0)
        assert manager.totals.seconds > 0


class TestQuiet:
    """Taking no more."""

    def test_runs_what_it_has_and_takes_no_more(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """What comes after that waits for somebody else, on every list."""
        manager = managers.start(targets.obey, workers=2)
        push(plain, "running", {**gate.fields, "do": "hold"})
        gate.await_runs(1)

        manager.quiet()
        wait_until(lambda: not any(b"flags=b" in line for line in plain.execute_command("CLIENT", "LIST").splitlines()))
        push(plain, "late", gate.fields)
        push(plain, "late-web", gate.fields, to="web:jobs")
        gate.open()

        wait_until(lambda: "job:running" not in jobs_in(plain))
        assert len(gate.runs) == 1
        assert (waiting(plain), waiting(plain, "web:jobs")) == (["late"], ["late-web"])
        manager.stop()
        assert (waiting(plain), waiting(plain, "web:jobs")) == (["late"], ["late-web"])


class TestAgain:
    """More than one start."""

    def test_the_same_manager_starts_again_under_another_name(self, client: Client, managers: Managers) -> None:
        """Each start has workers of its own, so that a name is never used twice."""
        manager = managers.start(targets.add)
        first = manager.workers
        manager.stop()

        manager.start()

        assert client.wait_job(client.queue_job(Add(1, 2)), timeout=10) == 3
        assert not set(first) & set(manager.workers)
        assert client.get_manager_workers("web") == list(manager.workers)

    def test_two_of_one_name_share_its_list(self, client: Client, managers: Managers, gate: Gate) -> None:
        """When one leaves, the other stays listed and goes on."""
        one, other = managers.start(targets.obey), managers.start(targets.obey)
        assert client.get_manager_workers("web") == sorted((*one.workers, *other.workers))

        one.stop()

        assert client.get_all_managers() == ["web"]
        assert client.get_manager_workers("web") == list(other.workers)
        client.wait_job(client.queue_job(gate.fields, "web"), timeout=10)
        assert gate.runs[0].split()[2] == other.workers[0]

    def test_a_context_starts_and_stops_it(self, plain: redis.Redis, redis_url: str, mode: Mode) -> None:
        """Also when what is inside raises, or has stopped it itself."""
        manager = Manager(targets.succeed, url=redis_url, mode=mode, num_workers=1)

        with suppress(ZeroDivisionError), manager:
            assert left_in(plain)
            raise ZeroDivisionError

        assert left_in(plain) == {}
        with manager:
            manager.stop()
        assert left_in(plain) == {}

    def test_a_burst_ends_by_itself(self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate) -> None:
        """It leaves when the queues are empty and what ran has ended; then it can be started again."""
        client.queue_jobs([gate.fields] * 30)
        client.queue_jobs([gate.fields] * 30, "web")

        manager = managers.start(targets.record, workers=2, burst=True)
        manager.join(timeout=10)

        assert len(gate.runs) == stat(plain, "finished") == 60
        assert left_in(plain) == {}
        manager.start()
        manager.join(timeout=10)
        assert left_in(plain) == {}

    def test_join_waits_as_long_as_it_is_told(self, managers: Managers) -> None:
        """A manager that runs on is not gone after that."""
        manager = managers.start(targets.succeed)

        manager.join(timeout=0.01)

        manager.stop()
