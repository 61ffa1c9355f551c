"""What the tests of managers and workers share: jobs pushed as by `redis-cli`, jobs held at a gate, what is left."""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

import attrs
import redis

from qw.dispatcher import LEASE
from qw.errors import NotStartedException
from qw.manager import Manager
from tests.conftest import Mode
from tests.support.keyspace import Value, snapshot
from tests.support.targets import written
from tests.support.wait import wait_until


def push(plain: redis.Redis, job_id: str, fields: dict[str, str] | None = None, to: str = "all:jobs") -> str:
    """Queue a job with the two commands that one types into `redis-cli`; returns its id."""
    words = [word for pair in (fields or {"a": "b"}).items() for word in pair]
    plain.execute_command("HSET", f"job:{job_id}", *words)
    plain.lpush(to, job_id)
    return job_id


def waiting(plain: redis.Redis, queue: str = "all:jobs") -> list[str]:
    """Return the ids in a queue, the next one to be taken first."""
    found = snapshot(plain).get(queue, [])
    assert isinstance(found, list)
    return found[::-1]


def left_in(plain: redis.Redis) -> dict[str, Value]:
    """Return all that is in Redis but for the counters."""
    return {key: value for key, value in snapshot(plain).items() if key != "all:stats"}


def jobs_in(plain: redis.Redis) -> dict[str, Value]:
    """Return all that is in Redis but for the counters, and for what says who is there."""
    return {
        key: value
        for key, value in left_in(plain).items()
        if key not in {"all:managers", "all:beats"} and not key.endswith(":workers")
    }


def lists_are_empty(plain: redis.Redis) -> bool:
    """Whether no queue and no worker holds a job; asked in one command, or one that moves meanwhile might be missed."""
    return not plain.keys("*:jobs")


def stat(plain: redis.Redis, name: str) -> int:
    """Return one of the counters."""
    counters = snapshot(plain).get("all:stats", {})
    assert isinstance(counters, dict)
    return int(counters.get(name, 0))


@attrs.frozen
class Gate:
    """Where jobs of the targets `hold` and `record` write down that they run, and where `hold` waits to be let go."""

    directory: Path

    @property
    def fields(self) -> dict[str, str]:
        """The fields of a job that goes through here."""
        return {"file": str(self.directory / "runs"), "gate": str(self.directory / "gate")}

    @property
    def runs(self) -> list[str]:
        """The ids of the jobs that were run so far, in the order in which they began."""
        return written(self.directory / "runs")

    def open(self) -> None:
        """Let the jobs go that wait."""
        (self.directory / "gate").touch()

    def await_runs(self, count: int, within: float = 10.0) -> list[str]:
        """Wait until so many jobs have begun; returns their ids."""
        wait_until(lambda: len(self.runs) >= count, within, f"{count} jobs begun")
        return self.runs


class Managers:
    """Starts the managers of one test, and stops those that are left."""

    def __init__(self, url: str, mode: Mode) -> None:
        self.mode: Mode = mode
        self._url = url
        self._made: list[Manager] = []

    def start(
        self,
        target: Callable[..., object] | str,
        *,
        workers: int = 1,
        name: str = "web",
        namespace: str | None = None,
        start_method: Literal["fork", "forkserver", "spawn"] | None = None,
        burst: bool = False,
        lease: float = LEASE,
    ) -> Manager:
        """Start a manager in this mode; it has forgotten its jobs when the test is over."""
        manager = Manager(
            target,
            num_workers=workers,
            name=name,
            mode=self.mode,
            url=self._url,
            namespace=namespace,
            start_method=start_method,
            grace=10.0,
            burst=burst,
            lease=lease,
        )
        self._made.append(manager)
        manager.start()
        return manager

    def close(self) -> None:
        """Stop all that were not stopped, without waiting for what runs."""
        for manager in self._made:
            with suppress(NotStartedException):
                manager.stop(0)


def descriptors() -> int:
    """Return how many descriptors this process has open, but for those of objects that nobody can reach."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - names, and nothing else


def threads() -> set[threading.Thread]:
    """Return the threads of this process; earlier tests may have left some behind, which end by and by."""
    return set(threading.enumerate())


def members(session: int) -> list[int]:
    """Return the ids of the processes of a session that are not dead yet: worker processes have groups of their own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # After the name, which may hold anything: state, parent, group, session.
            state, *_, its_session = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:4]
            if int(its_session) == session and state not in "ZX":
                found.append(int(entry.name))
    return found
