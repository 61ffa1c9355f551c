"""arq: uvloop, no results, and as often a look at the queue as it is told to take."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import uvloop
from arq import create_pool, func
from arq.connections import RedisSettings

from benchmarks.peers.tasks import ASYNC, Fields, gather
from benchmarks.peers.variables import at_once, poll, url

# Its worker takes whatever event loop asyncio makes.
asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())

_settings = RedisSettings.from_dsn(url())


def _runs(what: str) -> Any:  # noqa: ANN401 - what arq calls a function
    act = ASYNC[what]

    async def run(_context: dict[str, object], fields: Fields) -> None:
        await act(fields)

    return func(run, name=what)


class WorkerSettings:
    """What its command line is given."""

    functions = tuple(map(_runs, ASYNC))
    redis_settings = _settings
    max_jobs = at_once(100)
    queue_read_limit = max(2 * max_jobs, 250 if max_jobs > 64 else 0)
    poll_delay = poll(0.5)
    keep_result = 0
    log_results = False


_pool: list[Any] = []


@asynccontextmanager
async def session() -> AsyncIterator[None]:
    """Hold connections."""
    pool = await create_pool(_settings)
    _pool.append(pool)
    yield
    await pool.aclose()


async def one(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    (pool,) = _pool
    for each in jobs:
        await pool.enqueue_job(what, each)


async def many(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with many calls at once."""
    (pool,) = _pool
    await gather(partial(pool.enqueue_job, what), jobs)


CALLS = {"one": one, "many": many}
