"""What becomes of the jobs of a manager that is killed, or stopped for longer than the lease: with real processes."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest
import redis

from qw.client import Client
from tests.conftest import Mode
from tests.support.managers import Gate, left_in, push, stat
from tests.support.running import Running
from tests.support.targets import written
from tests.support.wait import wait_until

TARGETS: Final = "tests.support.targets"
#: Seconds; a beat is a third of it.
LEASE: Final = 1.5

pytestmark = pytest.mark.slow

Start = Callable[..., Running]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a `qw-manager`: `host` tells whose files it sees."""
    made: list[Running] = []

    def begin(target: str, *arguments: str, host: str = "one") -> Running:
        (tmp_path / host).mkdir(exist_ok=True)
        environment = {"XDG_RUNTIME_DIR": str(tmp_path / host)}
        running = Running(redis_url, f"--lease={LEASE}", *arguments, f"{TARGETS}:{target}", environment=environment)
        made.append(running)
        return running

    yield begin
    for running in made:
        running.close()


def ready(running: Running) -> Running:
    """Wait until a manager takes jobs."""
    running.line("ready")
    return running


def kill(running: Running) -> float:
    """Kill a manager, and only it; return when that was (`time.monotonic`)."""
    running.process.kill()
    running.process.wait()
    return time.monotonic()


def attempts(file: Path) -> list[tuple[str, int]]:
    """Return id and attempt of each run that was written down by `obey`."""
    words = [line.split() for line in written(file)]
    return [(word[0], int(word[1])) for word in words]


