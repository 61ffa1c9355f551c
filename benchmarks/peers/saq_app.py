"""SAQ: uvloop, finished jobs are not kept."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio
import uvloop
from saq.queue.redis import RedisQueue

from benchmarks.peers.tasks import ASYNC, Fields, gather
from benchmarks.peers.variables import at_once, patience, url

# Its worker takes whatever event loop asyncio makes.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

#: Finished jobs are deleted at once.
FORGOTTEN = -1


def _runs(what: str) -> tuple[str, Any]:
    act = ASYNC[what]

    async def run(_context: dict[str, object], *, fields: Fields) -> None:
        await act(fields)

    return what, run


_queue = RedisQueue(redis.asyncio.from_url(url(), **patience()), name="bench")

settings = {"queue": _queue, "functions": list(map(_runs, ASYNC)), "concurrency": at_once(20)}


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    """Hold connections."""
    await _queue.connect()
    yield
    await _queue.disconnect()


async def one(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    for each in jobs:
        await _queue.enqueue(what, fields=each, ttl=FORGOTTEN)


async def many(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with many calls at once, of which its queue lets 20 through."""

    async def send(each: Fields) -> None:
        await _queue.enqueue(what, fields=each, ttl=FORGOTTEN)

    await gather(send, jobs)


CALLS = {"one": one, "many": many}
