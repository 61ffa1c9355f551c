"""Which job runs here: known inside a target, in its thread or task."""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Final

import attrs

# A plain tuple: entering costs every job, and most targets never ask.
_running: ContextVar[tuple[str, int, str]] = ContextVar("qw_running")


@attrs.frozen
class CurrentJob:
    """The job that a target is running."""

    id: str
    #: 1 for the first run; more after a rescue or a retry.
    attempt: int
    #: The name of the worker, `<manager>.<start>.<n>`.
    worker: str


def current_job() -> CurrentJob:
    """
    Return the job that is being run, inside its target.

    Raises `LookupError` anywhere else; also in a thread that the target started itself, unless it
    runs in a copy of the target's context (`contextvars.copy_context().run`).
    """
    try:
        return CurrentJob(*_running.get())
    except LookupError:
        raise LookupError("current_job() is known only inside a target, in the thread or task that runs it") from None


def enter_job(job_id: str, attempt: int, worker: str) -> Token[tuple[str, int, str]]:
    """Make `current_job()` known from here on, for the slots; returns what `leave_job` takes."""
    return _running.set((job_id, attempt, worker))


#: Make known again what was before. (A context manager would take three times as long, for each job.)
leave_job: Final = _running.reset
