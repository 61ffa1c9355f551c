"""What the fleet works on: jobs that wait, compute, raise, ask for another try, run too long, or kill their process."""

from __future__ import annotations

import os
import time
from pathlib import Path

import attrs

from qw.errors import Bury, Retry, TimedOut
from qw.job import Job, Options, current_job
from qw.prove.ledger import Ledger

#: Where the ledger is, for the managers' processes.
LEDGER_VARIABLE = "QW_PROVE_LEDGER"

#: Seconds that a job may take that is to run for too long.
TIMEOUT = 0.25
#: Seconds that it would take.
_TOO_LONG = 3.0

#: Seconds that a result is kept: a trial of hours is judged at its end.
_DAY = 86_400.0


@attrs.frozen
class Work(Job[int]):
    """Do something for `ms` milliseconds; the result is that number."""

    do: str
    ms: int
    options = Options(name="qw.prove.Work", retries=3, backoff=0.05, backoff_cap=0.5, result_ttl=_DAY)


@attrs.frozen
class Dawdle(Job[None]):
    """Run for too long the first time."""

    ms: int
    options = Options(name="qw.prove.Dawdle", retries=3, backoff=0.05, backoff_cap=0.5, timeout=TIMEOUT)


class PlannedError(Exception):
    """What a job raises that is to fail."""


def work(job: Work | Dawdle) -> int | None:
    """Run a job and write down when it began and how it ended: the target."""
    ledger = Ledger(Path(os.environ[LEDGER_VARIABLE]))
    mine = current_job()
    run = ledger.begin(mine.id, mine.worker, mine.attempt)
    try:
        result = None
        if isinstance(job, Dawdle):
            _dawdle(job, mine.attempt)
        else:
            result = _work(job, mine.id, mine.attempt, ledger)
    except (PlannedError, Retry, Bury, TimedOut) as error:
        ledger.end(run, mine.id, type(error).__name__)
        raise
    ledger.end(run, mine.id, "done")
    return result


def _work(job: Work, job_id: str, attempt: int, ledger: Ledger) -> int:
    if job.do == "die" and ledger.is_first(job_id):
        os._exit(9)
    if job.do == "raise" and attempt == 1:
        raise PlannedError("the first try is to fail")
    if job.do == "again" and attempt == 1:
        raise Retry("once more", after=0.1)
    if job.do == "bury":
        raise Bury("this one is to be buried")
    if job.do == "compute":
        until = time.thread_time() + job.ms / 1000
        while time.thread_time() < until:
            pass
    else:
        time.sleep(job.ms / 1000)
    return job.ms


def _dawdle(job: Dawdle, attempt: int) -> None:
    # In small steps: in a thread the end of a job's time is noticed between two of them.
    until = time.monotonic() + (_TOO_LONG if attempt == 1 else min(job.ms / 1000, TIMEOUT / 5))
    while time.monotonic() < until:
        time.sleep(0.01)
