"""Which job runs here: known inside a target, in its thread or task."""

from __future__ import annotations

from contextvars import ContextVar, Token
from types import TracebackType

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


class running:  # noqa: N801 - a context manager, read as a word: `with running(job_id, …):`
    """Make `current_job()` known inside the `with` block; for the slots."""

    __slots__ = ("_job", "_token")

    def __init__(self, job_id: str, attempt: int, worker: str) -> None:
        self._job = (job_id, attempt, worker)

    def __enter__(self) -> None:
        self._token: Token[tuple[str, int, str]] = _running.set(self._job)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _running.reset(self._token)
