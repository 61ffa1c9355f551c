"""How soon a job runs when nothing else is to be done: from the call of `queue_job` to the first line of the target."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import quantiles

from benchmarks import heat, jobs
from benchmarks.ledger import Ledger
from benchmarks.managing import managing
from benchmarks.measure import MOST_ROUNDS, Comparison, Contender, Measured
from benchmarks.plain import PlainClient, working
from benchmarks.setting import MANAGER, Benchmark, Setting
from benchmarks.waiting import wait_until
from qw.client import Client

WORKERS = 2
#: Seconds between two jobs.
GAP = 0.020
#: Of the jobs that `--jobs` says one in so many is one of a round; the second number is for `--quick`.
SHARE = (20, 16)

#: Queues the job of a number.
Queue = Callable[[jobs.Numbered], object]


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield one comparison: the plain design, then qw in both modes, from each list."""
    work = max(2, setting.jobs // SHARE[setting.quick])
    ours = [
        Contender(f"qw, {mode}, from {where}", work, partial(_ours, setting, mode, to))
        for mode in ("processes", "threads")
        for where, to in (("`all:jobs`", "all"), ("`<manager>:jobs`", "manager"), ("`<worker>:jobs`", "worker"))
    ]
    plain = Contender("plain design, from `all:jobs`", work, partial(_plain, setting))
    yield Comparison("jobs", [plain, *ours], warm_up=False, most_rounds=1 if setting.quick else MOST_ROUNDS)


def _ours(setting: Setting, mode: str, to: str, work: int) -> Measured:
    target = f"{jobs.__name__}:{jobs.do_nothing.__name__}"
    setting.server.flush()
    with heat.ledger() as book, setting.server.client() as client:
        options = (f"--mode={mode}", "--level=warn")
        with managing(setting.server.url, WORKERS, target, *options, environment=book.environment):
            return _measured(book, _queue(client, to), work)


def _queue(client: Client, to: str) -> Queue:
    if to == "all":
        return client.queue_job
    if to == "manager":
        return partial(client.queue_job, manager=MANAGER)
    worker = min(client.get_manager_workers(MANAGER))
    return partial(client.queue_job, worker=worker)


def _plain(setting: Setting, work: int) -> Measured:
    setting.server.flush()
    client = PlainClient(setting.server.url)

    def queue(job: jobs.Numbered) -> None:
        client.queue({"path": job.path, "number": job.number, "style": job.style})

    url, target = setting.server.url, jobs.run_numbered_mapping
    with heat.ledger() as book, working(url, MANAGER, WORKERS, target, book.environment):
        return _measured(book, queue, work)


def _measured(book: Ledger, queue: Queue, work: int) -> Measured:
    """Queue one job after the other, each when the one before it is long done."""
    called: list[float] = []
    for job in jobs.numbered(work):
        called.append(time.monotonic())
        queue(job)
        time.sleep(GAP)
        wait_until(lambda: book.count() == len(called), "a job to be run", 10.0)
    book.expect(work)
    took = [1000 * (mark.began - called[mark.number]) for mark in book.marks()]
    return Measured({"idle → running": percentiles(took)})


def percentiles(milliseconds: Sequence[float]) -> Mapping[str, float]:
    """Return what half of them, and all but one in a hundred, stay below."""
    hundredths = quantiles(milliseconds, n=100, method="inclusive")
    return {"p50 ms": hundredths[49], "p99 ms": hundredths[98]}


BENCHMARK = Benchmark(
    "latency",
    "queue a job when nothing else is to be done, and see when it runs",
    {
        "time": "from before the producer's call until the first line of the target, by the clock they share",
        "gap": f"{GAP * 1000:g} ms between two jobs: the one before is long done",
        "workers": f"{WORKERS}, started before",
        "rounds": "one with --quick, where each figure is of all its jobs",
    },
    comparisons,
)
