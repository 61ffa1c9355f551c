"""Jobs that are larger than one would like, queued by another program; and lists that hold what nobody can take."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from tests.conftest import Mode
from tests.support import targets
from tests.support.managers import Gate, Managers, jobs_in, left_in, push, stat
from tests.support.outages import Fleet, share_of_cpu
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def fleet(redis_url: str, mode: Mode, caplog: pytest.LogCaptureFixture) -> Iterator[Fleet]:
    """Return what starts managers, in each mode in turn."""
    made = Fleet(mode, caplog)
    yield made
    made.close()


@pytest.mark.parametrize(
    "fields",
    [{"n": "x" * 20_000_000}, {f"field {n}": "" for n in range(100_000)}],
    ids=["twenty million characters", "a hundred thousand fields"],
)
def test_a_huge_one_is_run(plain: redis.Redis, managers: Managers, gate: Gate, fields: dict[str, str]) -> None:
    """Once, without being given back again and again while it is on its way; and so is the small one behind it."""
    push(plain, "huge", {**gate.fields, **fields})
    push(plain, "small", gate.fields)
    managers.start(targets.record)
    gate.await_runs(2, 30)
    wait_until(lambda: not jobs_in(plain), 10, "both outcomes in Redis")

    assert sorted(gate.runs) == ["huge", "small"]
    assert stat(plain, "released") <= 2


def test_a_list_that_is_none(fleet: Fleet, redis_url: str, plain: redis.Redis, gate: Gate) -> None:
    """A worker whose list is another program's key gets nothing, and its manager does not run in circles for it."""
    manager = fleet.start(redis_url, target=targets.obey, lease=3.0)
    for worker in manager.workers:
        plain.set(f"{worker}:jobs", "a string")
    push(plain, "a", gate.fields)
    assert share_of_cpu(1.0) < 0.25
    assert gate.runs == []
    for worker in manager.workers:
        plain.delete(f"{worker}:jobs")
    gate.await_runs(1, 10)
    manager.stop()

    assert left_in(plain) == {}


def test_a_list_full_of_nothing(fleet: Fleet, redis_url: str, plain: redis.Redis, gate: Gate) -> None:
    """Behind thousands of ids without a hash the job that was sent to this worker is found, soon."""
    manager = fleet.start(redis_url, target=targets.obey)
    plain.lpush(f"{manager.workers[0]}:jobs", *(f"x{n}" for n in range(5000)))
    push(plain, "a", gate.fields, f"{manager.workers[0]}:jobs")
    gate.await_runs(1, 10)
    wait_until(lambda: not jobs_in(plain), 10, "the outcome in Redis")
    manager.stop()

    assert stat(plain, "dropped") == 5000
    assert left_in(plain) == {}


@pytest.mark.parametrize("mode", ["threads"])
def test_nobody_blocks_for_longer_than_its_lease(fleet: Fleet, redis_url: str, plain: redis.Redis) -> None:
    """What a process that was stopped still claims comes before it is forgotten: its lists are looked into again."""
    with plain.monitor() as monitor:
        fleet.start(redis_url, lease=1.0)
        command = next(said["command"] for said in monitor.listen() if said["command"].startswith("BLMOVE"))

    assert float(command.split()[-1]) <= 1.0
