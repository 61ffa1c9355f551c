"""streaq: uvloop, results are not kept, and no log line for a job."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from streaq import Worker

from benchmarks.peers.tasks import ASYNC, Fields, batches
from benchmarks.peers.variables import at_once, url

worker = Worker(redis_url=url(), concurrency=at_once(16), anyio_kwargs={"use_uvloop": True})

_tasks = {what: worker.task(name=what, ttl=0, silent=True)(act) for what, act in ASYNC.items()}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    """Hold connections."""
    async with worker:
        yield


async def one(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    task = _tasks[what]
    for each in jobs:
        await task.enqueue(each)


async def many(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs in pipelines."""
    task = _tasks[what]
    for some in batches(jobs):
        await worker.enqueue_many([task.enqueue(each) for each in some])


CALLS = {"one": one, "many": many}
