"""What becomes of the job of a `Worker` that stands alone when it is killed, or stopped for longer than the lease."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Literal

import attrs
import pytest
import redis

from qw.client import Client
from qw.dispatcher import Site
from qw.manager import Manager
from qw.target import Target
from qw.worker import Worker
from tests.support import targets
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, left_in, push, stat
from tests.support.wait import wait_until

#: Seconds; a beat is a third of it.
LEASE: Final = 1.5

pytestmark = pytest.mark.slow

Kind = Literal["worker", "manager"]
Start = Callable[[], "Hasty"]


class Hasty(Worker):
    """A worker with a shorter lease: that of a worker cannot be chosen."""

    def _site(self, target: Target) -> Site:
        return attrs.evolve(super()._site(target), lease=LEASE)


@pytest.fixture
def start(plain: redis.Redis, client: Client) -> Iterator[Start]:
    """Return a function that starts a worker, and waits until it takes jobs."""
    made: list[Hasty] = []

    def begin() -> Hasty:
        worker = Hasty(client, targets.obey, "web")
        made.append(worker)
        worker.start()
        wait_until(lambda: worker.worker_name in workers(plain), why="the worker listed")
        return worker

    yield begin
    for worker in made:
        worker.kill()
        worker.join()


@contextmanager
def another(kind: Kind, start: Start, url: str) -> Iterator[None]:
    """Let another worker, or a manager, work until the block is left, and end in good order."""
    if kind == "manager":
        with Manager(targets.obey, num_workers=1, name="web", url=url, lease=LEASE):
            yield
        return
    worker = start()
    yield
    worker.shutdown()
    worker.join(10)
    assert worker.exitcode == 0


def workers(plain: redis.Redis) -> set[str]:
    """Return the names that are listed."""
    return set(snapshot(plain).get("web:workers", ()))


def attempts(gate: Gate) -> list[str]:
    """Return `<id> <attempt>` of each run."""
    return [" ".join(run.split()[:2]) for run in gate.runs]


@pytest.mark.parametrize("kind", ["worker", "manager"])
def test_a_killed_ones_job_runs_elsewhere(
    kind: Kind, start: Start, redis_url: str, plain: redis.Redis, gate: Gate
) -> None:
    """On the same host, as its second attempt; and nothing is left of the dead."""
    victim = start()
    push(plain, "a", {**gate.fields, "do": "hold"})
    gate.await_runs(1)

    with another(kind, start, redis_url):
        victim.kill()
        victim.join()
        gate.open()
        wait_until(lambda: stat(plain, "finished") == 1, within=20)
        wait_until(lambda: plain.hlen("all:beats") == 1, within=20, why="the dead one forgotten")

    assert attempts(gate) == ["a 1", "a 2"]
    assert stat(plain, "rescued") == 1
    assert left_in(plain) == {}


def test_one_that_comes_when_all_are_dead(start: Start, redis_url: str, plain: redis.Redis, gate: Gate) -> None:
    """What several had in hand is run, once each, by whoever is started next."""
    victims = [start() for _ in range(3)]
    for name in "abc":
        push(plain, name, {**gate.fields, "do": "hold"})
    gate.await_runs(3)
    for victim in victims:
        victim.kill()
        victim.join()
    gate.open()

    with another("worker", start, redis_url):
        wait_until(lambda: stat(plain, "finished") == 3, within=20)
        wait_until(lambda: plain.hlen("all:beats") == 1, within=20, why="the dead ones forgotten")

    assert sorted(attempts(gate)) == sorted(f"{name} {attempt}" for name in "abc" for attempt in (1, 2))
    assert left_in(plain) == {}


def test_one_that_was_stopped_comes_back_under_another_name(
    start: Start, redis_url: str, plain: redis.Redis, gate: Gate
) -> None:
    """Its job is run elsewhere meanwhile, its outcome does not count any more, and it works on."""
    zombie = start()
    push(plain, "a", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    with stopped(zombie), another("worker", start, redis_url):
        gate.await_runs(2, within=20)
        os.kill(zombie.pid or 0, signal.SIGCONT)
        known = {zombie.worker_name} | {run.split()[2] for run in gate.runs}
        # Its only thread is in that job: until the gate is open it cannot come back.
        gate.open()
        wait_until(lambda: workers(plain) - known, within=20, why="another name")
        wait_until(lambda: stat(plain, "finished") == 1)

    assert attempts(gate) == ["a 1", "a 2"]
    push(plain, "b", gate.fields)
    wait_until(lambda: stat(plain, "finished") == 2)
    assert gate.runs[2].split()[3] == str(zombie.pid)
    wait_until(lambda: plain.hlen("all:beats") == 1, within=20, why="its first name forgotten")
    zombie.shutdown()
    zombie.join(10)
    assert left_in(plain) == {}


@contextmanager
def stopped(worker: Worker) -> Iterator[None]:
    """Stop a worker (SIGSTOP), until the test or the end of the block lets it go on."""
    pid = worker.pid or 0
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
