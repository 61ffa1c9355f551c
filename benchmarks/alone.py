"""
A `Worker` standing alone: no manager, one process, started as a program of its own starts one.

    spawned process ──▶ Worker(client, target, manager).run() ──▶ … ──SIGTERM──▶ what it runs ends, and so does it

It is spawned, as the plain design's workers are, and not forked: it has nothing of the process that measures.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from benchmarks.managing import BRIEFLY, Managed
from benchmarks.setting import MANAGER
from benchmarks.waiting import wait_until
from qw import Client, Worker


def stand(url: str, target: str) -> None:
    """Be a worker, listed as one of `MANAGER`, until this process is told to end."""
    with Client.from_url(url) as client:
        Worker(client, target, MANAGER).run()


@contextmanager
def standing(url: str, target: str) -> Iterator[Managed]:
    """
    Have one worker wait for jobs, which it runs by `target`, a string such as `package.module:function`.

    Raises `RuntimeError` when it does not start, ends badly, or leaves anything of itself in Redis.
    """
    process = multiprocessing.get_context("spawn").Process(target=stand, args=(url, target), daemon=True)
    with redis.Redis.from_url(url) as client:
        process.start()
        try:
            wait_until(
                lambda: client.scard(f"{MANAGER}:workers") == 1 or not process.is_alive(),
                "a worker that stands alone to start",
                BRIEFLY,
            )
            if not process.is_alive():
                raise RuntimeError(f"a worker standing alone ended with {process.exitcode} before it took jobs")
            yield Managed([process.pid or 0], [])
            process.terminate()
            process.join(BRIEFLY)
        finally:
            process.kill()
            process.join()
        if process.exitcode or client.exists(f"{MANAGER}:workers"):
            raise RuntimeError(f"a worker standing alone ended with {process.exitcode}, or is still listed")
