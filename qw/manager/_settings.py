"""The numbers that a manager goes by, and which of them cannot be."""

from __future__ import annotations

from typing import Final

import attrs

from qw.dispatcher import LEASE
from qw.errors import UsageError

#: Seconds that a lease may last. A third of a shorter one is a pause that a busy machine makes by itself.
SHORTEST_LEASE: Final = 1.0
LONGEST_LEASE: Final = 3600.0


def _check_lease(_settings: Settings, _field: object, seconds: float) -> None:
    if not SHORTEST_LEASE <= seconds <= LONGEST_LEASE:
        raise UsageError(f"lease {seconds:g}: use {SHORTEST_LEASE:g} to {LONGEST_LEASE:g} seconds")


@attrs.frozen(kw_only=True)
class Settings:
    """Raises `UsageError` for what cannot be."""

    #: Seconds that running jobs get to end when the manager is stopped.
    grace: float = 25.0
    #: Stop when the queues are empty.
    burst: bool = False
    #: Seconds without a beat after which this manager is dead for others.
    lease: float = attrs.field(default=LEASE, validator=_check_lease)
