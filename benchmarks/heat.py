"""
One heat: workers stand ready, jobs are let go, and the ledger tells when each began and ended.

    queue ──▶ all:jobs ──RENAME──▶ held          workers start, and run a job to warm up
    held ──RENAME──▶ all:jobs ──▶ workers        timed: until the last job has ended

Starting is left out, since workers that run for days start once.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import attrs

from benchmarks import processes
from benchmarks.jobs import numbered
from benchmarks.ledger import Ledger, Mark
from benchmarks.managing import Managed
from benchmarks.measure import Lap
from benchmarks.setting import Setting
from benchmarks.waiting import wait_until
from qw.client import Client
from qw.job import Job

#: What holds the jobs while workers start.
HELD = "bench:held"

#: Makes workers, with these variables in their environment.
Workers = Callable[[Mapping[str, str]], AbstractContextManager[Managed]]


@attrs.frozen
class Heat:
    """What one heat showed."""

    #: When the jobs were let go, by the clock of the marks.
    began: float
    marks: Sequence[Mark]
    #: Seconds of CPU: of Redis, and of the manager with its workers.
    redis: float
    workers: float

    @property
    def seconds(self) -> float:
        """From the start to the end of the last job."""
        return max(mark.ended for mark in self.marks) - self.began

    @property
    def lap(self) -> Lap:
        """The time, and what Redis spent."""
        return Lap(self.seconds, self.redis)


@contextmanager
def ledger() -> Iterator[Ledger]:
    """Have a ledger for as long as it is needed."""
    with tempfile.TemporaryDirectory(prefix="qw-bench-") as directory:
        yield Ledger(Path(directory) / "ledger")


def run(
    setting: Setting, jobs: Sequence[Job[None]], workers: Workers, *, warm_up: int = 2, within: float = 120.0
) -> Heat:
    """
    Let workers run jobs, numbered from 0, and return what came of it; before that, so many that wait for nothing.

    Raises `RuntimeError` unless each ran exactly once, and `TimeoutError` when that takes longer than `within` seconds.
    """
    server = setting.server
    server.flush()
    with ledger() as book, server.client() as client, server.redis() as bare:
        client.queue_jobs(jobs)
        bare.rename("all:jobs", HELD)
        with workers(book.environment) as managed:
            _warm_up(client, book, warm_up)
            spent, used = server.cpu(), sum(map(processes.cpu, managed.pids))
            began = time.monotonic()
            bare.rename(HELD, "all:jobs")
            wait_until(lambda: book.count() >= len(jobs), f"{len(jobs):,} jobs to be run", within)
            spent, used = server.cpu() - spent, sum(map(processes.cpu, managed.pids)) - used
        book.expect(len(jobs))
        return Heat(began, book.marks(), spent, used)


def _warm_up(client: Client, book: Ledger, count: int) -> None:
    """Have a first few jobs run, so that all that is loaded late is there."""
    if count:
        client.queue_jobs(numbered(count, "0"))
        wait_until(lambda: book.count() >= count, "the first job to be run")
        book.clear()
