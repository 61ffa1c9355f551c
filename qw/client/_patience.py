"""How long a call puts up with a Redis that is away, and which errors say that it may come back."""

from __future__ import annotations

import logging
import random
import time
from typing import Final

from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    ClusterDownError,
    ConnectionError,  # noqa: A004 - redis-py's own: Python's is never raised by it
    MasterDownError,
    ReadOnlyError,
    RedisError,
    TimeoutError,  # noqa: A004 - as above
    TryAgainError,
)

from qw.logs import say

#: Seconds between two attempts: full jitter under a doubling bound, so that a fleet does not come back in step.
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 1.0

_LOGGER = logging.getLogger("qw.client")

_LOST = (ConnectionError, TimeoutError)
_NOT_LET_IN = (AuthenticationError, AuthorizationError)
_NOT_NOW = (BusyLoadingError, ClusterDownError, MasterDownError, ReadOnlyError, TryAgainError)
# Codes for which redis-py has no class: a script runs too long; replicas are away; a failover ended a block.
_NOT_NOW_CODES = ("BUSY ", "NOREPLICAS ", "UNBLOCKED ")


def may_pass(error: RedisError) -> bool:
    """Tell whether the same command may be taken a little later; a wrong password never is."""
    if isinstance(error, _NOT_LET_IN):
        return False
    return isinstance(error, (*_LOST, *_NOT_NOW)) or str(error).startswith(_NOT_NOW_CODES)


class Patience:
    """
    The patience of one call.

    1. It pauses between attempts, ever longer.
    2. It gives up when Redis has been away for so many seconds on end.
    3. It logs once that Redis is gone, and once that it is back and how long it took.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._gone_since: float | None = None
        self._attempts = 0

    def pause(self, error: RedisError) -> bool:
        """Wait before the next attempt; returns False when there is to be none."""
        now = time.monotonic()
        if self._gone_since is None:
            if not may_pass(error):
                return False
            self._gone_since = now
            say(_LOGGER, logging.WARNING, "gone", error=error)
        left = self._gone_since + self._seconds - now
        if left <= 0 or not may_pass(error):
            return False
        self._attempts += 1
        bound = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** min(self._attempts, 10), left)
        time.sleep(random.uniform(bound / 2, bound))
        return True

    def reward(self) -> None:
        """Note that Redis has answered."""
        if self._gone_since is not None:
            say(_LOGGER, logging.INFO, "back", after=time.monotonic() - self._gone_since)
            self._gone_since, self._attempts = None, 0
