"""How far a job may go in a slot, where its own options do not say."""

from __future__ import annotations

import attrs


@attrs.frozen
class Limits:
    """What a manager allows the jobs in its slots, and the processes that run them."""

    #: How often a job that raises is tried again.
    retries: int = 0
    #: Seconds that a job may run until it is told to end; None: as long as it likes.
    timeout: float | None = None
    #: Seconds after that until it is cut off.
    cleanup: float = 5.0
    #: Jobs after which a worker process is replaced; None: never.
    max_jobs: int | None = None
    #: Bytes of memory (RSS) beyond which a worker process is replaced between two jobs; None: any number.
    max_memory: int | None = None


#: As far as it likes.
NONE = Limits()
