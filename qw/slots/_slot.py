"""
What every slot is to the dispatcher: something that takes lines, runs jobs one after another, and reports.

                        hand(lines) ─▶ ┌──────────────┐
    dispatcher          take_back() ─▶ │ slot (1 job  │
                        reports()   ◀─ │ at a time)   │
                                       └──────────────┘

Reports come in the order in which the jobs were handed in, one for each job that was started; so
neither side names a job. A line is one job as `exchange` writes it: JSON, `[field, value, ..., id]`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, Protocol

import attrs


@attrs.frozen
class Outcome:
    """How a job ended that did not simply finish without a result."""

    kind: Literal["result", "bury", "crash", "retry"]
    #: Seconds for which the body is kept in `result:<id>`; of a retry, seconds until then.
    ttl: float
    #: JSON: `{"result": ...}` or `{"error": ..., "traceback": ...}`; nothing for a retry.
    body: str
    #: Fields for the hash of a job that is buried or tried again.
    fields: Mapping[str, str] = attrs.field(factory=dict)


#: How long a job ran, in seconds, and how it ended; None: finished, nothing to keep.
Report = tuple[float, Outcome | None]


class Slot(Protocol):
    """A place where one worker's jobs run: a process, a thread, or a task."""

    @property
    def worker(self) -> str:
        """Name of the worker this slot computes for."""

    @property
    def alive(self) -> bool:
        """False once it can run nothing more."""

    @property
    def ready(self) -> bool:
        """Whether it takes jobs: it is born, and not told to end. Until it is born others may run them."""

    @property
    def born(self) -> bool:
        """Whether it ever was ready, be it dead by now."""

    def start(self) -> None:
        """Be born."""

    def hand(self, lines: bytes, count: int) -> None:
        """Take `count` jobs to run after those it has."""

    def take_back(self) -> int:
        """Take back all jobs that were not started; returns how many, counted from the last one handed in."""

    @property
    def has_reports(self) -> bool:
        """Whether `reports` has something to tell that no descriptor tells; to ask costs no system call."""

    @property
    def untold(self) -> int:
        """How many jobs have ended that `reports` has not told of; to ask costs no system call."""

    def reports(self) -> list[Report]:
        """Return what has been reported since the last time, oldest first."""

    def started(self) -> int:
        """How many of the jobs ever handed in, and not taken back, were started."""

    def began(self) -> float:
        """When the last job began that has begun (`time.monotonic`); 0.0 when none has. It costs no system call."""

    def deadline(self) -> float:
        """When `expire` wants to be called (`time.monotonic`); infinity when nothing with a limit runs."""

    def expire(self, now: float) -> Outcome | None:
        """
        Tell the job that runs to end, when its time is over; return its outcome when that did not help.

        Then the slot is to be killed.
        """

    @property
    def has_thread(self) -> bool:
        """Whether a thread of this process is its own, which has to wait for the interpreter before each job."""

    @property
    def most_jobs(self) -> float:
        """How many jobs it runs, until it ends by itself to be replaced; infinity when it goes on."""

    @property
    def retired(self) -> bool:
        """Whether it has ended by itself between two jobs, to be replaced: that is no death."""

    def exit_reason(self) -> str:
        """Say what a dead slot died of, such as `SIGSEGV` or `exit code 3`; '' when nobody knows."""

    def death_fileno(self) -> int:
        """Return a descriptor that becomes readable when the slot dies, or -1."""

    def note_death(self) -> None:
        """Note that it has become readable."""

    def fileno(self) -> int:
        """
        Return a descriptor that becomes readable when there is something to read; or -1: then it calls `wake`.

        That is so with a report that carries an outcome, and when it has run what it holds. Of others it does not
        tell: each word would cost it more than a short job, and wake somebody who has nothing to do yet.
        """

    def wants_to_write(self) -> bool:
        """Whether lines wait for the descriptor to become writable."""

    def write(self) -> None:
        """Write those lines."""

    def close(self) -> None:
        """End after the job that runs now."""

    def kill(self) -> None:
        """End at once; what runs is cut off, or left behind where it cannot be."""

    def join(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the end; returns whether it came."""
