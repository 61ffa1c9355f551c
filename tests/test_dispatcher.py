"""Which job a manager takes when, and who runs it: one suite for both modes."""

from __future__ import annotations

import time

import pytest
import redis

from qw.client import Client
from tests.support import targets
from tests.support.managers import Gate, Managers, left_in, push, stat, waiting
from tests.support.targets import Record
from tests.support.wait import wait_until

#: Seconds: far more than a job takes to be picked up (some milliseconds), far less than any poll would.
AT_ONCE = 0.5


class TestOrder:
    """Which job comes when, and to whom."""

    def test_the_managers_own_list_comes_first(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """Jobs for this manager are taken before those for all, each list in the order it was queued in."""
        for job_id in ("all-1", "all-2"):
            push(plain, job_id, gate.fields)
        for job_id in ("web-1", "web-2"):
            push(plain, job_id, gate.fields, to="web:jobs")

        managers.start(targets.record)

        assert gate.await_runs(4) == ["web-1", "web-2", "all-1", "all-2"]

    def test_a_job_for_one_worker_goes_to_it_alone(self, client: Client, managers: Managers, gate: Gate) -> None:
        """The bell brings it to that worker at once."""
        manager = managers.start(targets.obey, workers=3)

        for worker in manager.workers:
            began = time.monotonic()
            client.queue_job(gate.fields, worker=worker)
            gate.await_runs(manager.workers.index(worker) + 1)
            assert time.monotonic() - began < AT_ONCE

        assert [run.split()[1:3] for run in gate.runs] == [["1", worker] for worker in manager.workers]

    def test_a_job_for_one_worker_waits_for_it(
        self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate
    ) -> None:
        """While that worker is busy its job waits, though others are idle; and then it is run there."""
        manager = managers.start(targets.obey, workers=2)
        worker = manager.workers[0]
        ids = client.queue_jobs([{**gate.fields, "do": "hold"}, gate.fields], worker=worker)
        gate.await_runs(1)

        ids.append(client.queue_job(gate.fields, worker=worker))
        for number in range(20):  # to the other worker, one by one: there is time for a hand-back meanwhile
            push(plain, f"other-{number}", gate.fields)
            gate.await_runs(2 + number)
        gate.open()

        runs = [run.split()[:3] for run in gate.await_runs(23)]
        assert [runs[0], *runs[21:]] == [[job_id, "1", worker] for job_id in ids]
        assert {name for _, _, name in runs[1:21]} == {manager.workers[1]}

    def test_no_job_waits_behind_a_long_one(self, client: Client, managers: Managers, gate: Gate) -> None:
        """What was fetched ahead behind a long job is handed back after some milliseconds and run elsewhere."""
        managers.start(targets.obey, workers=2)
        client.wait_jobs(
            client.queue_jobs([gate.fields] * 300), timeout=20
        )  # short ones, so that many are fetched ahead

        client.queue_jobs([{**gate.fields, "do": "hold"}] + [gate.fields] * 40)

        gate.await_runs(300 + 41, within=5)


class TestAtOnce:
    """Jobs pushed by plain Redis commands are picked up within milliseconds."""

    @pytest.mark.parametrize("queue", ["all:jobs", "web:jobs"])
    @pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
    def test_from_either_list(
        self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate, queue: str, busy: bool
    ) -> None:
        """Whether all workers are idle or one of them is busy; again and again, and after a time of nothing."""
        manager = managers.start(targets.obey, workers=2)
        if busy:
            client.queue_job({**gate.fields, "do": "hold"}, worker=manager.workers[0])
            gate.await_runs(1)

        for number in range(10):
            before = len(gate.runs)
            began = time.monotonic()
            push(plain, f"job-{number}", gate.fields, to=queue)
            gate.await_runs(before + 1)
            assert time.monotonic() - began < AT_ONCE

        assert waiting(plain, queue) == []


class TestManyJobs:
    """Ten thousand typed jobs."""

    @pytest.mark.slow
    def test_are_all_run_and_leave_nothing(
        self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate
    ) -> None:
        """Through 2 processes or 16 threads: each once, and Redis is then as it was before."""
        file, count = gate.fields["file"], 10_000
        before = left_in(plain)
        words = [str(number) for number in range(count)]

        manager = managers.start(targets.record_word, workers=2 if managers.mode == "processes" else 16)
        client.queue_jobs(Record(file, word) for word in words)
        wait_until(lambda: stat(plain, "finished") >= count, within=40)
        manager.stop()

        assert sorted(gate.runs, key=int) == words
        assert left_in(plain) == before
        assert manager.totals.finished == stat(plain, "finished") == count
