"""
Programs written for qw 0.1.1, made from what is known of it, and a Redis that is too old.

They speak plain redis-py, and know nothing of beats, scripts, fields under `qw:`, or results.
"""

from __future__ import annotations

import os
import socketserver
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis

from tests.support.keyspace import text

#: What a target of 0.1.1 is given.
OldTarget = Callable[[str, dict[str, str]], object]


def queue_job(
    plain: redis.Redis, fields: Mapping[str, str], manager: str | None = None, worker: str | None = None
) -> str:
    """Queue a job as a producer of 0.1.1 does; returns its id."""
    job_id = str(uuid.uuid4())
    name = worker or manager or "all"
    plain.execute_command("HMSET", f"job:{job_id}", *(word for pair in fields.items() for word in pair))
    plain.lpush(f"{name}:jobs", job_id)
    return job_id


class OldWorker:
    """A worker of 0.1.1, named `<manager>.<pid>`: it takes, runs and finishes one job at a time."""

    def __init__(self, plain: redis.Redis, manager: str, target: OldTarget, number: int | None = None) -> None:
        self.manager = manager
        self.name = f"{manager}.{os.getpid() if number is None else number}"
        self.list = f"{self.name}:jobs"
        self._redis: Any = plain
        self._target = target

    def register(self) -> None:
        """Be listed, as its manager does for it at the start."""
        self._redis.sadd("all:managers", self.manager)
        self._redis.sadd(f"{self.manager}:workers", self.name)

    def deregister(self) -> None:
        """Be listed no more, as its manager does for it at the end: the manager goes whoever else is there."""
        self._redis.srem(f"{self.manager}:workers", self.name)
        self._redis.srem("all:managers", self.manager)

    def fetch(self, timeout: int = 1) -> str | None:
        """Take a job: from its own list, else its manager's, else wait for one of all."""
        raw = self._redis.lpop(self.list)
        raw = raw or self._redis.rpoplpush(f"{self.manager}:jobs", self.list)
        raw = raw or self._redis.brpoplpush("all:jobs", self.list, timeout)
        return None if raw is None else text(raw)

    def finish(self, job_id: str) -> None:
        """Delete a job, and take it out of its own list."""
        self._redis.delete(f"job:{job_id}")
        self._redis.lrem(self.list, 1, job_id)

    def work(self, timeout: int = 1) -> str | None:
        """Run one job; returns its id, or None when there was none."""
        job_id = self.fetch(timeout)
        if job_id is not None:
            found = self._redis.hgetall(f"job:{job_id}")
            self._target(job_id, {text(field): text(value) for field, value in found.items()})
            self.finish(job_id)
        return job_id

    @contextmanager
    def working(self) -> Iterator[None]:
        """Run jobs in a thread, as long as the block lasts."""
        over = threading.Event()

        def work() -> None:
            while not over.is_set():
                self.work()

        thread = threading.Thread(target=work, name=self.name)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


class _Answering(socketserver.StreamRequestHandler):
    """Answer as a Redis that has nothing to say but its version."""

    def handle(self) -> None:
        while head := self.rfile.readline():
            words = []
            for _ in range(int(head[1:])):
                length = int(self.rfile.readline()[1:])
                words.append(self.rfile.read(length + 2)[:-2].upper())
            info = b"# Server\r\nredis_version:6.0.9\r\n"
            self.wfile.write(b"$%d\r\n%b\r\n" % (len(info), info) if words[0] == b"INFO" else b"+OK\r\n")


@contextmanager
def old_redis() -> Iterator[int]:
    """Run a server that says it is Redis 6.0.9, of which there is no binary here; yields its port."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
