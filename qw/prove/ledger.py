"""
The ledger: what the targets did, in a file outside of Redis.

One line an event, written at once and by one call, so that a process which is killed has either written it
or not. Nothing is synchronised to the disk: it is processes that die here, not the machine.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import attrs

_FILE: Final = "ledger.jsonl"


@attrs.define
class Run:
    """One run of a job."""

    job_id: str
    #: `<manager>.<start>.<n>`.
    worker: str
    pid: int
    attempt: int
    #: Seconds, by the clock that all processes of a machine share.
    began: float
    #: None: it never came to its end.
    ended: float | None = None
    #: `done`, or the name of the exception that ended it.
    how: str = ""

    @property
    def manager(self) -> str:
        """The name of its manager."""
        return self.worker.split(".", 1)[0]


class Ledger:
    """Writes events to the ledger in a directory, and reads all of them."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / _FILE

    def begin(self, job_id: str, worker: str, attempt: int) -> str:
        """Write that a run begins; returns what identifies it."""
        run = f"{os.getpid()}-{time.monotonic_ns()}"
        self._write("begin", run, job_id, worker, os.getpid(), attempt)
        return run

    def end(self, run: str, job_id: str, how: str) -> None:
        """Write that a run has ended, and how."""
        self._write("end", run, job_id, how)

    def is_first(self, job_id: str) -> bool:
        """Tell whether this is asked for the first time of a job."""
        try:
            os.close(os.open(self._directory / f"first-{job_id}", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return False
        return True

    def _write(self, *words: object) -> None:
        line = json.dumps([*words, time.monotonic()]) + "\n"
        file = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, line.encode())
        finally:
            os.close(file)

    def read(self) -> Mapping[str, list[Run]]:
        """Return the runs of each job, in the order in which they began."""
        runs: dict[str, Run] = {}
        by_job: dict[str, list[Run]] = defaultdict(list)
        lines = self._path.read_text("utf-8").splitlines() if self._path.exists() else []
        for line in lines:
            event, key, job_id, *words = json.loads(line)
            if event == "begin":
                worker, pid, attempt, began = words
                runs[key] = Run(job_id, worker, pid, attempt, began)
                by_job[job_id].append(runs[key])
            else:
                runs[key].how, runs[key].ended = words
        for found in by_job.values():
            found.sort(key=lambda run: run.began)
        return by_job
