"""
The jobs as the peers take them, each with one mapping of three short fields.

Peers register these functions as their own documentation has it; this module needs nothing but Python.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from itertools import islice
from typing import Final

from benchmarks import work

#: What a job carries.
Fields = dict[str, str | int]

#: Jobs that an asyncio program sends at once where the peer has no call for many.
GATHERED: Final = 50

#: Jobs in one call of a peer that has one for many.
BATCH: Final = 1000


def fields(first: int, count: int) -> Iterator[Fields]:
    """Yield what so many jobs carry, numbered from the first one."""
    return (
        {"path": f"/images/{number}.png", "number": number, "style": "plain"} for number in range(first, first + count)
    )


def nothing(fields: Fields) -> None:
    """Do nothing, but say when."""
    work.nothing(int(fields["number"]))


def wait(fields: Fields) -> None:
    """Wait as for an answer from elsewhere."""
    work.wait(int(fields["number"]))


def spin(fields: Fields) -> None:
    """Compute."""
    work.spin(int(fields["number"]))


async def nothing_async(fields: Fields) -> None:
    """Do nothing, in a coroutine."""
    work.nothing(int(fields["number"]))


async def wait_async(fields: Fields) -> None:
    """Wait in a coroutine, so that others run meanwhile."""
    await work.wait_async(int(fields["number"]))


async def spin_async(fields: Fields) -> None:
    """Compute in a coroutine, which lets nobody else run meanwhile."""
    work.spin(int(fields["number"]))


#: By the names that the benchmarks know them by.
PLAIN: Final = {"nothing": nothing, "wait": wait, "spin": spin}
ASYNC: Final = {"nothing": nothing_async, "wait": wait_async, "spin": spin_async}


def batches(jobs: Iterable[Fields], size: int = BATCH) -> Iterator[list[Fields]]:
    """Yield the jobs in lists."""
    left = iter(jobs)
    while some := list(islice(left, size)):
        yield some


async def gather(send: Callable[[Fields], Awaitable[object]], jobs: Iterable[Fields]) -> None:
    """Send jobs as an asyncio program does that waits for many at once."""
    for some in batches(jobs, GATHERED):
        await asyncio.gather(*map(send, some))
