"""Jobs that compute: two processes with qw before them, and without."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from functools import partial
from multiprocessing.synchronize import Barrier

from benchmarks import heat, jobs
from benchmarks.ledger import VARIABLE
from benchmarks.managing import managing
from benchmarks.measure import Comparison, Contender, Measured
from benchmarks.setting import Benchmark, Setting
from benchmarks.work import LONG, spin

WORKERS = 2
#: Jobs in a round, for each of the jobs that `--jobs` says.
SHARE = 10


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield one comparison: the same work without a queue, then qw."""
    work = max(WORKERS, setting.jobs // SHARE // WORKERS * WORKERS)
    yield Comparison(
        "jobs",
        [
            Contender(f"{WORKERS} plain processes, no queue", work, _plainly),
            Contender(f"qw, {WORKERS} processes", work, partial(_ours, setting)),
        ],
        warm_up=False,
    )


def _spin(barrier: Barrier, path: str, numbers: range) -> None:
    import os

    os.environ[VARIABLE] = path
    barrier.wait()
    for number in numbers:
        spin(number)


def _plainly(work: int) -> Measured:
    """Share the work out beforehand, and start when all are there."""
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(WORKERS + 1)
    with heat.ledger() as book:
        each = [range(first, work, WORKERS) for first in range(WORKERS)]
        processes = [context.Process(target=_spin, args=(barrier, str(book.path), numbers)) for numbers in each]
        for process in processes:
            process.start()
        barrier.wait()
        began = time.monotonic()
        for process in processes:
            process.join()
        book.expect(work)
        return _figures(work, max(mark.ended for mark in book.marks()) - began)


def _ours(setting: Setting, work: int) -> Measured:
    target = f"{jobs.__name__}:{jobs.do_spin.__name__}"
    ran = heat.run(
        setting,
        list(jobs.numbered(work)),
        lambda variables: managing(setting.server.url, WORKERS, target, "--level=warn", environment=variables),
    )
    return _figures(work, ran.seconds)


def _figures(work: int, seconds: float) -> Measured:
    title = f"computing for 10 ms a job, {WORKERS} processes"
    return Measured({title: {"seconds": seconds, "× the ideal": seconds / (work * LONG / WORKERS)}})


BENCHMARK = Benchmark(
    "cpu",
    "run jobs that compute, on two cores",
    {
        "job": f"computes until its thread has had {LONG * 1000:g} ms of a processor, then writes down when it ran",
        "ideal": "two processors that do nothing else; the manager and Redis need some of them, and so does the system",
    },
    comparisons,
)
