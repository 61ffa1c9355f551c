"""taskiq with taskiq-redis: a list, from which jobs are popped, or a stream, on which they are acknowledged."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from benchmarks.peers.tasks import ASYNC, Fields, gather
from benchmarks.peers.variables import ahead, kind, patience, url

if kind("stream") == "list":
    broker = ListQueueBroker(url(), queue_name="bench", **patience())
else:
    broker = RedisStreamBroker(url(), queue_name="bench", xread_count=ahead(100), **patience())

_tasks = {what: broker.register_task(act, task_name=what) for what, act in ASYNC.items()}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    """Hold connections."""
    await broker.startup()
    yield
    await broker.shutdown()


async def one(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    task = _tasks[what]
    for each in jobs:
        await task.kiq(each)


async def many(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with many calls at once."""
    await gather(_tasks[what].kiq, jobs)


CALLS = {"one": one, "many": many}
