"""Fetching and finishing: what a worker says to Redis for each job, without the worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import cast

from benchmarks.jobs import Thumbnail, mappings, run_mapping, run_typed, typed
from benchmarks.measure import Comparison, Contender, Measured, Stopwatch, rates
from benchmarks.plain import PlainClient
from benchmarks.setting import BATCHED, MANAGER, WORKER, Benchmark, Setting
from qw.client import Client
from qw.job import job_type

# It says that it makes a Job; of a codec of Thumbnails that is a Thumbnail.
_decode = cast("Callable[[Mapping[str, str]], Thumbnail]", job_type(Thumbnail).decode)


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield one comparison: a job at a time, and many."""
    few, many = setting.jobs, setting.jobs * BATCHED
    client, plain = setting.server.client(), PlainClient(setting.server.url)
    fill = partial(_fill, client)

    def contender(name: str, work: int, fill: Callable[[int], None], act: Callable[[int], None]) -> Contender:
        return Contender(name, work, partial(_measured, setting, fill, act))

    yield Comparison(
        "jobs",
        [
            contender("plain design, six commands a job", few, partial(_fill_plainly, plain), partial(_plainly, plain)),
            contender("`fetch_next_job`, `finish_job`", few, fill, partial(_one_by_one, client)),
            contender("`fetch_jobs`, `finish_jobs` of 100", many, fill, partial(_batches, client, 100)),
            contender("`fetch_jobs`, `finish_jobs` of 1,000", many, fill, partial(_batches, client, 1000)),
        ],
    )


def _measured(setting: Setting, fill: Callable[[int], None], act: Callable[[int], None], work: int) -> Measured:
    setting.server.flush()
    fill(work)
    with Stopwatch(setting.server.cpu) as watch:
        act(work)
    setting.server.expect_no_jobs()
    return rates("jobs", work, {"fetch and finish": watch.lap})


def _fill(client: Client, work: int) -> None:
    client.queue_jobs(typed(work))


def _fill_plainly(client: PlainClient, work: int) -> None:
    for data in mappings(work):
        client.queue(data)


def _plainly(client: PlainClient, work: int) -> None:
    for _ in range(work):
        job = client.fetch(MANAGER, WORKER)
        if job is not None:
            run_mapping(*job)
            client.finish(job[0], WORKER)


def _one_by_one(client: Client, work: int) -> None:
    for _ in range(work):
        job_id, data = client.fetch_next_job(MANAGER, WORKER)
        if job_id is not None and data is not None:
            run_typed(_decode(data))
            client.finish_job(job_id, WORKER)


def _batches(client: Client, size: int, work: int) -> None:
    for _ in range(0, work, size):
        jobs = client.fetch_jobs(MANAGER, WORKER, size)
        for _, data in jobs:
            run_typed(_decode(data))
        client.finish_jobs([job_id for job_id, _ in jobs], WORKER)


BENCHMARK = Benchmark(
    "fetch",
    "fetch jobs and finish them, without a worker process",
    {
        "decoding": "qw: each job into its class; plain design: none, a dict of str",
        "lists": "a worker's own and its manager's are empty, as nearly always",
    },
    comparisons,
)
