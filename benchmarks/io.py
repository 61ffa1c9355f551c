"""Jobs that wait: 64 at once, in threads and as tasks, beside the same waiting without a queue."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from benchmarks import heat, jobs
from benchmarks.managing import managing
from benchmarks.measure import Comparison, Contender, Measured
from benchmarks.setting import Benchmark, Setting
from benchmarks.work import LONG

#: How many wait at once.
AT_ONCE = 64
#: Of the jobs that `--jobs` says one in so many is one of a round; the second number is for `--quick`.
SHARE = (2, 1)


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield one comparison: no queue at all, then qw."""
    work = max(AT_ONCE, setting.jobs // SHARE[setting.quick])
    yield Comparison(
        "jobs",
        [
            Contender("`ThreadPoolExecutor`, no queue", work, partial(_no_queue, _in_threads)),
            Contender("`asyncio.Semaphore`, no queue", work, partial(_no_queue, _in_tasks)),
            Contender("qw, threads", work, partial(_ours, setting, jobs.do_wait.__name__)),
            Contender("qw, threads, `async def`", work, partial(_ours, setting, jobs.do_wait_async.__name__)),
        ],
        warm_up=False,
    )


def _no_queue(act: Callable[[int], None], work: int) -> Measured:
    began = time.monotonic()
    act(work)
    return _figures(work, time.monotonic() - began)


def _in_threads(work: int) -> None:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(time.sleep, [LONG] * work))


def _in_tasks(work: int) -> None:
    async def one(places: asyncio.Semaphore) -> None:
        async with places:
            await asyncio.sleep(LONG)

    async def every() -> None:
        places = asyncio.Semaphore(AT_ONCE)
        await asyncio.gather(*(one(places) for _ in range(work)))

    asyncio.run(every())


def _ours(setting: Setting, target: str, work: int) -> Measured:
    options = ("--mode=threads", "--level=warn")
    ran = heat.run(
        setting,
        list(jobs.numbered(work)),
        lambda variables: managing(
            setting.server.url, AT_ONCE, f"{jobs.__name__}:{target}", *options, environment=variables
        ),
    )
    return _figures(work, ran.seconds, ran.workers / work * 1e6)


def _figures(work: int, seconds: float, cpu: float | None = None) -> Measured:
    ideal = -(-work // AT_ONCE) * LONG
    figures = {"seconds": seconds, "× the ideal": seconds / ideal}
    return Measured(
        {f"waits of 10 ms, {AT_ONCE} at once": figures | ({} if cpu is None else {"worker CPU, µs each": cpu})}
    )


BENCHMARK = Benchmark(
    "io",
    "run jobs that wait, 64 at once",
    {
        "job": f"waits for {LONG * 1000:g} ms, and writes down when it ran",
        "ideal": "what it would take if nothing but the waiting took time",
        "workers": f"{AT_ONCE}, in threads mode, started before the time runs",
    },
    comparisons,
)
