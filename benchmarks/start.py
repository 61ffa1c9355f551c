"""How long it takes until a command is there: `qw-manager` until it takes jobs, `qw-client` until it has answered."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import jobs
from benchmarks.managing import managing
from benchmarks.measure import Comparison, Contender, Measured
from benchmarks.setting import Benchmark, Setting

#: The most often that each is started in a round: who has started a program a few times knows how long it takes.
TIMES = 5


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield one comparison: Python alone, with redis-py, then the commands."""
    server = setting.server
    times = min(TIMES, max(1, setting.jobs // 1000))
    variables = {**os.environ, "QW_URL": server.url}

    def program(name: str, *words: str) -> Contender:
        command = [sys.executable, *words]
        return _contender(name, times, lambda: subprocess.run(command, env=variables, check=True, capture_output=True))

    def manager(mode: str) -> Contender:
        target = f"{jobs.__name__}:{jobs.run_typed.__name__}"
        return Contender(
            f"`qw-manager`, {mode}", times, partial(_manager, server.url, target, f"--mode={mode}", "--level=warn")
        )

    yield Comparison(
        "starts",
        [
            program("Python and redis-py's import, nothing else", "-c", "import redis"),
            program("`import qw` and its public names", "-c", "from qw import Client, Job, Manager, Worker"),
            program("`qw-client workers`", "-m", "qw.client", "workers"),
            manager("processes"),
            manager("threads"),
        ],
        warm_up=False,
    )


def _contender(name: str, times: int, act: Callable[[], object]) -> Contender:
    def run(work: int) -> Measured:
        began = time.monotonic()
        for _ in range(work):
            act()
        return _figures((time.monotonic() - began) / work)

    return Contender(name, times, run)


def _manager(url: str, target: str, mode: str, level: str, work: int) -> Measured:
    took = 0.0
    for _ in range(work):
        began = time.monotonic()
        with managing(url, 2, target, mode, level):
            took += time.monotonic() - began
    return _figures(took / work)


def _figures(seconds: float) -> Measured:
    return Measured({"start": {"seconds": seconds}})


BENCHMARK = Benchmark(
    "start",
    "start the commands, until they answer or take jobs",
    {
        "until": "qw-client: it has ended; qw-manager: its two workers are registered, looked at each 5 ms",
        "files": "read before, so that they are in the system's memory, compiled",
    },
    comparisons,
)
