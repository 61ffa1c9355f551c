"""
The plain design: what qw 0.1.1 did, one command after the other, each waited for.

    queue    HMSET job:<id> …, LPUSH all:jobs <id>
    fetch    LPOP <worker>:jobs, else RPOPLPUSH <manager>:jobs <worker>:jobs,
             else BRPOPLPUSH all:jobs <worker>:jobs; then HGETALL job:<id>
    finish   DEL job:<id>, LREM <worker>:jobs 1 <id>
    look     SMEMBERS for the managers and for the workers of each, LRANGE for each list

It is what the other contenders are compared with, so nothing is left in that 0.1.1 could have done without.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from uuid import uuid4

import redis

from benchmarks.jobs import run_mapping
from benchmarks.managing import Managed
from benchmarks.waiting import wait_until

#: A target as qw 0.1.1 knows them.
Target = Callable[[str, dict[str, str]], None]

#: Seconds that a worker blocks for a job; below the 5 s after which redis-py 8 takes Redis for lost.
BLOCK = 2


def hmset(job_id: str, data: Mapping[str, str | int]) -> Sequence[str | int]:
    """Return the command that writes a job's hash; redis-py's own method for it warns that HSET has replaced it."""
    return ("HMSET", f"job:{job_id}", *chain.from_iterable(data.items()))


class PlainClient:
    """The client of qw 0.1.1 on today's redis-py; replies are decoded by redis-py."""

    def __init__(self, url: str) -> None:
        self._redis = redis.Redis.from_url(url, decode_responses=True)

    def register(self, manager: str, worker: str) -> None:
        """Add a worker, and its manager, to the sets in which others find them."""
        self._redis.sadd("all:managers", manager)
        self._redis.sadd(f"{manager}:workers", worker)

    def queue(self, data: Mapping[str, str | int]) -> str:
        """Queue a job for whoever is first."""
        job_id = str(uuid4())
        self._redis.execute_command(*hmset(job_id, data))
        self._redis.lpush("all:jobs", job_id)
        return job_id

    def fetch(self, manager: str, worker: str) -> tuple[str, dict[str, str]] | None:
        """Return the next job, or None when there was none for a while."""
        own = f"{worker}:jobs"
        job_id = (
            self._redis.lpop(own)
            or self._redis.rpoplpush(f"{manager}:jobs", own)
            or self._redis.brpoplpush("all:jobs", own, BLOCK)
        )
        if job_id is None:
            return None
        data = self._redis.hgetall(f"job:{job_id!s}")
        return str(job_id), {str(name): str(value) for name, value in data.items()}

    def finish(self, job_id: str, worker: str) -> None:
        """Take a job that is done out of Redis."""
        self._redis.delete(f"job:{job_id}")
        self._redis.lrem(f"{worker}:jobs", 1, job_id)

    def managers(self) -> list[str]:
        """Return the names of all managers."""
        return list(map(str, self._redis.smembers("all:managers")))

    def queued(self) -> Iterator[tuple[str | None, str]]:
        """Yield (manager, id) of all jobs that wait; None as manager for those that anyone may take."""
        for name in (None, *self.managers()):
            for job_id in self._redis.lrange(f"{name or 'all'}:jobs", 0, -1):
                yield name, str(job_id)

    def pending(self) -> Iterator[tuple[str, str]]:
        """Yield (worker, id) of all jobs that a worker has."""
        for manager in self.managers():
            for worker in map(str, self._redis.smembers(f"{manager}:workers")):
                for job_id in self._redis.lrange(f"{worker}:jobs", 0, -1):
                    yield worker, str(job_id)


def work(url: str, manager: str, target: Target, environment: Mapping[str, str]) -> None:
    """Be a worker: fetch, run, finish, without end."""
    os.environ.update(environment)
    # Ctrl-C reaches all processes of a terminal; who has started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    client, worker = PlainClient(url), f"{manager}.{os.getpid()}"
    client.register(manager, worker)
    while True:
        job = client.fetch(manager, worker)
        if job is not None:
            target(*job)
            client.finish(job[0], worker)


@contextmanager
def working(
    url: str,
    manager: str,
    workers: int,
    target: Target = run_mapping,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Managed]:
    """Have so many worker processes wait for jobs, with these variables; there is nothing to say of them afterwards."""
    context = multiprocessing.get_context("spawn")
    processes = [
        context.Process(target=work, args=(url, manager, target, environment or {}), daemon=True)
        for _ in range(workers)
    ]
    with redis.Redis.from_url(url) as client:
        try:
            for process in processes:
                process.start()
            wait_until(lambda: client.scard(f"{manager}:workers") == workers, f"{workers} workers of the plain design")
            yield Managed([process.pid or 0 for process in processes], [])
        finally:
            for process in processes:
                process.kill()
                process.join()
