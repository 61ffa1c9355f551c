"""The processes of a peer, as the benchmarks hold them: its workers, and the producer that queues for them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO

import psutil

from benchmarks import processes
from benchmarks.peers.environments import ROOT
from benchmarks.peers.produce import READY

#: Seconds after which a producer that does not answer is given up: the slowest takes some two for a round.
SILENT = 120.0

#: Characters of the last line of a log that are told.
LAST_WORDS = 300


def environment(told: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process that is told something: `benchmarks` is found in it."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", **told}


def last_line(log: str) -> str:
    """Return the last line of a log in which there is something, which of a traceback is the error."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    return lines[-1][:LAST_WORDS] if lines else "nothing"


class Fleet:
    """
    Worker processes, with all that they start.

    1. Are started by `with`, and gone after it, however they take it.
    2. Are stopped and continued, all of them, as by Ctrl-Z.
    3. Say what they cost.
    """

    def __init__(self, commands: Sequence[Sequence[str]], told: Mapping[str, str]) -> None:
        self._commands = commands
        self._told = told
        self._log: IO[bytes] = tempfile.TemporaryFile(prefix="qw-bench-log-")  # noqa: SIM115 - `close` does
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Fleet:
        try:
            for command in self._commands:
                self._processes.append(
                    # In sessions of their own, so that what they leave behind can be found.
                    subprocess.Popen(
                        command,
                        cwd=ROOT,
                        env=environment(self._told),
                        stdin=subprocess.DEVNULL,
                        stdout=self._log,
                        stderr=self._log,
                        start_new_session=True,
                    )
                )
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def pids(self) -> list[int]:
        """Their processes, without those that these have started."""
        return [process.pid for process in self._processes]

    def check(self) -> None:
        """Raise `RuntimeError`, with the end of their log, when one of those that were started has ended."""
        if any(process.poll() is not None for process in self._processes):
            raise RuntimeError(f"the workers have ended; {self.last_words()}")

    def last_words(self) -> str:
        """Return what they have said last."""
        self._log.seek(0)
        return f"the workers said: {last_line(self._log.read().decode('utf-8', 'replace'))}"

    def stop(self) -> None:
        """Have all of them do nothing until they are continued, those first who have started others."""
        for process in self._family():
            with suppress(psutil.NoSuchProcess):
                process.suspend()

    def proceed(self) -> None:
        """Continue all of them."""
        for process in reversed(self._family()):
            with suppress(psutil.NoSuchProcess):
                process.resume()

    def cpu(self) -> float:
        """Return the seconds of CPU that they have used so far."""
        return sum(map(processes.cpu, self.pids))

    def close(self) -> None:
        """Kill them, and whatever they have started."""
        family = self._family()
        for process in self._processes:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        # Some are in groups of their own.
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        for process in self._processes:
            process.wait()
        self._log.close()

    def _family(self) -> list[psutil.Process]:
        return [process for pid in self.pids for process in processes.family(pid)]


class Producer:
    """A producer that is there for as long as the `with` block, and queues jobs when it is asked to."""

    def __init__(self, command: Sequence[str], told: Mapping[str, str]) -> None:
        self._command = command
        self._told = told
        self._log: IO[str] = tempfile.TemporaryFile("w+", prefix="qw-bench-log-")  # noqa: SIM115 - as in Fleet
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Producer:
        try:
            self._process = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=environment(self._told),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                start_new_session=True,
            )
            self._expect_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def queue(self, call: str, what: str, first: int, count: int) -> tuple[float, float]:
        """Queue so many jobs; return when that began and ended, in seconds of the monotonic clock."""
        self.ask(call, what, first, count)
        return self.answer()

    def ask(self, call: str, what: str, first: int, count: int) -> None:
        """Say what to queue, and do not wait for the answer."""
        assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018 - set by `with`
        with suppress(BrokenPipeError):  # that it has ended, its answer will say
            print(call, what, first, count, file=self._process.stdin, flush=True)

    def answer(self) -> tuple[float, float]:
        """Return when what was asked for began and ended."""
        began, ended = map(float, self._line().split())
        return began, ended

    def close(self) -> None:
        """Kill it."""
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.communicate()
        self._log.close()

    def _expect_ready(self) -> None:
        if (said := self._line()) != READY:
            raise RuntimeError(f"the producer said {said!r}")

    def _line(self) -> str:
        assert self._process is not None and self._process.stdout is not None  # noqa: S101, PT018 - set by `with`
        if not select.select([self._process.stdout], [], [], SILENT)[0]:
            raise TimeoutError(f"waited {SILENT:g} s for the producer")
        line = self._process.stdout.readline()
        if not line:
            self._log.seek(0)
            raise RuntimeError(f"the producer has ended: {last_line(self._log.read())}")
        return line.strip()
