"""Jobs of 10 bytes up to a megabyte: how many a second, and how many bytes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import attrs

from benchmarks import heat, work
from benchmarks.managing import managing
from benchmarks.measure import Comparison, Contender, Lap, Measured, Stopwatch, rates
from benchmarks.setting import BATCHED, Benchmark, Setting
from qw.job import Job

WORKERS = 2
SIZES = (10, 100, 1_000, 10_000, 100_000, 1_000_000)
#: Bytes in a round, for each of the jobs that `--jobs` says: 40 MB by default.
BYTES = 10_000
FEWEST = 8


@attrs.frozen
class Sized(Job[None]):
    """A job whose data are what matters."""

    data: str
    number: int


def take(job: Sized) -> None:
    """Do nothing with the data."""
    work.nothing(job.number)


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield one comparison: one contender for each size."""

    def count(size: int) -> int:
        return max(FEWEST, min(setting.jobs * BATCHED, setting.jobs * BYTES // size))

    contenders = [Contender(_name(size), count(size), partial(_measured, setting, size)) for size in SIZES]
    yield Comparison("jobs", contenders, warm_up=False)


def _name(size: int) -> str:
    for unit, factor in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= factor:
            return f"{size // factor} {unit} a job"
    return f"{size} B a job"


def _measured(setting: Setting, size: int, count: int) -> Measured:
    data = "x" * size
    made = [Sized(data, number) for number in range(count)]
    target = f"{__name__}:{take.__name__}"
    setting.server.flush()
    with setting.server.client() as client, Stopwatch(setting.server.cpu) as queueing:
        client.queue_jobs(made)
    ran = heat.run(
        setting,
        made,
        lambda variables: managing(setting.server.url, WORKERS, target, "--level=warn", environment=variables),
        warm_up=0,
    )
    return _with_bytes(count, size, {"queue": queueing.lap, "run, 2 processes": ran.lap})


def _with_bytes(count: int, size: int, laps: dict[str, Lap]) -> Measured:
    measured = rates("jobs", count, laps)
    figures = {
        title: {**of, "MB/s": count * size / laps[title].seconds / 1e6} for title, of in measured.figures.items()
    }
    return Measured(figures)


BENCHMARK = Benchmark(
    "payload",
    "queue and run jobs from 10 bytes to a megabyte",
    {
        "job": "one field of text of that size, and its number",
        "work": f"as many jobs as make {BYTES:,} bytes for each of --jobs, at most {BATCHED} times --jobs",
        "workers": f"{WORKERS} processes; started before the time runs",
    },
    comparisons,
)
