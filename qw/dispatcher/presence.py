"""That a start of a manager is known in Redis, and known to be alive: it registers, and beats."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from typing import Final, Protocol

from redis.exceptions import ResponseError

from qw.dispatcher.link import Link
from qw.dispatcher.refusals import PAUSE
from qw.scripts import DispatcherScripts, Status

#: Seconds between two beats: a third of the lease.
BEAT: Final = 5.0


class Registrant(Protocol):
    """Who is told how Redis sees this start."""

    def enrolled(self) -> None:
        """Go on: this start is registered (again)."""

    def counted(self, lengths: Sequence[int]) -> None:
        """Note how many ids the list of each worker holds, in the order of the workers."""

    def refused(self, error: ResponseError) -> None:
        """Note that Redis does not take the registration now."""

    def struck(self) -> None:
        """End: it was taken for dead and struck off."""


class Presence:
    """
    One start's place in Redis.

    1. It registers when the connection is there, and whenever Redis has forgotten it.
    2. It beats.
    3. It finds out when it was struck off.
    """

    def __init__(self, main: Link, scripts: DispatcherScripts, who: Registrant, logger: logging.Logger) -> None:
        self._main = main
        self._scripts = scripts
        self._who = who
        self._logger = logger
        #: Whether Redis knows this start, as far as is known.
        self.known = False
        #: When it beats next, or registers if it is not known (`time.monotonic`).
        self.due = math.inf

    def gone(self) -> None:
        """Note that the connection is lost: the next one registers first of all."""
        self.known, self.due = False, math.inf

    def register(self) -> None:
        """Make this start known."""
        self._main.call(self._scripts.register(), self._enrolled)

    def beat(self, now: float) -> None:
        """Say alive, when it is time to."""
        if now < self.due or not self._main.up:
            return
        self.due = now + BEAT
        if self.known:
            self._main.call(self._scripts.beat(), self._beaten)
        else:
            self.register()

    def standing(self, status: Status) -> bool:
        """Act on how Redis sees this start; False when it may do nothing more."""
        if status == "missing":
            self.register()
        if status != "struck":
            return True
        self._who.struck()
        return False

    def _enrolled(self, reply: Status | ResponseError) -> None:
        if isinstance(reply, ResponseError):
            self._who.refused(reply)
            self.due = time.monotonic() + PAUSE
        elif self.standing(reply):
            self.known = True
            self.due = time.monotonic() + BEAT
            self._who.enrolled()

    def _beaten(self, reply: tuple[Status, Sequence[int]] | ResponseError) -> None:
        if not isinstance(reply, ResponseError) and self.standing(reply[0]):
            self._who.counted(reply[1])
