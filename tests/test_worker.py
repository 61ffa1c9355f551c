"""A `Worker` that stands alone, as a process and as a thread."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from qw.client import Client
from qw.errors import BadName, JobFailed, RedisUnavailable, TargetNotFound
from qw.worker import Worker
from tests.support import targets
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, jobs_in, left_in, push, threads, waiting
from tests.support.programs import ROOT
from tests.support.server import MakeServer
from tests.support.targets import Add
from tests.support.wait import wait_until

PROGRAM = """\
import multiprocessing, sys
from qw.client import Client
from qw.worker import Worker
from tests.support import targets

if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    worker = Worker(Client.from_url(sys.argv[1]), targets.obey, "web")
    {how}
"""


@contextmanager
def running(plain: redis.Redis, worker: Worker) -> Iterator[int]:
    """Run a worker as a process until it ends by itself; yields its id when it is listed."""
    worker.start()
    try:
        wait_until(lambda: snapshot(plain).get("web:workers") == {worker.worker_name}, why="the worker listed")
        assert worker.pid is not None
        yield worker.pid
        worker.join(10)
        assert worker.exitcode == 0
        assert jobs_in(plain) == left_in(plain), "nothing says any more that it is there"
    finally:
        worker.kill()
        worker.join()


class TestJobs:
    """What it runs."""

    def test_come_from_all_three_lists(self, plain: redis.Redis, client: Client, gate: Gate) -> None:
        """It is listed with its manager under a name of its own, and takes what is sent to either."""
        worker = Worker(client, targets.obey, "web")

        with running(plain, worker):
            assert client.get_all_managers() == ["web"]
            ids = [client.queue_job(gate.fields, *queue) for queue in ((None, worker.worker_name), ("web",), ())]
            runs = [run.split() for run in gate.await_runs(3)]
            worker.shutdown()

        assert sorted(run[0] for run in runs) == sorted(ids)
        assert {(attempt, name, pid) for _, attempt, name, pid in runs} == {("1", worker.worker_name, str(worker.pid))}
        assert left_in(plain) == {}

    @pytest.mark.parametrize("target", [targets.add, targets.add_async, "tests.support.targets.work"])
    def test_return_results(self, plain: redis.Redis, client: Client, target: Callable[..., object] | str) -> None:
        """Typed jobs, and targets that are coroutines or strings."""
        worker = Worker(client, target, "web")

        with running(plain, worker):
            assert client.wait_jobs(client.queue_jobs(Add(n, 1) for n in range(50)), timeout=10) == list(range(1, 51))
            worker.shutdown()

    def test_that_raise_are_buried(self, plain: redis.Redis, client: Client) -> None:
        """And the worker goes on."""
        worker = Worker(client, targets.raise_exit, "web")

        with running(plain, worker):
            for _ in range(2):
                with pytest.raises(JobFailed, match="SystemExit: 3"):
                    client.wait_job(client.queue_job({}), timeout=10)
            worker.shutdown()

        assert len(list(client.get_dead_jobs())) == 2


class TestEnd:
    """How it ends: always after the job that runs, with nothing left."""

    @pytest.mark.parametrize(
        "end",
        [
            lambda worker, _: worker.shutdown(),
            lambda worker, _: worker.terminate(),
            lambda _, pid: os.kill(pid, signal.SIGINT),
        ],
        ids=["shutdown", "terminate", "SIGINT"],
    )
    def test_comes_after_the_job_that_runs(
        self, plain: redis.Redis, client: Client, gate: Gate, end: Callable[[Worker, int], None]
    ) -> None:
        """By `shutdown`, by `terminate` or by Ctrl-C."""
        worker = Worker(client, targets.obey, "web")

        with running(plain, worker) as pid:
            running_id = push(plain, "running", {**gate.fields, "do": "hold"})
            gate.await_runs(1)
            end(worker, pid)
            assert snapshot(plain)[f"{worker.worker_name}:jobs"] == [running_id]
            gate.open()

        assert len(gate.runs) == 1
        assert left_in(plain) == {}

    def test_before_the_start_is_remembered(self, plain: redis.Redis, client: Client) -> None:
        """One that was shut down before it ran ends at once."""
        worker = Worker(client, targets.succeed, "web")
        worker.shutdown()

        worker.run()

        assert left_in(plain) == {}

    def test_in_a_thread(self, plain: redis.Redis, client: Client, gate: Gate) -> None:
        """`run` may be called in any thread, which then is the worker until another one calls `shutdown`."""
        before = threads()
        worker = Worker(client, targets.obey, "web")
        thread = threading.Thread(target=worker.run)
        thread.start()
        try:
            push(plain, "one", gate.fields)
            (run,) = gate.await_runs(1)
        finally:
            worker.shutdown()
            thread.join(10)

        assert run.split()[2:] == [worker.worker_name, str(os.getpid())]
        assert left_in(plain) == {}
        wait_until(lambda: threads() <= before, why=f"no more than {before}")

    def test_leaves_the_handlers_of_the_main_thread(self, client: Client) -> None:
        """Run in a main thread it minds SIGINT and SIGTERM only as long as it runs."""
        before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
        worker = Worker(client, targets.succeed, "web")
        worker.shutdown()

        worker.run()

        assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


class TestProgram:
    """As a program of its own, where processes are not forked."""

    @pytest.mark.parametrize("how", ["worker.run()", "worker.start(); worker.join()"], ids=["run", "start"])
    def test_runs_and_ends_on_a_signal(
        self, plain: redis.Redis, redis_url: str, gate: Gate, tmp_path: Path, how: str
    ) -> None:
        """The one process that is the worker gets SIGTERM, and ends in good order."""
        script = tmp_path / "program.py"
        script.write_text(PROGRAM.format(how=how))
        push(plain, "one", gate.fields)

        with subprocess.Popen(
            [sys.executable, script, redis_url], env={**os.environ, "PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE
        ) as program:
            try:
                (run,) = gate.await_runs(1, within=20)
                os.kill(int(run.split()[3]), signal.SIGTERM)
                _, said = program.communicate(timeout=20)
            finally:
                program.kill()

        assert (program.returncode, said) == (0, b"")
        assert left_in(plain) == {}


class TestFailingStart:
    """What cannot run says so where `run` is called, and registers nothing."""

    def test_for_a_target_that_is_not_there(self, plain: redis.Redis, client: Client) -> None:
        """The target is looked up first of all."""
        with pytest.raises(TargetNotFound, match="did you mean succeed"):
            Worker(client, "tests.support.targets:sucseed", "web").run()

        assert snapshot(plain) == {}

    def test_for_a_name_that_cannot_be(self, client: Client) -> None:
        """The name is checked when the worker is made."""
        with pytest.raises(BadName):
            Worker(client, targets.succeed, "two words")

    def test_without_redis(self, make_server: MakeServer) -> None:
        """A Redis that is not there is reported at once."""
        server = make_server()
        with Client.from_url(server.url) as client:
            worker = Worker(client, targets.succeed, "web")
            server.stop()

            with pytest.raises(RedisUnavailable, match="does not answer"):
                worker.run()


def test_a_killed_worker_takes_no_job_with_it(plain: redis.Redis, client: Client, gate: Gate) -> None:
    """What it was running stays in its list, and its hash stays: it is there to be rescued."""
    worker = Worker(client, targets.obey, "web")
    worker.start()
    push(plain, "one", {**gate.fields, "do": "hold"})
    gate.await_runs(1)

    worker.kill()
    worker.join()

    assert waiting(plain, f"{worker.worker_name}:jobs") == ["one"]
    assert "job:one" in snapshot(plain)
