"""
A whole run: jobs are queued, then run by workers.

    queue ──▶ all:jobs ──RENAME──▶ held   (workers start)   held ──RENAME──▶ all:jobs ──▶ workers ──▶ empty
    └──── timed ─────┘                                      └──────────────── timed ───────────────┘

Starting is left out, since workers that run for days start once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import attrs

from benchmarks import jobs, processes
from benchmarks.alone import standing
from benchmarks.managing import Managed, managing
from benchmarks.measure import Comparison, Contender, Measured, Stopwatch, rates
from benchmarks.plain import PlainClient, working
from benchmarks.setting import BATCHED, MANAGER, Benchmark, Setting
from benchmarks.waiting import wait_until
from qw.client import Client

WORKERS = 2

#: What holds the jobs while workers start.
HELD = "bench:held"

#: What the tables of those who have one process are told apart by.
ONE = ", 1 process"

#: Jobs a second: who is slower than that is taken for stuck.
SLOWEST = 100

TYPED = f"{jobs.__name__}:{jobs.run_typed.__name__}"
MAPPING = f"{jobs.__name__}:{jobs.run_mapping.__name__}"


@attrs.frozen
class Side:
    """How jobs are queued, and who runs them: workers."""

    queue: Callable[[int], None]
    workers: Callable[[], AbstractContextManager[Managed]]


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield two: the plain design's worker processes and managers of qw's; one such process and a worker of qw's."""
    logging = _contender(setting, "processes, typed, a log line a job", _queue_typed, "--level=info", TYPED)
    yield Comparison("jobs", [_plain(setting, WORKERS), *ours(setting), logging], warm_up=False)
    yield Comparison("jobs", [_plain(setting, 1, ONE), _alone(setting)], warm_up=False)


def ours(setting: Setting) -> list[Contender]:
    """Return managers in both modes, with typed jobs and with mappings."""
    quietly, threads = "--level=warn", "--mode=threads"
    return [
        _contender(setting, "processes, typed", _queue_typed, quietly, TYPED),
        _contender(setting, "processes, mappings", _queue_mappings, quietly, MAPPING),
        _contender(setting, "threads, typed", _queue_typed, quietly, threads, TYPED),
        _contender(setting, "threads, mappings", _queue_mappings, quietly, threads, MAPPING),
    ]


def _plain(setting: Setting, workers: int, of: str = "") -> Contender:
    url = setting.server.url
    side = Side(partial(_queue_plainly, PlainClient(url)), lambda: working(url, MANAGER, workers))
    name = f"plain design, {workers} process{'es' if workers > 1 else ''}"
    return Contender(name, setting.jobs, partial(_measured, setting, side, of=of))


def _alone(setting: Setting) -> Contender:
    url, client = setting.server.url, setting.server.client()
    side = Side(partial(_queue_typed, client), lambda: standing(url, TYPED))
    name = "qw, a `Worker` standing alone, typed"
    return Contender(name, setting.jobs * BATCHED, partial(_measured, setting, side, of=ONE))


def _contender(setting: Setting, name: str, queue: Callable[[Client, int], None], *arguments: str) -> Contender:
    url, client, many = setting.server.url, setting.server.client(), setting.jobs * BATCHED
    side = Side(partial(queue, client), lambda: managing(url, WORKERS, *arguments))
    return Contender(f"qw, {WORKERS} {name}", many, partial(_measured, setting, side))


def _queue_plainly(client: PlainClient, work: int) -> None:
    for data in jobs.mappings(work):
        client.queue(data)


def _queue_typed(client: Client, work: int) -> None:
    client.queue_jobs(jobs.typed(work))


def _queue_mappings(client: Client, work: int) -> None:
    client.queue_jobs(jobs.mappings(work))


def _measured(setting: Setting, side: Side, work: int, of: str = "") -> Measured:
    server = setting.server
    server.flush()
    with Stopwatch(server.cpu) as queueing:
        side.queue(work)
    with server.redis() as bare:
        bare.rename("all:jobs", HELD)
        with side.workers() as workers:
            # With nothing to do: the hashes, the held list, and what says that the workers are there.
            idle = server.keys() - work - 1
            used = sum(map(processes.cpu, workers.pids))
            with Stopwatch(server.cpu) as running:
                bare.rename(HELD, "all:jobs")
                # One more key may come: all:stats. A job that is not done is two, its hash and the list it is in.
                wait_until(lambda: server.keys() <= idle + 1, f"{work:,} jobs to be run", 60 + work / SLOWEST)
            used = sum(map(processes.cpu, workers.pids)) - used
    both, alone = f"queue and run{of}", f"run alone{of}"
    measured = rates("jobs", work, {both: queueing.lap + running.lap, alone: running.lap}, "; ".join(workers.notes))
    cpu = {"worker CPU, µs each": used / work * 1e6}
    return attrs.evolve(measured, figures={**measured.figures, alone: {**measured.figures[alone], **cpu}})


BENCHMARK = Benchmark(
    "run",
    "queue jobs and have them run by workers",
    {
        "workers": f"{WORKERS}, started before the time runs; qw's by `python -m qw.manager`",
        "1 process": "the plain design with one worker; and `Worker(...).run()` without a manager, spawned as that is",
        "log level": "WARNING, but for the row with a line a job (INFO, to a file); the plain design logs nothing",
        "warming up": "none, since the workers of each round are new",
        "end": "when Redis holds no job any more, looked at each 5 ms",
    },
    comparisons,
)
