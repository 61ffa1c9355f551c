"""Slots that are processes: how they are born, what signals do to them, how they die, what becomes of their jobs."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from qw.client import Client
from qw.slots import Report
from qw.slots.limits import Limits
from qw.slots.process import ProcessSlot
from qw.target import Target
from tests.conftest import Mode
from tests.support import targets
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, Managers, jobs_in, left_in, members, push, stat
from tests.support.programs import ROOT
from tests.support.wait import wait_until

#: A program whose processes die at birth as long as there is a file; each birth is written down with its time.
DYING = """\
import os, sys, time
from qw.manager import Manager
from tests.support import targets

url, births, flag, gate = sys.argv[1:]


def be_born():
    with open(births, "a") as file:
        print(time.monotonic(), file=file, flush=True)
    if os.path.exists(flag):
        os._exit(1)


os.register_at_fork(after_in_child=be_born)
manager = Manager(targets.obey, url=url, num_workers=1, name="web")
manager.start()
while not os.path.exists(gate):
    time.sleep(0.005)
manager.stop()
"""

#: A program that is killed: its processes are born in another way than by a fork of itself.
KILLED = """\
import sys
from qw.manager import Manager

if __name__ == "__main__":
    manager = Manager("tests.support.targets:obey", url=sys.argv[1], num_workers=2, start_method=sys.argv[2])
    manager.start()
    manager.join()
