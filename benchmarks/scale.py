"""What becomes of the rate as work grows, more workers, jobs waiting or managers; and what a waiting job takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import partial

from benchmarks import heat, jobs
from benchmarks.jobs import mappings, numbered, typed
from benchmarks.managing import Managed, managing, managing_many
from benchmarks.measure import MOST_ROUNDS, Comparison, Contender, Measured, Stopwatch, rates
from benchmarks.plain import PlainClient
from benchmarks.setting import BATCHED, MANAGER, WORKER, Benchmark, Setting
from benchmarks.work import LONG

WORKERS = (1, 2, 4, 8, 16, 32, 64)
#: Jobs of 10 ms that each worker gets in a round; the second number is for `--quick`.
EACH = (40, 20)
MANAGERS = (1, 2, 4, 8, 16, 32)
#: Jobs that wait; no more in each round, for each of the jobs that --jobs says, than so many.
WAITING = (1_000, 10_000, 100_000, 1_000_000)
SHARE = 250
#: Waited for only once.
VERY_MANY = 10_000_000
#: Jobs that are queued, fetched and finished together while the others wait.
TOGETHER = 100


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield five: workers, jobs waiting, very many jobs waiting, managers, memory."""
    yield Comparison(
        "jobs",
        [
            Contender(_many(n, "worker"), n * EACH[setting.quick], partial(_workers, setting, n))
            for n in (WORKERS[::3] if setting.quick else WORKERS)
        ],
        warm_up=False,
    )
    yield _waiting(setting, [n for n in WAITING if n <= max(WAITING[0], setting.jobs * SHARE)])
    if not setting.quick:
        yield _waiting(setting, [WAITING[0], VERY_MANY], 1)
    managers = (1, 4) if setting.quick else MANAGERS
    yield Comparison(
        "jobs",
        [Contender(_many(n, "manager"), setting.jobs * BATCHED, partial(_managers, setting, n)) for n in managers],
        warm_up=False,
    )
    many = setting.jobs * BATCHED
    client, plain = setting.server.client(), PlainClient(setting.server.url)
    yield Comparison(
        "jobs",
        [
            Contender("plain design", setting.jobs, partial(_memory, setting, partial(_queue_plainly, plain))),
            Contender(
                "`queue_jobs`, mappings", many, partial(_memory, setting, lambda n: client.queue_jobs(mappings(n)))
            ),
            Contender("`queue_jobs`, typed", many, partial(_memory, setting, lambda n: client.queue_jobs(typed(n)))),
        ],
        warm_up=False,
        most_rounds=1,
    )


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'s' if count > 1 else ''}"


def _workers(setting: Setting, workers: int, work: int) -> Measured:
    target = f"{jobs.__name__}:{jobs.do_wait.__name__}"
    options = ("--mode=threads", "--level=warn")
    ran = heat.run(
        setting,
        list(numbered(work)),
        lambda variables: managing(setting.server.url, workers, target, *options, environment=variables),
    )
    ideal = workers / LONG
    figures = {"jobs/s": work / ran.seconds, "of what so many could do": work / ran.seconds / ideal}
    return Measured({"jobs that wait 10 ms, in threads": figures})


def _waiting(setting: Setting, waiting: list[int], most_rounds: int = MOST_ROUNDS) -> Comparison:
    work = max(TOGETHER, setting.jobs // TOGETHER * TOGETHER)
    contenders = [Contender(f"{n:,} jobs waiting", work, partial(_among, setting, n)) for n in waiting]
    return Comparison("jobs", contenders, warm_up=False, most_rounds=most_rounds)


def _among(setting: Setting, waiting: int, work: int) -> Measured:
    """Queue, fetch and finish jobs by the hundred while so many others wait."""
    setting.server.flush()
    with setting.server.client() as client:
        client.queue_jobs(typed(waiting))
        with Stopwatch(setting.server.cpu) as watch:
            for _ in range(work // TOGETHER):
                client.queue_jobs(typed(TOGETHER))
                fetched = client.fetch_jobs(MANAGER, WORKER, TOGETHER)
                client.finish_jobs([job_id for job_id, _ in fetched], WORKER)
    setting.server.expect_keys(waiting + 2)  # their hashes, the list, and the counters
    setting.server.flush()
    return rates("jobs", work, {"queue, fetch and finish 100 at a time": watch.lap})


def _managers(setting: Setting, count: int, work: int) -> Measured:
    made = list(numbered(work))
    ran = heat.run(setting, made, partial(_fleet, setting, count), warm_up=8 * count)
    return rates("jobs", work, {"no-ops, a thread for each manager": ran.lap})


def _fleet(setting: Setting, count: int, variables: Mapping[str, str]) -> AbstractContextManager[Managed]:
    target = f"{jobs.__name__}:{jobs.do_nothing.__name__}"
    options = ("--mode=threads", "--level=warn")
    return managing_many(setting.server.url, count, 1, target, *options, environment=variables)


def _queue_plainly(client: PlainClient, work: int) -> None:
    for data in mappings(work):
        client.queue(data)


def _memory(setting: Setting, queue: Callable[[int], object], work: int) -> Measured:
    setting.server.flush()
    before = setting.server.memory()
    queue(work)
    figures = {"bytes of Redis each": (setting.server.memory() - before) / work}
    setting.server.flush()
    return Measured({"a job that waits": figures})


BENCHMARK = Benchmark(
    "scale",
    "more workers, more jobs waiting, more managers",
    {
        "workers": f"threads of one manager, {EACH[0]} jobs for each ({EACH[1]} with --quick)",
        "managers": "programs of their own, with one thread each, on the same cores as Redis",
        "waiting": f"jobs in `all:jobs` while others are queued, fetched and finished {TOGETHER} at a time",
        "very many": f"{VERY_MANY:,} jobs wait once only: it takes minutes to queue them (not with --quick)",
        "bytes": "of a job that waits: one round, since they do not vary",
    },
    comparisons,
)
