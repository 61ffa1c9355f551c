"""What holds the processes and the virtual environments of the benchmark `peers`, without installing anybody."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import venv
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from benchmarks import heat, processes
from benchmarks.measure import NotMeasured
from benchmarks.peers import environments
from benchmarks.peers.environments import Environment
from benchmarks.peers.fleet import Fleet, Producer
from benchmarks.peers.roster import PLAIN
from benchmarks.peers.shift import Shift
from benchmarks.server import Server
from benchmarks.setting import Setting
from tests.support.wait import wait_until

# The processes


def test_a_producer_runs_as_a_process() -> None:
    """Without a queue it runs the jobs itself, each once, between the times that it tells."""
    command = [sys.executable, "-m", "benchmarks.peers.produce", PLAIN.name]
    with heat.ledger() as ledger, Producer(command, ledger.environment) as producer:
        began, ended = producer.queue("one", "nothing", 0, 3)
        ledger.expect(3)

        assert all(began <= mark.began <= ended for mark in ledger.marks())


def test_a_producer_that_ends_says_why() -> None:
    """The last line of its standard error is the reason."""
    with pytest.raises(RuntimeError, match=r"^the producer has ended: no such queue$"):
        Producer([sys.executable, "-c", "raise SystemExit('at first\\nno such queue')"], {}).__enter__()


#: A program that starts another one in a session of its own, which the system does not end with it.
PARENT = """
import subprocess, sys
command = [sys.executable, "-c", "import signal; signal.alarm(60); signal.pause()"]
subprocess.Popen(command, start_new_session=True).wait()
"""


def test_workers_are_stopped_and_continued() -> None:
    """While jobs are queued nobody runs them, not even what the workers have started; afterwards all are gone."""
    with Fleet([[sys.executable, "-c", PARENT]], {}) as fleet:
        family = [psutil.Process(fleet.pids[0])]
        # Until it runs its own program: a parent that waits in vfork is stopped only when its child goes on.
        words = family[0].cmdline()
        wait_until(lambda: [child.cmdline() != words for child in family[0].children(recursive=True)] == [True])
        family += family[0].children(recursive=True)
        fleet.stop()
        wait_until(lambda: {process.status() for process in family} == {psutil.STATUS_STOPPED})
        fleet.proceed()
        wait_until(lambda: psutil.STATUS_STOPPED not in {process.status() for process in family})
    wait_until(lambda: not any(map(running, family)))


def running(process: psutil.Process) -> bool:
    """Tell whether a process is there, and not only its exit code."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_workers_that_end_are_seen() -> None:
    """A peer that does not start is told with the last line of its log."""
    with Fleet([[sys.executable, "-c", "raise SystemExit('no such option')"]], {}) as fleet:

        def seen() -> bool:
            try:
                fleet.check()
            except RuntimeError as error:
                return str(error) == "the workers have ended; the workers said: no such option"
            return False

        wait_until(seen)


class Repeating(Producer):
    """A producer without a queue whose jobs are all the first one."""

    def queue(self, call: str, what: str, first: int, count: int) -> tuple[float, float]:  # noqa: ARG002 - that is it
        """Run the first job, whichever was asked for."""
        return super().queue(call, what, 0, count)


def test_a_job_that_runs_twice_is_seen(redis_binary: str) -> None:
    """What is run twice in place of another job is no result, however many there are."""
    command = [sys.executable, "-m", "benchmarks.peers.produce", PLAIN.name]
    with (
        heat.ledger() as ledger,
        Repeating(command, ledger.environment) as producer,
        Fleet([], {}) as fleet,
        closing(Server()) as server,  # not started: nothing is queued
    ):
        shift = Shift(Setting(server, 2, 1), ledger, fleet, producer, "nothing", "one")

        with pytest.raises(RuntimeError, match=r"^of 2 jobs 1 did not run, and 1 ran more than once$"):
            shift.pickups(2, 0.0)


def test_the_process_of_a_thread_is_known() -> None:
    """Two threads of one process are not taken for two processes."""
    with ThreadPoolExecutor(1) as pool:
        thread = pool.submit(threading.get_native_id).result()

        assert thread != os.getpid()
        assert processes.of_thread(thread) == os.getpid()


# Environments


@pytest.fixture
def pip(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Have environments without Python in them, made in no time; return what was installed, in this order."""
    installed: list[str] = []

    def create(directory: Path, **_options: bool) -> None:
        directory.mkdir(parents=True, exist_ok=True)

    def run(command: Sequence[str], **_options: object) -> subprocess.CompletedProcess[str]:
        if "pip" in command:
            installed.append(command[-1])
            if command[-1] == "nobody":
                raise subprocess.CalledProcessError(
                    1, command, stderr="Looking\nERROR: No matching distribution\n\nhint\n"
                )
        return subprocess.CompletedProcess(command, 0, json.dumps({"somebody": "1.2"}), "")

    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(venv, "create", create)
    monkeypatch.setattr(subprocess, "run", run)
    return installed


def test_an_environment_is_made_once(pip: list[str]) -> None:
    """It is made again when it is to hold something else, and not before."""
    for requirements in (["somebody"], ["somebody"], ["somebody>1"]):
        Environment("peer", requirements).make()

    assert pip == ["somebody", "somebody>1"]
    assert Environment("peer", ["somebody>1"]).versions() == {"somebody": "1.2"}


def test_who_cannot_be_installed_is_not_measured(pip: list[str]) -> None:
    """The reason is pip's, in one line, and it is tried once in a run."""
    for _ in range(2):
        with pytest.raises(NotMeasured, match=r"^cannot be installed: No matching distribution$"):
            Environment("peer", ["nobody"]).make()

    assert pip == ["nobody"]
