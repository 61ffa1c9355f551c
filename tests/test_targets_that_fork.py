"""Targets that start processes of their own, in each of Python's ways: in a worker process they work as anywhere."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.context import ForkProcess, SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, Literal, get_args

import attrs
import pytest
import redis

from qw.client import Client
from qw.job import Job, current_job
from qw.manager import Manager
from qw.worker import Worker
from tests.support.embedded import is_gone
from tests.support.managers import jobs_in, stat
from tests.support.running import Running
from tests.support.targets import write_down, written
from tests.support.wait import wait_until

Method = Literal["fork", "forkserver", "spawn"]
#: How many jobs are queued, one for each worker.
JOBS: Final = 2

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(120),
    # Of Python 3.12 and newer: a target that forks beside threads has to know what it does.
    pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning"),
]


@attrs.frozen
class Sum(Job[int]):
    """Add the squares of some numbers, each of them computed in another process."""

    file: str
    how: str
    method: Method = "fork"
    numbers: tuple[int, ...] = (1, 2, 3)


def square(number: int) -> tuple[int, int]:
    """Return the square, and who has computed it."""
    return number * number, os.getpid()


def run(job: Sum) -> int:
    """Write down the id, do as it says, and write down who has helped."""
    write_down(job.file, current_job().id)
    results = HOW[job.how](job)
    for _, pid in results:
        write_down(f"{job.file}.pids", f"{pid}")
    return sum(result for result, _ in results)


def _pool(job: Sum) -> list[tuple[int, int]]:
    with multiprocessing.get_context(job.method).Pool(2) as pool:
        return pool.map(square, job.numbers)


def _closed_pool(job: Sum) -> list[tuple[int, int]]:
    pool = multiprocessing.get_context(job.method).Pool(2)
    results = pool.map(square, job.numbers)
    pool.close()
    pool.join()
    return results


def _executor(job: Sum) -> list[tuple[int, int]]:
    with ProcessPoolExecutor(2, multiprocessing.get_context(job.method)) as executor:
        return list(executor.map(square, job.numbers))


def _process(job: Sum) -> list[tuple[int, int]]:
    """Start processes that would not end for long, and terminate them at once."""
    kind: type[BaseProcess] = ForkProcess if job.method == "fork" else SpawnProcess
    results = []
    for number in job.numbers:
        process = kind(target=wait_until, args=(bool, 60.0))
        process.start()
        process.terminate()
        process.join()
        results.append((number * number, process.pid or 0))
    return results


def _program(job: Sum) -> list[tuple[int, int]]:
    code = "import os, sys; print(int(sys.argv[1]) ** 2, os.getpid())"
    results = []
    for number in job.numbers:
        command = [sys.executable, "-c", code, str(number)]
        said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
        results.append((int(said[0]), int(said[1])))
    return results


HOW: Final[Mapping[str, Callable[[Sum], list[tuple[int, int]]]]] = {
    "pool": _pool,
    "closed pool": _closed_pool,
    "executor": _executor,
    "process": _process,
    "program": _program,
}


@pytest.mark.parametrize(
    ("how", "method"),
    [*((how, "fork") for how in HOW), *((how, "spawn") for how in ("pool", "executor", "process"))],
)
def test_works_once_for_each_job(
    how: str, method: Method, redis_url: str, client: Client, plain: redis.Redis, tmp_path: Path
) -> None:
    """Each job has its result, was run once, and leaves no process behind; no worker has died of it."""
    file = tmp_path / "runs"
    with Manager(run, num_workers=2, name="web", url=redis_url, grace=5.0):
        ids = client.queue_jobs([Sum(str(file), how, method)] * JOBS)
        assert client.wait_jobs(ids, timeout=60) == [14] * JOBS
        wait_until(lambda: stat(plain, "finished") == JOBS)

    assert sorted(written(file)) == sorted(ids)
    wait_until(lambda: all(is_gone(int(pid)) for pid in written(tmp_path / "runs.pids")), why="all helpers gone")
    assert [stat(plain, name) for name in ("crashed", "buried", "rescued", "retried")] == [0, 0, 0, 0]
    assert {key for key in jobs_in(plain) if not key.startswith("result:")} == set()


@pytest.mark.parametrize("start_method", get_args(Method))
def test_whatever_gives_birth_to_the_worker(
    start_method: Method, redis_url: str, client: Client, tmp_path: Path
) -> None:
    """The worker processes themselves may come from a fork, a fork server, or be started afresh."""
    with Manager(run, num_workers=1, name="web", url=redis_url, grace=5.0, start_method=start_method):
        jobs = [Sum(str(tmp_path / "runs"), how) for how in HOW]
        assert client.wait_jobs(client.queue_jobs(jobs), timeout=60) == [14] * len(HOW)


def test_in_a_worker_that_stands_alone(client: Client, plain: redis.Redis, tmp_path: Path) -> None:
    """Who terminates a process that was forked from it does not tell the worker to end."""
    worker = Worker(client, run, "web")
    worker.start()
    try:
        for how in HOW:
            job_id = client.queue_job(Sum(str(tmp_path / "runs"), how))
            assert client.wait_job(job_id, timeout=30) == 14
        worker.shutdown()
        worker.join(10)
    finally:
        worker.kill()
        worker.join()

    assert worker.exitcode == 0
    assert {key for key in jobs_in(plain) if not key.startswith("result:")} == set()


def test_in_a_thread_of_a_manager(redis_url: str, client: Client, tmp_path: Path) -> None:
    """Nor does it tell the manager, whose signals come over a socket that the forked process has as well."""
    manager = Running(redis_url, "--mode=threads", f"{__name__}:run")
    try:
        for how in HOW:
            job_id = client.queue_job(Sum(str(tmp_path / "runs"), how))
            assert client.wait_job(job_id, timeout=30) == 14
        assert not any(" stop " in line for line in manager.said)
        manager.send(signal.SIGTERM)
        assert manager.end() == 0
    finally:
        manager.close()
