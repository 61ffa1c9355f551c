"""
How a dispatcher ends: quiet, then stopping, then goodbye.

    quiet      take no more jobs; the knocks are freed
    stop       what was not started goes back at once, what runs may end until the deadline
    deadline   what still runs is cut off; it stays in its worker's list
    goodbye    one script takes this start out of Redis and gives back what its workers' lists hold
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from typing import Final

from redis.exceptions import ResponseError

from qw.dispatcher.crew import Crew
from qw.dispatcher.refusals import PAUSE
from qw.dispatcher.session import Session
from qw.logs import say
from qw.scripts import Call

#: Seconds that the last words to Redis may take, after all else is over.
LAST_WORDS: Final = 2.0
#: Seconds until Redis has noticed for sure that a blocked connection is closed.
SETTLE: Final = 0.05
NEVER: Final = math.inf


class Departure:
    """
    The end of one start of a manager, step by step.

    `quiet` and `stop` may be called from any thread; `mind` belongs to the loop.
    """

    def __init__(self, session: Session, crew: Crew, leave: Callable[[], Call[int]], logger: logging.Logger) -> None:
        self._session = session
        self._crew = crew
        self._leave = leave
        self._logger = logger
        #: Whether no more jobs are taken.
        self.is_quiet = False
        #: Whether it is over.
        self.left = False
        #: How many jobs went back with the goodbye.
        self.given_back = 0
        #: Whether the slots were cut off.
        self.killed = False
        self._deadline = NEVER
        self._begun = False
        self._rest_since = NEVER
        self._leave_from = 0.0
        self._leaving = NEVER
        #: Why Redis has not let it go, if it has not; and until when it is asked again.
        self._refusal: ResponseError | None = None
        self._end = NEVER

    @property
    def leaving(self) -> bool:
        """Whether goodbye is said: nothing may be sent to Redis after it."""
        return self._leaving != NEVER

    def quiet(self) -> None:
        """Take no more jobs."""
        self.is_quiet = True

    def stop(self, deadline: float) -> None:
        """Be gone by `deadline` (`time.monotonic`), or by an earlier one that was set before."""
        self._deadline = min(self._deadline, deadline)
        self.is_quiet = True

    def mind(self, now: float, *, at_rest: bool, release: Callable[[str, Sequence[str]], None]) -> None:
        """Take the steps whose time has come; `at_rest`: no job is in hand and no outcome on its way."""
        if self.is_quiet:
            for knocker in self._session.knockers:
                if knocker.free(self._session.main):
                    self._leave_from = now + SETTLE
        if self._deadline == NEVER:
            return
        if not self._begun:
            self._begun = True
            for worker, ids in self._crew.take_back():
                release(worker, ids)
            return  # what was given back just now has to reach Redis first
        if now >= self._deadline and not self.killed:
            self.killed = True
            self._crew.kill()
        if not self.leaving:
            self._say_goodbye(now, at_rest=at_rest)
        elif now >= self._leaving:
            self._give_up()

    def _say_goodbye(self, now: float, *, at_rest: bool) -> None:
        if at_rest or (self._crew.resting and not self._session.main.up):
            self._rest_since = min(self._rest_since, now)
        freed = all(knocker.armed_for is None for knocker in self._session.knockers)
        ready = at_rest and freed and self._session.main.up
        # Once it was refused outcomes go first, which it would overtake; and in the end it goes without them.
        is_late = now >= (self._end - PAUSE if self._refusal else min(self._rest_since, self._deadline) + LAST_WORDS)
        if now >= self._end:
            self._give_up()
        elif (ready or is_late) and now >= self._leave_from:
            self._end = min(self._end, now + LAST_WORDS)
            self._leaving = self._end if self._session.main.up else now
            self._session.main.call(self._leave(), self._gone)

    def repeat(self) -> bool:
        """Say goodbye again over a new connection, where that had no answer; returns whether it had been said."""
        if self.leaving:
            self._session.main.call(self._leave(), self._gone)
        return self.leaving

    def _gone(self, reply: int | ResponseError) -> None:
        if isinstance(reply, ResponseError):
            self._refusal, self._leaving, self._leave_from = reply, NEVER, time.monotonic() + PAUSE
            return
        self.left = True
        self.given_back = max(0, reply)

    def _give_up(self) -> None:
        why = f"Redis refuses: {self._refusal}" if self._refusal else "Redis does not answer"
        say(self._logger, logging.WARNING, "stop", why=f"{why}: what is left there stays")
        self.left = True

    def due(self, now: float) -> float:
        """When `mind` wants to be called again."""
        return NEVER if self._deadline == NEVER else now + SETTLE
