"""A `qw-manager` as one starts it, in a process of its own, or many of them, for as long as a measurement lasts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final

import attrs
import redis

from benchmarks.setting import MANAGER
from benchmarks.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]

#: What is started, as a module.
PROGRAM: Final = "qw.manager"
#: Seconds in which a manager with nothing to do has started, and has left.
BRIEFLY = 60.0


@attrs.frozen
class Managed:
    """Workers that run: their processes without those that these have started, and afterwards what is to be said."""

    pids: Sequence[int]
    notes: list[str]


@attrs.define
class Started:
    """A manager that has been started, and may not take jobs yet."""

    process: subprocess.Popen[bytes]
    notes: list[str]
    listed: Callable[[], bool]
    told: bool = False

    def wait(self) -> None:
        """Return when it takes jobs, or has ended."""
        wait_until(lambda: self.listed() or self.process.poll() is not None, "qw-manager to start", BRIEFLY)

    def stop(self) -> None:
        """Tell it to end, once: a second signal would end it at once."""
        if not self.told:
            self.told = True
            self.process.terminate()


@contextmanager
def managing(
    url: str, workers: int, target: str, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[Managed]:
    """
    Have a manager wait for jobs, with these variables beside those of this process.

    Its log goes to a file. Raises `RuntimeError` with the log's last line when it does not start or ends badly.
    """
    with _starting(url, MANAGER, workers, target, *options, environment=environment) as started:
        started.wait()
        yield Managed([started.process.pid], started.notes)


@contextmanager
def managing_many(
    url: str,
    managers: int,
    workers: int,
    target: str,
    *options: str,
    environment: Mapping[str, str] | None = None,
    program: str = PROGRAM,
) -> Iterator[Managed]:
    """
    Have so many managers wait for jobs, each with so many workers; they start, and end, at the same time.

    `program` is the module that each of them runs.
    """
    starting = partial(_starting, environment=environment, program=program)
    with ExitStack() as stack:
        started = [
            stack.enter_context(starting(url, f"{MANAGER}-{number}", workers, target, *options))
            for number in range(managers)
        ]
        for each in started:
            each.wait()
        yield Managed([each.process.pid for each in started], [])
        for each in started:
            each.stop()


@contextmanager
def _starting(
    url: str,
    name: str,
    workers: int,
    target: str,
    *options: str,
    environment: Mapping[str, str] | None,
    program: str = PROGRAM,
) -> Iterator[Started]:
    """Start a manager, and end it afterwards."""
    notes: list[str] = []
    variables = {**os.environ, "QW_URL": url, **(environment or {})}
    with tempfile.NamedTemporaryFile(prefix="qw-bench-log-") as log, redis.Redis.from_url(url) as client:
        command = [sys.executable, "-m", program, f"--name={name}", f"--workers={workers}", *options, target]
        with subprocess.Popen(command, cwd=ROOT, env=variables, stderr=log) as process:
            try:
                started = Started(process, notes, lambda: client.scard(f"{name}:workers") == workers)
                yield started
                started.stop()
                process.wait(BRIEFLY)
            finally:
                process.kill()
        text = Path(log.name).read_text("utf-8", "replace")
        if process.returncode:
            raise RuntimeError(f"qw-manager ended with {process.returncode}: {text.strip()[-1000:]}")
        notes += _notes(text)


def _notes(log: str) -> list[str]:
    """Say how many lines of jobs there are in a log, and how many the log says are missing."""
    jobs = len(re.findall(r" finish ", log))
    lost = sum(map(int, re.findall(r" lost lines=(\d+)", log)))
    return [f"{jobs:,} lines in the log of a round, {lost:,} lost"] if jobs or lost else []
