"""A `qw-manager` as one starts it, in a process of its own, for as long as a measurement lasts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import attrs
import redis

from benchmarks.setting import MANAGER
from benchmarks.waiting import wait_until

ROOT = Path(__file__).resolve().parents[1]

#: Seconds in which a manager with nothing to do has started, and has left.
BRIEFLY = 60.0


@attrs.frozen
class Managed:
    """Workers that run: their processes without those that these have started, and afterwards what is to be said."""

    pids: Sequence[int]
    notes: list[str]


@contextmanager
def managing(
    url: str,
    workers: int,
    target: str,
    *options: str,
    name: str = MANAGER,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Managed]:
    """
    Have a manager wait for jobs, with these variables beside those of this process.

    Its log goes to a file. Raises `RuntimeError` with the log's last line when it does not start or ends badly.
    """
    notes: list[str] = []
    variables = {**os.environ, "QW_URL": url, **(environment or {})}
    with tempfile.NamedTemporaryFile(prefix="qw-bench-log-") as log, redis.Redis.from_url(url) as client:
        command = [sys.executable, "-m", "qw.manager", f"--name={name}", f"--workers={workers}", *options, target]
        with subprocess.Popen(command, cwd=ROOT, env=variables, stderr=log) as process:
            try:
                wait_until(
                    lambda: client.scard(f"{name}:workers") == workers or process.poll() is not None,
                    "qw-manager to start",
                    BRIEFLY,
                )
                yield Managed([process.pid], notes)
                process.terminate()
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