"""


@pytest.fixture
def mode() -> Mode:
    """Return the one mode that is meant here."""
    return "processes"


@pytest.fixture
def slot() -> Iterator[ProcessSlot]:
    """Return a slot that runs `obey`."""
    made = ProcessSlot("web.0", Target.load(targets.obey), multiprocessing.get_context("fork"), lambda: None)
    made.start()
    yield made
    made.kill()
    assert made.join(5)


def line(job_id: str, fields: dict[str, str]) -> bytes:
    """Return a job as `exchange` writes it for a slot."""
    return json.dumps([word for pair in fields.items() for word in pair] + [job_id]).encode()


def hand(slot: ProcessSlot, *jobs: tuple[str, dict[str, str]]) -> None:
    """Hand jobs to a slot as one batch."""
    slot.hand(b"\n".join(line(job_id, fields) for job_id, fields in jobs), len(jobs))


def reports(slot: ProcessSlot, count: int) -> list[Report]:
    """Return so many reports, waiting for them."""
    found: list[Report] = []

    def all_there() -> bool:
        found.extend(slot.reports())
        return len(found) >= count

    wait_until(all_there, why=f"{count} reports")
    return found


def pid_of(gate: Gate) -> int:
    """Return the id of the process that began the last job."""
    return int(gate.runs[-1].split()[3])


@pytest.mark.parametrize(("max_jobs", "most"), [(3, 3), (None, math.inf)])
def test_one_that_is_replaced_says_when(max_jobs: int | None, most: float) -> None:
    """So that it is not given more."""
    limits = Limits(max_jobs=max_jobs)
    slot = ProcessSlot("w", Target.load(targets.obey), multiprocessing.get_context("fork"), lambda: None, limits)
    assert slot.most_jobs == most


class TestSlot:
    """One slot, without a dispatcher."""

    def test_is_ready_when_it_is_born(self, slot: ProcessSlot) -> None:
        """Not before: what is handed to a process that is being born could be run by another."""
        wait_until(lambda: slot.reports() == [] and slot.ready)

        assert slot.alive

    def test_runs_jobs_in_order_and_reports_each(self, slot: ProcessSlot, gate: Gate) -> None:
        """One report for each job, in the order they were handed in."""
        hand(slot, *((f"job-{n}", gate.fields) for n in range(5)))

        assert [outcome for _, outcome in reports(slot, 5)] == [None] * 5
        assert [run.split()[0] for run in gate.runs] == [f"job-{n}" for n in range(5)]

    def test_gives_back_what_it_has_not_started(self, slot: ProcessSlot, gate: Gate) -> None:
        """And runs what comes after that; nothing that was taken back is run."""
        hand(slot, ("long", {**gate.fields, "do": "hold"}), *((f"back-{n}", gate.fields) for n in range(3)))
        gate.await_runs(1)

        assert (slot.started(), slot.take_back()) == (1, 3)
        hand(slot, ("next", gate.fields))
        gate.open()

        reports(slot, 2)
        assert [run.split()[0] for run in gate.runs] == ["long", "next"]

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_minds_no_signals_to_the_group(self, slot: ProcessSlot, gate: Gate, number: signal.Signals) -> None:
        """A terminal and systemd send them to all; the manager decides what becomes of a slot."""
        hand(slot, ("one", {**gate.fields, "do": "hold"}))
        gate.await_runs(1)

        os.kill(pid_of(gate), number)
        gate.open()

        assert [outcome for _, outcome in reports(slot, 1)] == [None]
        assert slot.alive

    def test_tells_when_its_job_began(self, slot: ProcessSlot, gate: Gate) -> None:
        """By the clock that all processes share; before the first one it has nothing to tell."""
        assert slot.began() == 0.0
        before = time.monotonic()
        hand(slot, ("one", {**gate.fields, "do": "hold"}))
        gate.await_runs(1)

        assert before <= slot.began() <= time.monotonic()
        gate.open()
        reports(slot, 1)

    def test_dies_with_its_last_reports_read(self, slot: ProcessSlot, gate: Gate) -> None:
        """What it reported before it was killed arrives; what it had begun and what it had not is known."""
        hand(slot, ("done", gate.fields), ("runs", {**gate.fields, "do": "die"}), ("waits", gate.fields))

        assert [outcome for _, outcome in reports(slot, 1)] == [None]
        wait_until(lambda: slot.reports() == [] and not slot.alive)
        assert (slot.started(), slot.take_back()) == (2, 1)
        assert slot.join(5)

    def test_says_nothing_of_a_plain_end_while_it_has_more(self, slot: ProcessSlot, gate: Gate) -> None:
        """It is known all the same, however long the next one runs; and the last one tells of itself."""
        wait_until(lambda: slot.reports() == [] and slot.ready)
        for job_id in ("one", "two"):
            hand(slot, (job_id, gate.fields))  # two batches: the second is there when the first has ended
        hand(slot, ("three", {**gate.fields, "do": "hold"}))
        gate.await_runs(3)

        assert slot.has_reports
        assert slot.untold == 2
        assert [outcome for _, outcome in slot.reports()] == [None, None]
        assert select.select([slot], [], [], 0)[0] == []
        gate.open()
        assert select.select([slot], [], [], 10)[0] == [slot]
        assert [outcome for _, outcome in slot.reports()] == [None]

    def test_ends_after_the_job_that_runs(self, slot: ProcessSlot, gate: Gate) -> None:
        """When it is closed; its process is gone when `join` says so."""
        hand(slot, ("one", {**gate.fields, "do": "hold"}))
        gate.await_runs(1)

        slot.close()

        assert not slot.join(0.05)
        gate.open()
        assert slot.join(5)
        assert pid_of(gate) not in members(os.getpgrp())


class TestDeath:
    """A process that dies in the middle of a job, under a manager."""

    def test_is_noticed_at_once(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """A new process takes its place, under the same name, and the job comes back as its second attempt."""
        manager = managers.start(targets.obey)
        push(plain, "one", {**gate.fields, "do": "hold"})
        gate.await_runs(1)
        first = pid_of(gate)

        began = time.monotonic()
        os.kill(first, signal.SIGKILL)
        gate.await_runs(2)

        assert time.monotonic() - began < 1.0
        assert gate.runs[1].split()[:3] == ["one", "2", manager.workers[0]]
        assert pid_of(gate) != first
        gate.open()
        wait_until(lambda: jobs_in(plain) == {})
        assert (manager.totals.crashed, stat(plain, "crashed"), stat(plain, "finished")) == (1, 1, 1)

    def test_harms_no_neighbour(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """The other processes of the manager go on with what they run."""
        managers.start(targets.obey, workers=3)
        for job_id in ("stays-1", "stays-2", "dies"):
            push(plain, job_id, {**gate.fields, "do": "hold"})
        gate.await_runs(3)
        (victim,) = (int(run.split()[3]) for run in gate.runs if run.startswith("dies "))

        os.kill(victim, signal.SIGKILL)
        gate.await_runs(4)
        gate.open()

        wait_until(lambda: jobs_in(plain) == {})
        assert sorted(run.split()[0] for run in gate.runs) == ["dies", "dies", "stays-1", "stays-2"]

    def test_again_and_again_buries_the_job(
        self, plain: redis.Redis, client: Client, managers: Managers, gate: Gate
    ) -> None:
        """With the third death the job that brings it is given up; all others of its batch are run, each once."""
        manager = managers.start(targets.obey)
        # Short ones first, so that many are fetched ahead.
        client.wait_jobs(client.queue_jobs([gate.fields] * 100), timeout=10)
        jobs = [gate.fields] * 10 + [{**gate.fields, "do": "die"}] + [gate.fields] * 20

        ids = client.queue_jobs(jobs)

        wait_until(lambda: plain.zscore("all:dead", ids[10]), within=10)
        wait_until(lambda: jobs_in(plain).keys() == {"all:dead", f"job:{ids[10]}", f"result:{ids[10]}"})
        runs = [run.split()[0] for run in gate.runs[100:]]
        assert sorted(runs) == sorted([*ids, ids[10], ids[10]])
        (info,) = client.get_jobs([ids[10]])
        assert info is not None
        assert (info.crashes, info.error) == (3, "the worker's process died while it ran this job: SIGKILL")
        assert (manager.totals.crashed, stat(plain, "buried")) == (3, 1)

    def test_beside_a_stop_leaves_nothing(self, plain: redis.Redis, managers: Managers, gate: Gate) -> None:
        """A process that dies while its manager waits for it to end is not replaced; its job goes back."""
        manager = managers.start(targets.obey)
        push(plain, "one", {**gate.fields, "do": "hold"})
        gate.await_runs(1)
        manager.quiet()

        os.kill(pid_of(gate), signal.SIGKILL)
        wait_until(lambda: stat(plain, "crashed") == 1)
        manager.stop()

        assert left_in(plain)["all:jobs"] == ["one"]
        assert left_in(plain).keys() == {"all:jobs", "job:one"}


class TestBirth:
    """Processes that die before they have run anything."""

    @pytest.mark.slow
    def test_that_fails_is_tried_more_and_more_rarely(
        self, plain: redis.Redis, redis_url: str, gate: Gate, tmp_path: Path
    ) -> None:
        """It costs no job a mark, and when the reason has gone the jobs are run."""
        births, flag, script = tmp_path / "births", tmp_path / "flag", tmp_path / "dying.py"
        flag.touch()
        script.write_text(DYING)
        push(plain, "one", gate.fields)

        with subprocess.Popen(
            [sys.executable, script, redis_url, births, flag, gate.fields["gate"]],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as program:
            try:
                wait_until(lambda: len(targets.written(births)) >= 4, within=20)
                flag.unlink()
                run = gate.await_runs(1, within=10)[0]
            finally:
                gate.open()
                program.wait(timeout=10)

        times = [float(birth) for birth in targets.written(births)]
        assert times[2] - times[1] > 0.3
        assert times[3] - times[2] > 1.5 * (times[2] - times[1])
        assert run.split()[:2] == ["one", "1"]
        assert (program.returncode, left_in(plain)) == (0, {})


class TestLifeline:
    """When the manager is gone its processes are, whichever way they were born."""

    @pytest.mark.slow
    @pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
    def test_ends_processes_that_are_not_its_own_forks(
        self, plain: redis.Redis, redis_url: str, gate: Gate, tmp_path: Path, start_method: str
    ) -> None:
        """`kill -9` of the manager; that of a forked one is in `test_seed_usage`."""
        script = tmp_path / "killed.py"
        script.write_text(KILLED)
        push(plain, "one", {**gate.fields, "do": "hold"})
        with subprocess.Popen(
            [sys.executable, script, redis_url, start_method],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,
        ) as program:
            try:
                gate.await_runs(1, within=20)
                program.kill()
                wait_until(lambda: members(program.pid) == [], within=2, why="no process left")
            finally:
                if members(program.pid):
                    os.killpg(program.pid, signal.SIGKILL)

        assert "job:one" in snapshot(plain)