@pytest.mark.parametrize(("host", "most"), [("one", 1.0), ("two", LEASE + LEASE / 3 + 1.0)])
def test_a_killed_managers_job_runs_elsewhere(
    mode: Mode, host: str, most: float, start: Start, gate: Gate, plain: redis.Redis
) -> None:
    """At once when another manager runs on the same host, within the lease and one beat elsewhere."""
    victim = ready(start("obey", f"--mode={mode}"))
    push(plain, "a", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    other = ready(start("obey", f"--mode={mode}", host=host))
    began = kill(victim)
    gate.open()

    gate.await_runs(2)
    assert time.monotonic() - began < most + 2.0, "generous: the figures are in the README"
    assert attempts(gate.directory / "runs") == [("a", 1), ("a", 2)]
    assert "jobs=1" in other.line("rescue")
    wait_until(lambda: stat(plain, "finished") == 1)
    assert stat(plain, "rescued") == 1


def test_one_that_was_taken_off_the_lists_is_back_at_its_next_beat(
    start: Start, gate: Gate, plain: redis.Redis
) -> None:
    """Whoever deleted them: else nobody would know where to look for its jobs. What it runs goes on meanwhile."""
    running = ready(start("obey", "--workers=2", "--mode=threads"))
    push(plain, "a", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    listed = listing(plain)
    for command in ("DEL web:workers", "SREM all:managers web"):
        plain.execute_command(*command.split())
        wait_until(lambda: listing(plain) == listed, within=LEASE / 3 + 2.0)
    gate.open()

    running.line("finish")
    assert attempts(gate.directory / "runs") == [("a", 1)]
    running.send(signal.SIGTERM)
    assert running.process.wait(10) == 0
    assert left_in(plain) == {}


def listing(plain: redis.Redis) -> tuple[object, object]:
    """Return who is listed as a manager, and as a worker of `web`."""
    return plain.smembers("all:managers"), plain.smembers("web:workers")


def test_one_that_is_killed_off_the_lists_leaves_no_job_behind(start: Start, gate: Gate, plain: redis.Redis) -> None:
    """Its workers are found by their names, and nothing is left of it in the end."""
    victim = ready(start("obey", "--workers=2", "--mode=threads"))
    for name in "ab":
        push(plain, name, {**gate.fields, "do": "hold"})
    gate.await_runs(2)
    victim.process.send_signal(signal.SIGSTOP)  # so that it cannot come back in between
    plain.delete("web:workers", "all:managers")
    kill(victim)
    other = ready(start("obey", "--workers=2", "--mode=threads"))
    gate.open()

    wait_until(lambda: stat(plain, "finished") == 2)
    assert sorted(attempts(gate.directory / "runs")) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    wait_until(lambda: plain.hlen("all:beats") == 1, within=20)
    other.send(signal.SIGTERM)
    assert other.process.wait(10) == 0
    assert left_in(plain) == {}


def test_nothing_is_left_of_the_dead(start: Start, gate: Gate, plain: redis.Redis) -> None:
    """After two more leases the dead one is forgotten; when all have left, nothing is left at all."""
    victim = ready(start("obey", "--mode=threads"))
    push(plain, "a", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    kill(victim)
    other = ready(start("obey", "--mode=threads"))
    gate.open()
    other.line("finish")

    wait_until(lambda: plain.hlen("all:beats") == 1, within=20)
    other.send(signal.SIGTERM)
    assert other.process.wait(10) == 0
    assert left_in(plain) == {}


def test_the_next_manager_to_start_rescues(start: Start, gate: Gate, plain: redis.Redis) -> None:
    """Where no other manager was, the next one does it; all jobs of all workers, in their order."""
    victim = ready(start("obey", "--workers=2", "--mode=threads"))
    for name in "ab":
        push(plain, name, {**gate.fields, "do": "hold"})
    gate.await_runs(2)
    kill(victim)
    push(plain, "c", gate.fields)
    gate.open()
    start("obey", "--workers=1", "--mode=threads")

    wait_until(lambda: len(written(gate.directory / "runs")) == 5)
    runs = attempts(gate.directory / "runs")
    assert sorted(runs[2:]) == [("a", 2), ("b", 2), ("c", 1)]


@pytest.mark.parametrize("to", ["worker", "manager"])
def test_one_that_was_stopped_starts_nothing_that_came_meanwhile(
    mode: Mode, to: str, start: Start, gate: Gate, client: Client, plain: redis.Redis
) -> None:
    """Be it what the bell has brought or what a knock has moved: another one has it by then."""
    zombie = ready(start("obey", "--workers=1", f"--mode={mode}", host="one"))
    wait_until(lambda: plain.info("clients")["blocked_clients"] == 2, why="it waits")
    zombie.process.send_signal(signal.SIGSTOP)
    (worker,) = client.get_manager_workers("web")
    client.queue_job(gate.fields, "web", worker if to == "worker" else None)
    other = ready(start("obey", "--workers=1", f"--mode={mode}", host="two"))
    other.line("rescue")
    gate.await_runs(1)
    zombie.process.send_signal(signal.SIGCONT)
    zombie.line("struck")
    zombie.line("ready")

    wait_until(lambda: stat(plain, "finished") == 1)
    assert len(gate.runs) == 1


def test_one_that_was_stopped_comes_back_under_another_start(
    mode: Mode, start: Start, gate: Gate, plain: redis.Redis
) -> None:
    """Its outcome does not count any more, it says so, and works on; nothing of its first life is left."""
    zombie = ready(start("obey", f"--mode={mode}", host="one"))
    push(plain, "a", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    zombie.process.send_signal(signal.SIGSTOP)
    other = ready(start("obey", f"--mode={mode}", host="two"))
    other.line("rescue")
    gate.await_runs(2)
    zombie.process.send_signal(signal.SIGCONT)
    zombie.line("struck")
    gate.open()
    wait_until(lambda: stat(plain, "finished") == 1)

    other.send(signal.SIGTERM)
    assert other.process.wait(10) == 0
    push(plain, "b", gate.fields)
    wait_until(lambda: stat(plain, "finished") == 2)
    wait_until(lambda: plain.hlen("all:beats") == 1, within=20)
    zombie.send(signal.SIGTERM)
    assert zombie.process.wait(10) == 0
    assert left_in(plain) == {}


def test_a_job_that_kills_its_managers_is_buried(start: Start, gate: Gate, plain: redis.Redis) -> None:
    """In threads mode a segfault takes the manager along: at the fifth rescue it is buried, and others have run."""
    push(plain, "poison", {**gate.fields, "do": "die"})
    for n in range(20):
        push(plain, f"j{n}", gate.fields)

    while not plain.zcard("all:dead"):
        start("obey", "--mode=threads", "--workers=4", "--burst").process.wait(20)

    assert start("obey", "--mode=threads", "--burst").end() == 0
    runs = attempts(gate.directory / "runs")
    assert [attempt for name, attempt in runs if name == "poison"] == [1, 2, 3, 4, 5]
    assert {name for name, _ in runs} == {"poison", *(f"j{n}" for n in range(20))}
    assert max(attempt for name, attempt in runs if name != "poison") <= 2, "an innocent was near it once at most"
    assert plain.hget("job:poison", "qw:rescues") == b"5"


def test_no_process_is_left_of_a_killed_manager(start: Start, gate: Gate, plain: redis.Redis) -> None:
    """Its worker processes end with it, within moments."""
    victim = ready(start("obey", "--workers=2"))
    push(plain, "a", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    pids = [int(line.split()[-1]) for line in written(gate.directory / "runs")]
    kill(victim)

    wait_until(lambda: not any(alive(pid) for pid in pids), within=2.0)


def alive(pid: int) -> bool:
    """Tell whether a process is there, and no zombie."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0]
    except OSError:
        return False
