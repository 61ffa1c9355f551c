"""A target that never lets go of the interpreter's lock, for `benchmarks.recover`."""

from __future__ import annotations

import os
from pathlib import Path

from qw.job import current_job
from qw.prove.ledger import Ledger
from qw.prove.work import LEDGER_VARIABLE


def hog(job_id: str, _job_data: dict[str, str]) -> None:
    """Write down that it begins, then compute in C for minutes: no signal handler and no other thread gets a turn."""
    mine = current_job()
    Ledger(Path(os.environ[LEDGER_VARIABLE])).begin(job_id, mine.worker, mine.attempt)
    sum(range(10**11))
