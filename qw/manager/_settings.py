"""The numbers that a manager goes by, and which of them cannot be."""

from __future__ import annotations

from typing import Final, TypeVar

import attrs

from qw.dispatcher import KEEP_DEAD, KEEP_DEAD_FOR, LEASE
from qw.errors import UsageError
from qw.slots.limits import Limits
from qw.units import LONGEST, is_number, is_time, is_whole

Count = TypeVar("Count", bound="int | None")
Seconds = TypeVar("Seconds", bound="float | None")

#: What seconds may be.
_SECONDS: Final = "use more than 0 seconds, a century at most"

#: Seconds that a lease may last. A third of a shorter one is a pause that a busy machine makes by itself.
SHORTEST_LEASE: Final = 1.0
LONGEST_LEASE: Final = 3600.0


def _check_retries(_settings: Settings, _field: object, retries: int) -> None:
    if not is_whole(retries, 0):
        raise UsageError(f"retries {retries!r}: use a whole number, 0 or more")


def _check_most(_settings: Settings, field: attrs.Attribute[Count], most: Count) -> None:
    none = ", or None" if field.default is None else ""
    if (most is not None or not none) and not is_whole(most, 1):
        raise UsageError(f"{field.name} {most!r}: use a whole number, 1 or more{none}")


def _check_seconds(_settings: Settings, field: attrs.Attribute[Seconds], seconds: Seconds) -> None:
    none = ", or None" if field.default is None else ""
    if (seconds is not None or not none) and not is_time(seconds):
        raise UsageError(f"{field.name} {seconds!r}: {_SECONDS}{none}")


def _check_lease(_settings: Settings, _field: object, seconds: float) -> None:
    if not (is_number(seconds) and SHORTEST_LEASE <= seconds <= LONGEST_LEASE):
        raise UsageError(f"lease {seconds!r}: use {SHORTEST_LEASE:g} to {LONGEST_LEASE:g} seconds")


def check_grace(seconds: float) -> float:
    """Return the seconds that running jobs get to end, a century for ever; raises `UsageError` for what is none."""
    if not (is_number(seconds) and seconds >= 0):
        raise UsageError(f"grace {seconds!r}: use seconds, 0 or more")
    return min(seconds, LONGEST)


@attrs.frozen(kw_only=True)
class Settings:
    """Raises `UsageError` for what cannot be."""

    #: Seconds that running jobs get to end when the manager is stopped.
    grace: float = attrs.field(default=25.0, converter=check_grace)
    #: Stop when the queues are empty.
    burst: bool = False
    #: Seconds without a beat after which this manager is dead for others.
    lease: float = attrs.field(default=LEASE, validator=_check_lease)
    #: How often a job that raises is tried again, and the seconds that it may run, where its class does not say.
    retries: int = attrs.field(default=0, validator=_check_retries)
    timeout: float | None = attrs.field(default=None, validator=_check_seconds)
    #: Jobs, and bytes of memory, after which a worker process is replaced.
    max_jobs: int | None = attrs.field(default=None, validator=_check_most)
    max_memory: int | None = attrs.field(default=None, validator=_check_most)

    #: How many buried jobs are kept, and for how many seconds.
    keep_dead: int = attrs.field(default=KEEP_DEAD, validator=_check_most)
    keep_dead_for: float = attrs.field(default=KEEP_DEAD_FOR, validator=_check_seconds)

    @property
    def limits(self) -> Limits:
        """What of it slots have to know."""
        return Limits(self.retries, self.timeout, max_jobs=self.max_jobs, max_memory=self.max_memory)
