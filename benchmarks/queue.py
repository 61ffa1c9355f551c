"""Queueing: from a producer's call until Redis has the job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from uuid import uuid4

import redis

from benchmarks.jobs import mappings, typed
from benchmarks.measure import Comparison, Contender, Measured, Stopwatch, rates
from benchmarks.plain import PlainClient, hmset
from benchmarks.setting import BATCHED, Benchmark, Setting
from qw.client import Client

#: Jobs in a pipeline that a program makes by hand; `queue_jobs` has as many in a call of Redis.
PIPELINE = 1000


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield one comparison: five ways to fill a queue, and one command that fills none."""
    few, many = setting.jobs, setting.jobs * BATCHED
    client, plain, bare = setting.server.client(), PlainClient(setting.server.url), setting.server.redis()

    def contender(name: str, work: int, act: Callable[[int], None], *, queues: bool = True) -> Contender:
        return Contender(name, work, partial(_measured, setting, act, queues))

    yield Comparison(
        "jobs",
        [
            contender("plain design, `HMSET` and `LPUSH`", few, partial(_plainly, plain)),
            contender("`queue_job`, typed", few, partial(_one_by_one, client)),
            contender("a bare `SET` for each job, no queue", few, partial(_set, bare), queues=False),
            contender("`queue_jobs`, typed", many, partial(_typed, client)),
            contender("`queue_jobs`, mappings", many, partial(_mappings, client)),
            contender("plain design, pipelined by hand", many, partial(_pipelined, bare)),
        ],
    )


def _measured(setting: Setting, act: Callable[[int], None], queues: bool, work: int) -> Measured:  # noqa: FBT001 - a partial's
    setting.server.flush()
    with Stopwatch(setting.server.cpu) as watch:
        act(work)
    setting.server.expect_keys(work + 1 if queues else 1)  # a hash for each job, and the list
    return rates("jobs", work, {"queue": watch.lap})


def _plainly(client: PlainClient, work: int) -> None:
    for data in mappings(work):
        client.queue(data)


def _one_by_one(client: Client, work: int) -> None:
    for job in typed(work):
        client.queue_job(job)


def _set(client: redis.Redis, work: int) -> None:
    for number in range(work):
        client.set("key", number)


def _typed(client: Client, work: int) -> None:
    client.queue_jobs(typed(work))


def _mappings(client: Client, work: int) -> None:
    client.queue_jobs(mappings(work))


def _pipelined(client: redis.Redis, work: int) -> None:
    """Send the commands of the plain design a thousand jobs at a time, as redis-py packs them."""
    jobs = mappings(work)
    while some := list(islice(jobs, PIPELINE)):
        pipeline = client.pipeline(transaction=False)
        for data in some:
            job_id = str(uuid4())
            pipeline.execute_command(*hmset(job_id, data))
            pipeline.lpush("all:jobs", job_id)
        pipeline.execute()


BENCHMARK = Benchmark(
    "queue",
    "queue jobs, one by one and many at once",
    {
        "queue_jobs": "all jobs of a round in one call, which sends them by the thousand",
        "by hand": f"redis-py pipelines of {PIPELINE:,} jobs, without MULTI",
    },
    comparisons,
)
