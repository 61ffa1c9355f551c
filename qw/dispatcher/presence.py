"""That a start of a manager is known in Redis, and known to be alive: it registers, beats, and looks who does not."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from functools import partial
from typing import Final, Protocol

from redis.exceptions import ResponseError

from qw.dispatcher.liveness import BEATS, LATE
from qw.dispatcher.rescuer import Rescuer
from qw.dispatcher.session import Session
from qw.scripts import Beaten, DispatcherScripts, Rescued, Status

#: Goes on while the host is suspended, which `time.monotonic` does not on Linux.
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def clock() -> float:
    """Return the seconds by which others tell how long nothing was heard of this start."""
    return time.clock_gettime(_CLOCK)


class Registrant(Protocol):
    """Who is told how Redis sees this start."""

    @property
    def is_leaving(self) -> bool:
        """Whether goodbye is said: nothing may be sent after it."""

    def enrolled(self) -> None:
        """Go on: this start is registered (again)."""

    def counted(self, lengths: Sequence[int], wait: float) -> None:
        """Note how many ids the list of each worker holds, in their order, and in how many seconds a job is due."""

    def rescued(self, start: str, what: Rescued) -> None:
        """Note that jobs of a dead start went back to the queues."""

    def struck(self) -> None:
        """End: it was taken for dead and struck off."""


class Presence:
    """
    One start's place in Redis.

    1. It registers when the connection is there, and whenever Redis has forgotten it.
    2. It beats, and has the jobs of those that do not beat any more rescued.
    3. It finds out when it was struck off itself.
    """

    def __init__(self, session: Session, scripts: DispatcherScripts, me: str, lease: float, who: Registrant) -> None:
        self._main = main = session.main
        self._refusals = session.refusals.beside()
        self._scripts = scripts
        self._who = who
        #: Seconds between two beats, and of a pause of this process after which it asks how it stands.
        self._interval = lease / BEATS
        #: Seconds after a sign of life within which nobody takes this start for dead, with a margin.
        self._safe = LATE * self._interval
        self._rescuer = Rescuer(me, lease, main, scripts, self.standing, who.rescued)
        #: Whether Redis knows this start, as far as is known.
        self.known = False
        #: When it beats next, or registers if it is not known (`time.monotonic`).
        self._beat_at = math.inf
        self._last_awake = math.inf
        #: When the last sign of life was sent that Redis is known to have taken (`clock`).
        self._said = -math.inf

    def open(self) -> None:
        """Take the lock that tells others on this host that this start is alive; before it registers."""
        self._rescuer.neighbours.open()

    def close(self) -> None:
        """Give up that lock."""
        self._rescuer.neighbours.close()

    @property
    def settled(self) -> bool:
        """Whether it has looked at all others, and no jobs of dead ones wait to be rescued."""
        return self.known and self._rescuer.settled

    def awake(self, now: float) -> None:
        """
        Note that the loop goes on. After a pause of more than a beat it registers before it does anything else.

        This process was stopped, or starved, or its host was asleep. It may have been taken for dead meanwhile, and a
        BLMOVE that it arms now would claim a job into a list at which nobody may look again.
        """
        awake, self._last_awake = self._last_awake, clock()
        if self.known and self._last_awake - awake > self._interval:
            self.known, self._beat_at = False, now

    @property
    def is_sure(self) -> bool:
        """
        Whether nobody can have taken this start for dead: its last sign of life is younger than that takes.

        A silent connection, beats that Redis refuses, and a pause of this process all make it older.
        """
        return self.known and clock() - self._said <= self._safe

    def gone(self) -> None:
        """Note that the connection is lost: the next one registers first of all."""
        self.known, self._beat_at = False, math.inf
        self._rescuer.gone()

    def register(self) -> None:
        """Make this start known."""
        self._main.call(self._scripts.register(), partial(self._enrolled, clock()))

    def mind(self, now: float) -> None:
        """Say alive, when it is time to; and see to the dead."""
        if not self._main.up:
            return
        if self.known:
            self._rescuer.mind(now)
        if now < self._beat_at:
            return
        self._beat_at = now + self._interval
        if self.known:
            self._main.call(self._scripts.beat(), partial(self._beaten, clock()))
        else:
            self.register()

    def due(self) -> float:
        """When `mind` wants to be called again."""
        # Without a connection there is nothing to call for, and a time that has passed would never come to rest.
        return min(self._beat_at, self._rescuer.due) if self._main.up else math.inf

    def standing(self, status: Status) -> bool:
        """Act on how Redis sees this start; False when it may do nothing more."""
        if status == "missing" and not self._who.is_leaving:
            self.register()  # after the goodbye it would be there for good
        if status != "struck":
            return True
        self._who.struck()
        return False

    def _enrolled(self, sent: float, reply: Status | ResponseError) -> None:
        if isinstance(reply, ResponseError):
            self._refusals.note(reply)
            self._beat_at = self._refusals.until
        elif self.standing(reply):
            self.known, self._said = True, sent
            self._beat_at = time.monotonic()  # to look at once at the others: one may have died long ago
            self._who.enrolled()

    def _beaten(self, sent: float, reply: Beaten | ResponseError) -> None:
        if isinstance(reply, ResponseError):
            self._refusals.note(reply)  # or this start would be taken for dead, and nobody knew why
            return
        self._refusals.over()
        if self.standing(reply.status):
            self._said = sent if reply.status == "ok" else self._said
            self._rescuer.look(reply.beats)
            self._who.counted(reply.lengths, reply.wait)
