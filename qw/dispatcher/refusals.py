"""What Redis refuses for now: it is full, read-only, loading, or does not permit it. Told once, and tried again."""

from __future__ import annotations

import logging
import time
from typing import Final

from redis.exceptions import ResponseError

from qw.logs import say

#: Seconds to wait after a refusal.
PAUSE: Final = 0.25


class Refusals:
    """Remembers the last refusal until Redis accepts something again."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._last = ""
        #: Until when nothing is tried (`time.monotonic`).
        self.until = 0.0

    def note(self, error: ResponseError) -> None:
        """Note a refusal, and tell of it unless it is the same as the last one."""
        self.until = time.monotonic() + PAUSE
        if self._last != str(error):
            self._last = str(error)
            say(self._logger, logging.WARNING, "refused", error=self._last)

    def over(self) -> None:
        """Note that Redis has accepted something."""
        self._last = ""
