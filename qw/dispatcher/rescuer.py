"""Rescues: strikes off starts that are dead, and sends what their workers held back to the queues."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Final

from redis.exceptions import ResponseError

from qw.dispatcher.link import Link
from qw.dispatcher.liveness import Liveness, Suspect
from qw.dispatcher.neighbours import Neighbours
from qw.scripts import DispatcherScripts, Rescued, Status

#: What a start may show that is known to be gone: it will not show anything else.
ANYTHING: Final = ""
#: Seconds between two looks at the files of starts on this host.
LOOK: Final = 0.5


class Rescuer:
    """
    What one start does for the jobs of those that died.

    1. It looks at all beats, each time that this start itself beats.
    2. It looks at the files of its host in between, which tell at once.
    3. It has the dead ones swept, one call at a time, and again for two leases: a process that wakes up may
       still claim a job before it notices.
    """

    def __init__(
        self,
        me: str,
        lease: float,
        main: Link,
        scripts: DispatcherScripts,
        standing: Callable[[Status], bool],
        rescued: Callable[[str, Rescued], None],
    ) -> None:
        self._main = main
        self._scripts = scripts
        self._standing = standing
        self._rescued = rescued
        self._liveness = Liveness(me, lease)
        self.neighbours = Neighbours(me)
        #: Starts that show a beat, of whom the files may tell.
        self._alive: frozenset[str] = frozenset()
        self._todo: deque[Suspect] = deque()
        self._in_flight: Suspect | None = None
        #: Whether it has looked at the beats, and at the files, since it is connected.
        self._looked = False
        #: When the files are looked at next (`time.monotonic`).
        self.due = math.inf

    @property
    def settled(self) -> bool:
        """Whether all that is known to be dead is swept; False before the first look."""
        return self._looked and not self._todo and self._in_flight is None

    def look(self, beats: Mapping[str, str]) -> None:
        """Note what all starts show."""
        now = time.monotonic()
        suspects = self._liveness.look(now, beats)
        dead = {suspect.start for suspect in suspects}
        self._alive = self._liveness.known - dead
        self._todo = deque(suspects)
        self.due = now

    def mind(self, now: float) -> None:
        """Look at the files when it is time to, and have the next dead start swept."""
        if now >= self.due:
            self.due = now + LOOK if self._alive else math.inf
            gone = self.neighbours.dead_among(self._alive)
            self._todo.extend(Suspect(start, ANYTHING) for start in gone)
            self._alive = self._alive.difference(gone)
            self._looked = True
        if self._todo and self._in_flight is None and self._main.up:
            self._sweep(self._todo.popleft())

    def _sweep(self, suspect: Suspect) -> None:
        self._in_flight = suspect
        call = self._scripts.rescue(suspect.start, suspect.seen, forget=suspect.forget)
        self._main.call(call, lambda reply: self._swept(suspect, reply))

    def _swept(self, suspect: Suspect, reply: Rescued | ResponseError) -> None:
        self._in_flight = None
        if isinstance(reply, ResponseError):
            return  # the next beat brings it up again
        if reply.status == "struck":
            self._standing("struck")
        if reply.status != "ok":
            return
        if suspect.forget:
            self.neighbours.forget(suspect.start)
        if reply.more:
            self._todo.appendleft(Suspect(suspect.start, reply.mark))
        if reply.rescued or reply.buried or reply.mark != suspect.seen:
            self._rescued(suspect.start, reply)

    def gone(self) -> None:
        """Note that the connection is lost: whatever was seen says nothing any more."""
        self._liveness.forget()
        self._todo.clear()
        self._alive, self._in_flight, self._looked, self.due = frozenset(), None, False, math.inf
