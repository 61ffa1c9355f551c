"""
A producer: a process that queues jobs when it is told to.

    python -m benchmarks.peers.produce <peer>

    > one nothing 0 4000        call it a job, what the jobs do, number of the first, how many
    < 1234.5 1236.1             when it began and ended, in seconds of the monotonic clock

It stays, so that neither its start nor its connection is timed. `one` is a call for each job, `many` is whatever the
peer has for many. This module needs nothing but Python; the peer's own comes from `<peer>_app`, which has a `CALLS`,
and when that is to be awaited a `session` in which it is.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from importlib import import_module
from types import ModuleType
from typing import TextIO

from benchmarks.peers.tasks import Fields, fields

#: What is said when everything has been imported.
READY = "ready"

Call = Callable[[str, Iterable[Fields]], None]
AsyncCall = Callable[[str, Iterable[Fields]], Awaitable[None]]


def serve(calls: dict[str, Call], said: Iterable[str], answers: TextIO) -> None:
    """Do what each line says until there are no more."""
    print(READY, file=answers, flush=True)
    for line in said:
        call, what, first, count = line.split()
        jobs = fields(int(first), int(count))
        began = time.monotonic()
        calls[call](what, jobs)
        print(began, time.monotonic(), file=answers, flush=True)


async def serve_async(
    calls: dict[str, AsyncCall], session: AbstractAsyncContextManager[object], said: TextIO, answers: TextIO
) -> None:
    """Do the same with calls that are awaited."""
    loop = asyncio.get_running_loop()
    async with session:
        print(READY, file=answers, flush=True)
        while line := await loop.run_in_executor(None, said.readline):
            call, what, first, count = line.split()
            jobs = fields(int(first), int(count))
            began = time.monotonic()
            await calls[call](what, jobs)
            print(began, time.monotonic(), file=answers, flush=True)


def main() -> None:
    """Serve whoever has started this process."""
    app: ModuleType = import_module(f"benchmarks.peers.{sys.argv[1]}_app")
    if hasattr(app, "session"):
        import uvloop

        uvloop.run(serve_async(app.CALLS, app.session(), sys.stdin, sys.stdout))
    else:
        serve(app.CALLS, sys.stdin, sys.stdout)


if __name__ == "__main__":
    main()
