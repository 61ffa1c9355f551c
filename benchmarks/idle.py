"""What it costs to wait: requests to Redis, CPU, and memory, while there is nothing to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

from benchmarks import jobs, processes
from benchmarks.managing import Managed, managing
from benchmarks.measure import Comparison, Contender, Measured
from benchmarks.plain import working
from benchmarks.setting import MANAGER, Benchmark, Setting

WORKERS = 2
#: Seconds for which they are watched: twice as long as each of qw's waits lasts; fewer where --jobs says few.
WATCHED = 10
#: How many of the jobs that `--jobs` says make a second; the other number is for `--quick`, and makes 5 s by default:
#: in less, a request that comes every 5 s would not be seen.
SHARE = (200, 100)
#: Seconds before that: what the start has left over is done.
SETTLED = 1.0


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield one comparison: the plain design, then qw in both modes; once, since what is counted does not vary."""
    url, target = setting.server.url, f"{jobs.__name__}:{jobs.do_nothing.__name__}"
    watched = seconds(setting)

    def ours(mode: str) -> Callable[[], AbstractContextManager[Managed]]:
        return lambda: managing(url, WORKERS, target, f"--mode={mode}", "--level=warn")

    def theirs() -> AbstractContextManager[Managed]:
        return working(url, MANAGER, WORKERS)

    yield Comparison(
        "seconds",
        [
            Contender("plain design, 2 processes", watched, partial(_measured, setting, theirs)),
            Contender("qw, 2 processes", watched, partial(_measured, setting, ours("processes"))),
            Contender("qw, 2 threads", watched, partial(_measured, setting, ours("threads"))),
        ],
        warm_up=False,
        most_rounds=1,
    )


def seconds(setting: Setting) -> int:
    """Return for how long those who have nothing to do are watched."""
    return max(1, min(WATCHED, setting.jobs // SHARE[setting.quick]))


def _measured(setting: Setting, workers: Callable[[], AbstractContextManager[Managed]], watched: int) -> Measured:
    setting.server.flush()
    with workers() as managed:
        return Measured({"idle": watch(setting, managed.pids, watched)})


def watch(setting: Setting, pids: Sequence[int], watched: int) -> Mapping[str, float]:
    """Return what these processes, and those that they have started, ask and take within so many seconds."""
    time.sleep(SETTLED)
    with setting.server.listening() as heard:
        used, began = sum(map(processes.cpu, pids)), time.monotonic()
        time.sleep(watched)
        requests, past = heard(), time.monotonic() - began
        used = sum(map(processes.cpu, pids)) - used
    return {
        "requests/s": requests / past,
        "memory, MB (PSS)": sum(map(processes.memory, pids)),
        "CPU, %": 100 * used / past,
    }


BENCHMARK = Benchmark(
    "idle",
    "wait for jobs that do not come: requests, memory, CPU",
    {
        "requests": "what the workers' connections send to Redis; what a script does within Redis is no request",
        "rounds": "one, since what is counted does not vary",
        "time": f"{WATCHED} s, after {SETTLED:g} s of rest; with --quick 5 s, unless --jobs says how many",
        "memory": "of the manager and all its processes, what they share counted once (PSS): all of Python included",
    },
    comparisons,
)
