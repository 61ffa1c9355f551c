"""
Keeps all:dead within bounds: the oldest of too many buried jobs are deleted, and those that were buried too long ago.

Whoever buries a job looks whether it is one too many, a second later; everybody looks once an hour for what is too
old. So a manager that has nothing to do asks nothing.
"""

from __future__ import annotations

import logging
import math
from typing import Final

from redis.exceptions import ResponseError

from qw.dispatcher.journal import Journal
from qw.dispatcher.link import Link
from qw.logs import say
from qw.scripts import DispatcherScripts, Trimmed

#: How many buried jobs are kept, and for how many seconds.
KEEP_DEAD: Final = 10_000
KEEP_DEAD_FOR: Final = 180 * 86_400.0

#: Seconds from a burial until it is looked whether there are too many, and from one look to the next without any.
SOON: Final = 1.0
RARELY: Final = 3600.0


class Trimmer:
    """What one start of a manager does so that all:dead does not grow without end; it tells what it deletes."""

    def __init__(self, main: Link, scripts: DispatcherScripts, journal: Journal, most: int, age: float) -> None:
        self._main = main
        self._scripts = scripts
        self._journal = journal
        self._most = most
        self._age = age
        #: How many jobs had been buried when it looked last.
        self._buried = journal.totals.buried
        self._in_flight = False
        #: Whether Redis may be asked now.
        self._may_ask = False
        #: When it looks next (`time.monotonic`).
        self._next = -math.inf

    def gone(self) -> None:
        """Note that the connection is lost: no answer comes."""
        self._in_flight = self._may_ask = False

    def mind(self, now: float, *, may_ask: bool) -> None:
        """Have all:dead trimmed, when it is time to; `may_ask`: this start is known, and does not leave."""
        if self._journal.totals.buried != self._buried:
            self._buried = self._journal.totals.buried
            self._next = min(self._next, now + SOON)
        self._may_ask = may_ask
        if now >= self.due_at:
            self._in_flight, self._next = True, now + RARELY
            self._main.call(self._scripts.trim(self._most, self._age), self._trimmed)

    @property
    def due_at(self) -> float:
        """When `mind` wants to be called again (`time.monotonic`); infinity when only an event can tell."""
        return math.inf if self._in_flight or not self._may_ask else self._next

    def _trimmed(self, reply: Trimmed | ResponseError) -> None:
        self._in_flight = False
        if isinstance(reply, ResponseError):
            return  # what Redis does not permit now it may an hour later, or when the next job is buried
        if reply.more:
            self._next = -math.inf
        if reply.too_old or reply.too_many:
            limits = {"keep": self._most, "keep_for": self._age}
            counts = {"too_many": reply.too_many, "too_old": reply.too_old}
            say(self._journal.logger, logging.WARNING, "trim", queue="all:dead", **counts, **limits)
