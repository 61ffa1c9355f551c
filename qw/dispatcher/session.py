"""
A dispatcher's four connections to Redis, and what comes in on them without being asked.

    main     exchange, beat, register, leave: one `exchange` in flight at a time
    knock    blocked on <manager>:jobs
    knock    blocked on all:jobs
    bell     subscribed to all:bell

Each is made again by itself when it breaks, and all of them with the main one. Only that counts as "Redis is gone".
"""

from __future__ import annotations

import logging
import math
import select
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from qw.client.connect import keeps_out
from qw.dispatcher.bell import Bell, BellListener
from qw.dispatcher.knocker import Knocker, KnockListener
from qw.dispatcher.link import Link
from qw.dispatcher.refusals import Refusals
from qw.dispatcher.site import Site
from qw.logs import say
from qw.scripts import DispatcherScripts

#: Seconds that the main connection may leave a command without an answer before it is given up.
PATIENCE: Final = 10.0
#: Failures in a row of another connection that are told while the main one is there.
SEVERAL: Final = 3


class Listener(KnockListener, BellListener, Protocol):
    """Who is told what comes in."""

    def main_up(self) -> None:
        """Go on: Redis is there (again)."""

    def main_down(self) -> None:
        """Note that whatever had no answer is unsure now."""


class Session:
    """The connections of one start of a manager."""

    def __init__(
        self, site: Site, scripts: DispatcherScripts, listener: Listener, wake: Callable[[], None], block: float
    ) -> None:
        connect, keys, manager, logger = site.connect, site.keys, site.manager, site.logger
        self._listener = listener
        self._logger = logger
        #: Since when Redis is gone; and from when on it had not answered, if it was given up for that.
        self._gone: float | None = None
        self._silent_since = math.inf
        #: Told once for all connections: others to the same Redis are made `beside` these.
        self.refusals = Refusals(logger)
        self.main = Link(connect, self, wake)
        self.bell = Bell(Link(connect, self, wake), keys.all_bell, listener, self.refusals)
        self.knockers = (
            Knocker(Link(connect, self, wake), keys, scripts, manager, listener, block, self.refusals.beside()),
            Knocker(Link(connect, self, wake), keys, scripts, None, listener, block, self.refusals.beside()),
        )
        self.links: Sequence[Link] = (self.main, *(k.link for k in self.knockers), self.bell.link)

    def open(self) -> None:
        """Start to connect."""
        for link in self.links:
            link.open()

    def settle(self) -> None:
        """Take over connections that have been made."""
        for link in self.links:
            link.settle()

    def mind(self, now: float) -> None:
        """Give up connections on which an answer is long overdue."""
        if self.main.up and now - self.main.since() > PATIENCE:
            self._silent_since = self.main.since()
            self.main.lose(TimeoutError(f"no answer for {PATIENCE:g} s"))
        for knocker in self.knockers:
            if knocker.link.up and knocker.overdue(now):
                knocker.link.lose(TimeoutError("a blocked connection did not come back"))
        self.bell.mind(now)

    def watch(self, poll: select.poll) -> None:
        """Register what the connections wait for."""
        for link in self.links:
            if link.up:
                poll.register(link.fileno(), select.POLLIN | (select.POLLOUT if link.wants_to_write() else 0))

    def take(self, events: Mapping[int, int]) -> None:
        """Write and read where it is possible now."""
        for link in self.links:
            event = events.get(link.fileno(), 0) if link.up else 0
            if event & select.POLLOUT:
                link.write()
            if event & ~select.POLLOUT:
                link.pump()

    # -- knocks -------------------------------------------------------------------------------------

    def knock(self, free: Sequence[str]) -> None:
        """Block on both lists, for two of these workers if there are; what is blocked stays as it is."""
        for knocker, worker in zip(self.knockers, (*free[-1:], *free[:1]), strict=False):
            knocker.arm(worker)

    def free_knocks(self, is_free: Callable[[str], bool], now: float) -> None:
        """Free the connections that have been blocked for too long for workers that are not free any more."""
        for knocker in self.knockers:
            if knocker.armed_for is not None:
                knocker.release_if_busy(idle=is_free(knocker.armed_for), now=now, main=self.main)

    def doubt(self, worker: str) -> None:
        """Note that this worker's list is looked into, whatever is armed for it."""
        for knocker in self.knockers:
            knocker.doubt(worker)

    def doubt_all(self) -> None:
        """Believe nothing that was said until now: this start may have been struck off since, and forgotten."""
        self.bell.doubt()
        for knocker in self.knockers:
            knocker.doubt(None)

    def may_move_to(self, worker: str) -> bool:
        """Whether a knock may still bring a job to this worker."""
        return any(knocker.may_move_to(worker) for knocker in self.knockers)

    def knocks_due(self) -> float:
        """When `free_knocks` wants to look again."""
        return min(knocker.due() for knocker in self.knockers)

    def close(self) -> None:
        """End all connections."""
        for link in self.links:
            link.close()

    # -- what a Link tells its owner ----------------------------------------------------------------

    def link_up(self, link: Link) -> None:
        """Go on with a link that is there."""
        if link is self.main:
            self._listener.main_up()
        elif link is self.bell.link:
            self.bell.opened()
        else:
            link.send(("CLIENT", "ID"), self._knocker_of(link).identified)

    def _knocker_of(self, link: Link) -> Knocker:
        return next(knocker for knocker in self.knockers if knocker.link is link)

    def link_works(self, link: Link) -> None:
        """Tell that Redis is back: it is not yet, while it lets us connect and refuses all else."""
        self.refusals.over()
        if link is self.main and self._gone is not None:
            say(self._logger, logging.WARNING, "back", after=time.monotonic() - self._gone)
            self._gone, self._silent_since = None, math.inf

    def link_failed(self, link: Link, error: Exception) -> None:
        """Tell that a link cannot be made, unless that is known."""
        if link is self.main:
            self._is_gone(error)
        # When all of them break at once, the others may be told of before the main one.
        if keeps_out(error) or (self.main.up and link.failures >= SEVERAL):
            self.refusals.note(error)

    def _is_gone(self, error: Exception) -> None:
        if self._gone is None:
            self._gone = min(time.monotonic(), self._silent_since)
            say(self._logger, logging.WARNING, "gone", error=str(error))

    def link_down(self, link: Link, error: Exception) -> None:
        """Note the loss of a link."""
        if link is self.main:
            self._is_gone(error)
            self._listener.main_down()
            for other in self.links:
                other.lose(error)  # the next one may lead to another server, where nobody rings this bell
            return
        if link is not self.bell.link:
            self._knocker_of(link).lost()
