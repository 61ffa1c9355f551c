"""What Redis refuses for now: it is full, read-only, loading, or does not permit it. Told once, and tried again."""

from __future__ import annotations

import logging
import time
from typing import Final

from redis.exceptions import RedisError

from qw.client.replies import code_of
from qw.logs import say

#: Seconds to wait after a refusal.
PAUSE: Final = 0.25
#: Codes whose text goes on to say where it happened; what they mean is the same everywhere.
_SAME_EVERYWHERE: Final = ("BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS", "OOM", "READONLY")


class Refusals:
    """
    Remembers the last refusal until Redis accepts something again.

    Each connection has refusals of its own, made with `beside`: a full Redis refuses to block and still takes
    outcomes. What one of them has told, the others do not tell again.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        #: What each of those that stand beside each other was refused last, and why.
        self._told: dict[int, str] = {}
        #: Until when nothing is tried (`time.monotonic`).
        self.until = 0.0

    def beside(self) -> Refusals:
        """Make the refusals of another connection to the same Redis."""
        other = Refusals(self._logger)
        other._told = self._told
        return other

    def note(self, error: Exception) -> None:
        """Note a refusal, and tell of it unless that was done and nothing was accepted since."""
        self.until = time.monotonic() + PAUSE
        text = str(error)
        code = code_of(error) if isinstance(error, RedisError) else ""
        kind = code if code in _SAME_EVERYWHERE else text
        is_new = kind not in self._told.values()
        self._told[id(self)] = kind
        if is_new:
            say(self._logger, logging.WARNING, "refused", error=text)

    def over(self) -> None:
        """Note that Redis has accepted something."""
        self._told.pop(id(self), None)
