"""
Delayed jobs: when the next one is due, as one start of a manager knows it, and the call that moves it to its queue.

    the bell, a beat, a retry of our own ──▶ due_at ──it is time──▶ due ──reply──▶ moved: ask for jobs
                                               ▲                            │
                                               └──── when the next is due ──┘

So nothing is polled: the dispatcher waits for that moment as it waits for everything else. All managers do so, and
whoever is first moves the jobs.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from typing import Final

from redis.exceptions import ResponseError

from qw.dispatcher.journal import Journal
from qw.dispatcher.link import Link
from qw.dispatcher.refusals import Refusals
from qw.logs import say
from qw.scripts import DispatcherScripts, Due, Status

#: Seconds between two calls, unless more jobs are due already: a bound for what a fleet of managers asks of Redis
#: while jobs become due all the time, and small beside the 50 ms that a job may be late.
LULL: Final = 0.01

#: Seconds by which two looks at the same moment may differ, since replies take their time.
AGO: Final = 0.1


class Schedule:
    """
    What one start of a manager does for delayed jobs.

    1. It asks when the next one is due when it is connected, and when the bell says so; each beat tells it.
    2. At that time it has them moved, one call at a time, until no more are due.
    """

    def __init__(
        self,
        main: Link,
        scripts: DispatcherScripts,
        journal: Journal,
        standing: Callable[[Status], bool],
        on_moved: Callable[[], None],
    ) -> None:
        self._main = main
        self._scripts = scripts
        self._journal = journal
        self._standing = standing
        self._on_moved = on_moved
        self._refusals = Refusals(journal.logger)
        #: Whether Redis may be asked now.
        self._may_ask = False
        self._in_flight = False
        #: Whether something was heard while a call was in flight, which may have come too early to see it.
        self._again = False
        #: Whether Redis has answered since it was lost.
        self._answered = False
        #: When the next job is due, as far as is known, and before when nothing is asked (`time.monotonic`).
        self._next = math.inf
        self._not_before = -math.inf

    @property
    def due_at(self) -> float:
        """When `mind` wants to be called again (`time.monotonic`); infinity when only an event can tell."""
        if self._in_flight or not self._may_ask:
            return math.inf
        return max(self._next, self._not_before)

    @property
    def settled(self) -> bool:
        """Whether all that is due is in the queues, as far as is known; False before the first look."""
        return self._answered and not self._in_flight and self._next > time.monotonic()

    def look(self) -> None:
        """Ask, as soon as may be: jobs may have been scheduled that it knows nothing of."""
        if self._in_flight:
            self._again = True
        else:
            self._next = -math.inf

    def note(self, seconds: float) -> None:
        """Note that a job is due in that time: this start has scheduled it just now."""
        self._next = min(self._next, time.monotonic() + seconds)

    def heard(self, seconds: float) -> bool:
        """Note that Redis says so, infinity: there is none; returns whether that is news, and sooner than was known."""
        if self._in_flight or not self._may_ask:
            return False
        known, at = self._next, time.monotonic() + seconds
        self._next = min(known, at)  # never later: this may have been asked before what is known came to be
        return at < known - AGO

    def gone(self) -> None:
        """Note that the connection is lost: what was known is of no more use. Once it is back, `look`."""
        self._in_flight = self._again = self._answered = self._may_ask = False
        self._next = math.inf

    def mind(self, now: float, *, may_ask: bool) -> None:
        """Have moved what is due, when it is time to; `may_ask`: this start is known, and does not leave."""
        self._may_ask = may_ask
        if now >= self.due_at:
            self._in_flight, self._again = True, False
            self._main.call(self._scripts.due(), self._replied)

    def _replied(self, reply: Due | ResponseError) -> None:
        now = time.monotonic()
        self._in_flight = False
        if isinstance(reply, ResponseError):
            self._refusals.note(reply)
            self._answered, self._next = True, self._refusals.until
            self._not_before = self._next
            return
        self._refusals.over()
        if not self._standing(reply.status):
            return
        self._answered, self._next = True, now + (0.0 if self._again else reply.wait)
        self._not_before = now + (LULL if reply.wait else 0.0)
        self._journal.dropped(reply.dropped)
        if reply.moved:
            say(self._journal.logger, logging.DEBUG, "due", jobs=reply.moved)
            self._on_moved()
