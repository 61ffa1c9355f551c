"""The seed's "Basic usage": scripts in an interpreter of their own, without a `__main__` guard, and how they end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import pytest
import redis

from tests.conftest import Mode
from tests.support.keyspace import snapshot
from tests.support.managers import Gate, jobs_in, left_in, members, push
from tests.support.programs import ROOT
from tests.support.server import RedisServer
from tests.support.wait import wait_until

#: The seed's program, with the print of today, and a port that is ours.
SEED = """\
from qw.manager import Manager


def job_printer(job_id, job_data):
    print(job_id)
    print(job_data)


manager = Manager({target}, port={port})
manager.start()
manager.join()
"""

#: A program whose target does what field `do` says; what it does itself after the start is filled in.
PROGRAM = """\
import os, sys, time
from qw.manager import Manager


def target(job_id, job_data):
    with open(job_data["file"], "a") as runs:
        print(job_id, file=runs)
    if job_data.get("do") == "sleep":
        time.sleep(60)
    if job_data.get("do") == "hold the GIL":
        sum(range(10**11))


def main():
    manager = Manager(target, port={port}, num_workers=2, mode={mode!r})
    manager.start()
    while not os.path.exists({gate!r}):
        time.sleep(0.005)
    {then}


main()
"""


#: How a script ends: the code, and the last line on standard error.
ENDS = {
    "raise ValueError('after the start')": (1, "ValueError: after the start"),
    "sys.exit(3)": (3, ""),
    "return": (0, ""),
}


class Script:
    """A script that runs, in a process group of its own."""

    def __init__(self, path: Path, text: str) -> None:
        path.write_text(text)
        self.process = subprocess.Popen(
            [sys.executable, path.name],
            cwd=path.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            start_new_session=True,
        )

    @property
    def processes(self) -> list[int]:
        """The ids of its processes that are not dead."""
        return members(self.process.pid)

    def end(self, within: float) -> tuple[int, str, str]:
        """Wait for its end; returns its code, what it printed, and what it said on standard error."""
        said, complained = self.process.communicate(timeout=within)
        return self.process.returncode, said, complained

    def close(self) -> None:
        """Kill whatever is left of it."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


class Run(Protocol):
    """What the fixture `run` returns: it runs this text as a script."""

    def __call__(self, text: str) -> Script:
        """Start it."""
        ...


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    """Return a function that runs a script; it is killed when the test is over."""
    scripts: list[Script] = []

    def start(text: str) -> Script:
        scripts.append(Script(tmp_path / "script.py", text))
        return scripts[-1]

    yield start
    for script in scripts:
        script.close()


def started(plain: redis.Redis) -> None:
    """Wait until a manager is there."""
    wait_until(lambda: "all:managers" in snapshot(plain), within=20, why="a manager")


class TestAsPrinted:
    """The program of the seed's README."""

    @pytest.mark.parametrize("target", ["job_printer", "'__main__.job_printer'"])
    def test_prints_jobs_until_ctrl_c(
        self, plain: redis.Redis, redis_server: RedisServer, run: Run, target: str
    ) -> None:
        """With either form of the target. Ctrl-C goes to the whole group, and ends it in good order."""
        script = run(SEED.format(target=target, port=redis_server.port))
        started(plain)
        push(plain, "one", {"greeting": "hello"})
        wait_until(lambda: jobs_in(plain) == {})

        os.killpg(script.process.pid, signal.SIGINT)

        code, said, complained = script.end(within=5)
        assert said.splitlines() == ["one", "{'greeting': 'hello'}"]
        assert code == -signal.SIGINT
        assert complained.splitlines()[-1] == "KeyboardInterrupt"
        assert complained.count("Traceback") == 1
        assert left_in(plain) == {}
        assert script.processes == []

    @pytest.mark.parametrize("workers", [1, 2, 3])
    def test_ends_by_ctrl_c_whenever_it_comes(
        self, plain: redis.Redis, redis_server: RedisServer, run: Run, workers: int
    ) -> None:
        """Also while the processes are being born: none is left, and only the script itself has something to say."""
        for _ in range(2):
            script = run(SEED.format(target="job_printer", port=f"{redis_server.port}, num_workers=3"))
            wait_until(lambda: len(script.processes) > workers, within=20)  # noqa: B023 - called at once
            os.killpg(script.process.pid, signal.SIGINT)

            _, _, complained = script.end(within=5)
            assert complained.count("Traceback") == 1
            assert left_in(plain) == {}
            assert script.processes == []

    @pytest.mark.slow
    def test_lets_a_job_end_first(self, plain: redis.Redis, redis_server: RedisServer, run: Run, gate: Gate) -> None:
        """Ctrl-C waits for the job that runs; a second one cuts it off, and it goes back."""
        text = PROGRAM.format(port=redis_server.port, mode="processes", gate=gate.fields["gate"], then="manager.join()")
        script = run(text)
        gate.open()
        push(plain, "endless", {"file": gate.fields["file"], "do": "sleep"})
        gate.await_runs(1, within=20)

        os.killpg(script.process.pid, signal.SIGINT)
        wait_until(lambda: plain.info("clients")["blocked_clients"] == 0)
        assert script.process.poll() is None
        os.killpg(script.process.pid, signal.SIGINT)

        script.end(within=5)
        assert left_in(plain)["all:jobs"] == ["endless"]
        assert left_in(plain).keys() == {"all:jobs", "job:endless"}
        assert script.processes == []


class TestWithoutAStop:
    """A manager that nobody stopped is stopped when the interpreter exits, within 2 s."""

    @pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
    @pytest.mark.parametrize("then", ENDS)
    def test_a_script_ends(
        self,
        plain: redis.Redis,
        redis_server: RedisServer,
        run: Run,
        gate: Gate,
        mode: Mode,
        *,
        then: str,
        busy: bool,
    ) -> None:
        """However it ends, with its own code and its own traceback; also when no one has the manager any more."""
        code, last = ENDS[then]
        script = run(PROGRAM.format(port=redis_server.port, mode=mode, gate=gate.fields["gate"], then=then))
        started(plain)
        if busy:
            push(plain, "endless", {"file": gate.fields["file"], "do": "sleep"})
            gate.await_runs(1)

        gate.open()

        ended, _, complained = script.end(within=2)
        assert (ended, (complained.splitlines() or [""])[-1]) == (code, last)
        assert complained.count("Traceback") == (1 if last else 0)
        assert left_in(plain).keys() == ({"all:jobs", "job:endless"} if busy else set())
        assert script.processes == []


class TestKilled:
    """`kill -9` of the script."""

    @pytest.mark.parametrize("do", ["nothing", "sleep", "hold the GIL"])
    def test_leaves_no_process(
        self, plain: redis.Redis, redis_server: RedisServer, run: Run, gate: Gate, do: str
    ) -> None:
        """Whatever its workers do, they are gone at once; what they ran stays in Redis, to be rescued."""
        script = run(
            PROGRAM.format(port=redis_server.port, mode="processes", gate=gate.fields["gate"], then="manager.join()")
        )
        started(plain)
        for number in range(2):
            push(plain, f"job-{number}", {"file": gate.fields["file"], "do": do})
        gate.await_runs(2)
        if do == "nothing":
            wait_until(lambda: jobs_in(plain) == {})
        assert len(script.processes) == 3

        script.process.kill()

        wait_until(lambda: script.processes == [], within=2)
        running = {key for key in jobs_in(plain) if key.startswith("job:")}
        assert running == (set() if do == "nothing" else {"job:job-0", "job:job-1"})
