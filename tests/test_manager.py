"""What a manager does with jobs: one suite for both modes, and for targets that are coroutines."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
import redis

from qw.client import Client
from qw.errors import JobFailed
from tests.support import targets
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, Managers, jobs_in, left_in, push, stat
from tests.support.targets import Add, Big, Fail, WhoAmI
from tests.support.wait import wait_until


def buried(plain: redis.Redis, job_id: str) -> dict[str, str]:
    """Return the hash of a job, waiting until it is in all:dead."""
    wait_until(lambda: plain.zscore("all:dead", job_id), why=f"{job_id} buried")
    found = snapshot(plain)[f"job:{job_id}"]
    assert isinstance(found, dict)
    return {field: str(value) for field, value in found.items()}


class TestPlainJobs:
    """Jobs that are a hash and an id, for targets `(job_id, job_data)`."""

    @pytest.mark.parametrize("target", [targets.record_data, "tests.support.targets.record_data"])
    def test_are_run_with_their_fields(
        self, plain: redis.Redis, managers: Managers, gate: Gate, target: Callable[..., object] | str
    ) -> None:
        """A target gets the id and the fields as they are; afterwards nothing of the job is left."""
        managers.start(target)
        fields = {**gate.fields, "naïve": "é ✓", "empty": "", "json": '{"a": [1]}'}

        push(plain, "one", fields)

        assert json.loads(gate.await_runs(1)[0]) == ["one", fields]
        wait_until(lambda: jobs_in(plain) == {})
        assert stat(plain, "finished") == 1

    def test_queued_by_a_client_look_the_same_to_the_target(
        self, client: Client, managers: Managers, gate: Gate
    ) -> None:
        """What a client adds for itself is not shown to the target."""
        managers.start(targets.record_data)

        job_id = client.queue_job(gate.fields)

        assert client.wait_job(job_id, timeout=10) is None
        assert [json.loads(line) for line in gate.runs] == [[job_id, gate.fields]]

    def test_without_a_hash_are_dropped(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """An id without a hash is dropped and counted, and the jobs around it are run."""
        plain.lpush("all:jobs", "nothing")
        push(plain, "something", gate.fields)
        plain.lpush("all:jobs", "nothing-either")

        manager = managers.start(targets.record)

        assert gate.await_runs(1) == ["something"]
        wait_until(lambda: jobs_in(plain) == {})
        assert stat(plain, "dropped") == 2
        wait_until(lambda: manager.totals.dropped == 2)

    def test_that_are_no_hash_are_buried(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """A job whose key holds something else is buried, and keeps what it holds."""
        plain.set("job:odd", "a string")
        plain.lpush("all:jobs", "odd")
        push(plain, "even", gate.fields)

        managers.start(targets.record)

        assert gate.await_runs(1) == ["even"]
        wait_until(lambda: plain.zscore("all:dead", "odd"))
        wait_until(lambda: jobs_in(plain).keys() == {"all:dead", "job:odd"})
        assert jobs_in(plain)["job:odd"] == "a string"


class TestTypedJobs:
    """Jobs that are classes."""

    def test_return_typed_results(self, client: Client, managers: Managers) -> None:
        """One target takes several types, and each result comes back to who waits for it."""
        managers.start(targets.work, workers=2)

        sum_id, big_id = client.queue_job(Add(2, 3)), client.queue_job(Big(100_000))

        assert client.wait_job(sum_id, timeout=10) == 5
        assert client.wait_job(big_id, timeout=10) == "x" * 100_000

    def test_leave_nothing_but_their_results(self, plain: redis.Redis, client: Client, managers: Managers) -> None:
        """A job with a result leaves that alone, one without leaves nothing."""
        managers.start(targets.work)
        job_id = client.queue_job(Add(2, 3))

        assert client.wait_job(job_id, timeout=10) == 5

        assert jobs_in(plain) == {f"result:{job_id}": ['{"result":5}']}

    def test_are_known_as_the_one_type_that_a_target_takes(
        self, plain: redis.Redis, client: Client, managers: Managers
    ) -> None:
        """A hash that says no type is decoded as the only one there is."""
        managers.start(targets.add)

        push(plain, "foreign", {"a": "20", "b": "22"})

        wait_until(lambda: "job:foreign" not in jobs_in(plain))
        assert client.wait_job("foreign", timeout=10) == 42

    def test_know_themselves(self, client: Client, managers: Managers) -> None:
        """Inside a target `current_job` gives id, attempt and worker."""
        manager = managers.start(targets.who_am_i, workers=2)

        job_id = client.queue_job(WhoAmI())

        said_id, attempt, worker = client.wait_job(job_id, timeout=10)
        assert (said_id, attempt) == (job_id, "1")
        assert worker in manager.workers


class TestBadJobs:
    """A bad job harms nobody: it ends in all:dead with the reason, and the next one is run."""

    def test_that_raise_are_buried(self, plain: redis.Redis, client: Client, managers: Managers) -> None:
        """The error and the target's own traceback are kept beside the job's fields, and sent to who waits."""
        managers.start(targets.fail)
        job_id = client.queue_job({"why": "no such bucket"})

        with pytest.raises(JobFailed) as failure:
            client.wait_job(job_id, timeout=10)

        kept = buried(plain, job_id)
        assert failure.value.error == kept["qw:error"] == "ValueError: no such bucket"
        assert failure.value.traceback == kept["qw:traceback"]
        assert kept["why"] == "no such bucket"
        assert 'in fail\n    raise ValueError(job_data.get("why"' in kept["qw:traceback"]
        assert "qw/slots" not in kept["qw:traceback"]
        assert jobs_in(plain).keys() == {"all:dead", f"job:{job_id}", f"result:{job_id}"}

    @pytest.mark.parametrize(
        ("target", "error"), [(targets.raise_exit, "SystemExit: 3"), (targets.raise_evil, "Evil: ")]
    )
    def test_that_raise_what_is_no_usual_error_are_buried(
        self, plain: redis.Redis, managers: Managers, target: Callable[..., object], error: str
    ) -> None:
        """Neither SystemExit nor an exception that cannot be shown, copied or pickled harms the worker."""
        manager = managers.start(target)

        push(plain, "first")
        push(plain, "second")

        assert buried(plain, "first")["qw:error"].startswith(error)
        assert buried(plain, "second")["qw:worker"] == manager.workers[0]
        assert manager.totals.crashed == 0

    @pytest.mark.parametrize(
        ("fields", "reason"),
        [
            ({"qw:type": "Add", "a": "1", "b": "two"}, "b: "),
            ({"qw:type": "Add", "b": "1"}, "a: "),
            ({"qw:type": "Subtract", "a": "1"}, "no job type 'Subtract': "),
        ],
    )
    def test_that_cannot_be_decoded_are_not_run(
        self, plain: redis.Redis, client: Client, managers: Managers, fields: dict[str, str], reason: str
    ) -> None:
        """They are buried with the path of the field, without a traceback, and with all their fields."""
        managers.start(targets.work)

        push(plain, "odd", fields)

        kept = buried(plain, "odd")
        assert kept["qw:error"].startswith(f"UndecodableJob: {reason}")
        assert kept["qw:traceback"] == ""
        assert kept.items() >= fields.items()
        assert client.wait_job(client.queue_job(Add(1, 1)), timeout=10) == 2

    def test_of_a_type_fail_likewise(self, client: Client, managers: Managers) -> None:
        """A typed job that raises tells who waits for it."""
        managers.start(targets.work)

        with pytest.raises(JobFailed, match="ValueError: not today"):
            client.wait_job(client.queue_job(Fail("not today")), timeout=10)


class TestCoroutines:
    """Targets that are `async def`: in processes one after another in each, in threads as tasks on one loop."""

    def test_run_and_return_results(self, client: Client, managers: Managers) -> None:
        """As any other."""
        managers.start(targets.add_async, workers=2)

        assert client.wait_jobs(client.queue_jobs(Add(n, n) for n in range(20)), timeout=10) == list(range(0, 40, 2))

    def test_that_raise_are_buried(self, plain: redis.Redis, managers: Managers) -> None:
        """With the error and the coroutine's own traceback; the task goes on."""
        managers.start(targets.fail_async)

        push(plain, "first", {"why": "no such bucket"})
        push(plain, "second")

        kept = buried(plain, "first")
        assert kept["qw:error"] == "ValueError: no such bucket"
        assert "in fail_async\n" in kept["qw:traceback"]
        assert "qw/slots" not in kept["qw:traceback"]
        buried(plain, "second")

    def test_know_their_job(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """Each task has its own, though one thread runs them all."""
        manager = managers.start(targets.obey_async, workers=4)

        for number in range(4):
            push(plain, f"job-{number}", gate.fields)

        runs = [run.split() for run in gate.await_runs(4)]
        assert sorted(run[0] for run in runs) == [f"job-{number}" for number in range(4)]
        assert {run[1] for run in runs} == {"1"}
        assert {run[2] for run in runs} <= set(manager.workers)

    def test_wait_at_the_same_time(self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate) -> None:
        """As many run at once as there are workers; none of them keeps the others from running."""
        managers.start(targets.obey_async, workers=3)

        ids = client.queue_jobs([{**gate.fields, "do": "hold"}] * 3)

        gate.await_runs(3)
        assert jobs_in(plain).keys() >= {f"job:{job_id}" for job_id in ids}
        gate.open()
        client.wait_jobs(ids, timeout=10)

    def test_are_cut_off_when_the_grace_is_over(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """What is awaited then goes back, unharmed."""
        manager = managers.start(targets.obey_async)
        push(plain, "endless", {**gate.fields, "do": "hold"})
        gate.await_runs(1)

        manager.stop(grace=0.1)

        assert left_in(plain) == {"all:jobs": ["endless"], "job:endless": {**gate.fields, "do": "hold"}}


def test_targets_that_queue_jobs(plain: redis.Redis, redis_url: str, managers: Managers, gate: Gate) -> None:
    """With a client that was used before the processes were forked: each has connections of its own."""
    with targets.share_client(redis_url) as client:
        client.queue_job({**gate.fields, "url": redis_url, "more": "6"})
        managers.start(targets.queue_more, workers=2)
        wait_until(lambda: len(gate.runs) == 2**7 - 1, 20, "all generations")
        wait_until(lambda: not jobs_in(plain), 10, "all outcomes in Redis")

    assert len(set(gate.runs)) == 2**7 - 1
