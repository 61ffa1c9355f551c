"""Programs written for qw 0.1.1 beside programs of today: each side of the one works with each side of the other."""

from __future__ import annotations

import pytest
import redis

from qw.client import Client
from tests.conftest import Mode
from tests.support import old, targets
from tests.support.keyspace import Value, snapshot
from tests.support.managers import Gate, Managers, jobs_in, left_in
from tests.support.old import OldWorker
from tests.support.targets import Add, Record, write_down
from tests.support.wait import wait_until


@pytest.fixture
def mode() -> Mode:
    """Return the one mode that is meant here."""
    return "threads"


def seen(plain: redis.Redis, manager: str = "old") -> tuple[OldWorker, list[tuple[str, dict[str, str]]]]:
    """Return a registered worker of 0.1.1, and the list of what its target is called with."""
    calls: list[tuple[str, dict[str, str]]] = []
    worker = OldWorker(plain, manager, lambda job_id, data: calls.append((job_id, data)))
    worker.register()
    return worker, calls


class TestOldProducer:
    """HMSET, then LPUSH on one of three lists."""

    def test_to_all_and_to_a_manager(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """A manager of today takes its jobs from either list."""
        managers.start(targets.record)

        ids = [old.queue_job(plain, gate.fields), old.queue_job(plain, gate.fields, manager="web")]

        assert sorted(gate.await_runs(2)) == sorted(ids)
        wait_until(lambda: jobs_in(plain) == {})

    @pytest.mark.slow
    def test_to_one_worker(self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate) -> None:
        """Nobody rings the bell: that worker finds its job with the next beat, 5 s later at most."""
        manager = managers.start(targets.obey, workers=2)
        client.wait_jobs([client.queue_job(gate.fields, worker=worker) for worker in manager.workers], timeout=10)
        wait_until(lambda: plain.info("clients")["blocked_clients"] == 2, why="nothing more to look for")

        job_id = old.queue_job(plain, gate.fields, worker=manager.workers[1])

        assert gate.await_runs(3, within=8)[2].split()[:3] == [job_id, "1", manager.workers[1]]
        wait_until(lambda: jobs_in(plain) == {})

    def test_before_anybody_is_there(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """Its jobs wait in their order for the first manager that comes."""
        ids = [old.queue_job(plain, gate.fields) for _ in range(20)]

        managers.start(targets.record)

        assert gate.await_runs(20) == ids


class TestOldWorker:
    """LPOP, RPOPLPUSH, BRPOPLPUSH; HGETALL; DEL and LREM."""

    def test_runs_plain_jobs_of_a_client(self, plain: redis.Redis, client: Client) -> None:
        """From all three lists. It sees the fields, and qw's own beside them, which begin with `qw:`."""
        worker, calls = seen(plain)
        ids = [client.queue_job({"a": "1"}, *queue) for queue in ((None, worker.name), ("old", None), (None, None))]

        assert [worker.work() for _ in ids] == ids

        assert [job_id for job_id, _ in calls] == ids
        assert all(data["a"] == "1" for _, data in calls)
        assert {field for _, data in calls for field in data} == {"a", "qw:queued_at", "qw:queue"}
        assert left_in(plain).keys() == {"all:managers", "old:workers"}

    def test_runs_typed_jobs_of_a_client(self, plain: redis.Redis, client: Client) -> None:
        """It sees text: a `str` as it is, all else as JSON, and the name of the type."""
        worker, calls = seen(plain)
        job_id = client.queue_job(Record("/é", "x")), client.queue_job(Add(1, 2))

        assert (worker.work(), worker.work()) == job_id

        (_, record), (_, add) = calls
        assert (record["file"], record["word"], record["qw:type"]) == ("/é", "x", "Record")
        assert (add["a"], add["b"], add["qw:type"]) == ("1", "2", "Add")

    def test_keeps_its_place_under_a_managers_name(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """It has no beat and is not taken for dead: its job stays with it, and it is listed when the manager leaves."""
        worker, _ = seen(plain, "web")
        claimed = old.queue_job(plain, gate.fields)
        assert worker.fetch() == claimed
        before = left_in(plain)

        manager = managers.start(targets.record)
        old.queue_job(plain, gate.fields, manager="web")
        gate.await_runs(1)
        assert snapshot(plain)["web:workers"] == {worker.name, *manager.workers}
        assert snapshot(plain)[worker.list] == [claimed]
        manager.stop()

        assert left_in(plain) == before
        worker.finish(claimed)
        worker.deregister()
        assert left_in(plain) == {}

    def test_that_leaves_takes_nothing_with_it(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """Its manager of the same name takes the name out of the set, whoever else goes by it: all goes on."""
        worker, _ = seen(plain, "web")
        manager = managers.start(targets.record)

        worker.deregister()

        job_id = old.queue_job(plain, gate.fields, manager="web")
        assert gate.await_runs(1) == [job_id]
        assert snapshot(plain)["web:workers"] == set(manager.workers)

    @pytest.mark.slow
    def test_works_beside_new_ones(
        self, plain: redis.Redis, client: Client, redis_url: str, managers: Managers, gate: Gate
    ) -> None:
        """On the same lists, under the same name: each job is run by one of them, and all are run."""
        ran_old: list[str] = []

        def run(job_id: str, data: dict[str, str]) -> None:
            ran_old.append(job_id)
            write_down(data["file"], job_id)

        with redis.Redis.from_url(redis_url) as own:
            worker = OldWorker(own, "web", run)
            worker.register()
            managers.start(targets.record, workers=2)
            with worker.working():
                ids = [old.queue_job(plain, gate.fields, *queue) for queue in [(), ("web",)] * 100]
                ids += client.queue_jobs([gate.fields] * 200)
                ids += client.queue_jobs([gate.fields] * 200, "web")
                gate.await_runs(len(ids))
                wait_until(lambda: jobs_in(plain) == {})

        assert sorted(gate.runs) == sorted(ids)
        assert 0 < len(ran_old) < len(ids)


class TestLooking:
    """Each side sees what the other has."""

    def test_a_client_sees_old_workers(self, plain: redis.Redis, client: Client) -> None:
        """Managers, workers, what they have claimed and what waits."""
        worker, _ = seen(plain)
        claimed, waiting = old.queue_job(plain, {"a": "1"}), old.queue_job(plain, {"a": "2"}, manager="old")
        plain.rpoplpush("all:jobs", worker.list)

        assert client.get_all_managers() == ["old"]
        assert client.get_manager_workers("old") == [worker.name]
        assert list(client.get_worker_pending_jobs(worker.name)) == [claimed]
        assert list(client.get_all_pending_jobs()) == [(worker.name, claimed)]
        assert list(client.get_manager_queued_jobs("old")) == [waiting]
        assert list(client.get_all_queued_jobs()) == [("old", waiting)]

    def test_an_old_program_sees_new_workers(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """By SMEMBERS and LRANGE: managers, workers, and the job that each has in hand."""
        manager = managers.start(targets.hold, workers=2)
        running = [old.queue_job(plain, gate.fields) for _ in range(2)]
        gate.await_runs(2)
        waiting = old.queue_job(plain, gate.fields)

        found: dict[str, Value] = snapshot(plain)
        in_hand = {str(found[f"{name}:jobs"]) for name in manager.workers}
        assert found["all:managers"] == {"web"}
        assert found["web:workers"] == set(manager.workers)
        assert in_hand == {str([job_id]) for job_id in running}
        assert found["all:jobs"] == [waiting]


class TestClientAsWorker:
    """A program that called the client's methods of 0.1.1 to run jobs itself."""

    def test_from_registering_to_leaving(self, plain: redis.Redis, client: Client) -> None:
        """It fetches in the seed's order, finishes, and leaves nothing."""
        client.register_manager("own")
        client.register_worker("own", "own.1")
        ids = [old.queue_job(plain, {"n": str(n)}, *queue) for n, queue in enumerate([(), ("own",), (None, "own.1")])]

        fetched = [client.fetch_next_job("own", "own.1", timeout=1) for _ in ids]

        assert fetched == [(job_id, {"n": str(n)}) for n, job_id in reversed(list(enumerate(ids)))]
        assert sorted(client.get_worker_pending_jobs("own.1")) == sorted(ids)
        for job_id, _ in fetched:
            assert job_id is not None
            client.finish_job(job_id, "own.1")
        assert client.fetch_next_job("own", "own.1", timeout=0.1) == (None, None)
        client.deregister_worker("own", "own.1")
        client.deregister_manager("own")
        assert left_in(plain) == {}

    def test_beside_a_manager(self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate) -> None:
        """Under the same name, with a job in hand: the manager leaves it alone, and leaves it listed."""
        client.register_manager("web")
        client.register_worker("web", "web.77")
        held = old.queue_job(plain, gate.fields)
        assert client.fetch_next_job("web", "web.77", timeout=1) == (held, gate.fields)

        manager = managers.start(targets.record)
        old.queue_job(plain, gate.fields)
        gate.await_runs(1)
        manager.stop()

        assert client.get_manager_workers("web") == ["web.77"]
        assert list(client.get_worker_pending_jobs("web.77")) == [held]
        assert client.finish_job(held, "web.77")
