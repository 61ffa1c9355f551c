"""
The one thread of a manager that speaks to Redis, for all of its workers.

    slots ──reports──▶ outbox ──exchange──▶ Redis ──batches──▶ slots
                          ▲                   │
      hand-backs, deaths ─┘    knocks, bell ──┘

It computes nothing and waits in one place, `_wait`; so a stalled Redis delays no hand-back, no
replacement and no stop, and a busy target delays no beat.
"""

from __future__ import annotations

import logging
import math
import select
import threading
import time
from collections.abc import Callable, Sequence

from redis.exceptions import ResponseError

from qw.dispatcher.adoptions import Adoptions
from qw.dispatcher.crew import Crew
from qw.dispatcher.departure import LAST_WORDS, Departure
from qw.dispatcher.journal import Journal, crash_outcome
from qw.dispatcher.outbox import Outbox
from qw.dispatcher.pace import Pace
from qw.dispatcher.presence import Presence
from qw.dispatcher.refusals import Refusals
from qw.dispatcher.session import Session
from qw.dispatcher.site import Site
from qw.dispatcher.wake import Wake
from qw.logs import say
from qw.scripts import DispatcherScripts, Exchanged
from qw.slots import Outcome, Slot


class Dispatcher:
    """
    The loop of one start of a manager.

    1. It gathers what slots report, and sends it with the next exchange.
    2. It fetches jobs for the slots that have room, and knocks for the idle ones.
    3. It takes back what waits too long, and replaces slots that die.
    4. It beats.
    5. It leaves in good order: nothing of it stays in Redis.

    `run` is the loop; `quiet` and `stop` may be called from any thread.
    """

    def __init__(self, site: Site, make_slot: Callable[[str, Callable[[], None]], Slot]) -> None:
        self._site = site
        self._wake = Wake()
        #: What has been done so far.
        self.journal = Journal(site.logger)
        self._outbox = Outbox()
        self._pace = Pace()
        self._scripts = DispatcherScripts(site.keys, site.manager, site.start, site.workers)
        self._session = Session(site.connect, site.keys, site.manager, self, self._wake.ring, site.logger, site.block)
        self._crew = Crew(site.workers, lambda worker: make_slot(worker, self._wake.ring))
        self._adoptions = Adoptions(site.workers, site.manager, self._is_free)
        self._in_flight = False
        #: Who was to get jobs with the exchange in flight.
        self._asked: list[str] = []
        self._refusals = Refusals(site.logger)
        self._dry = False
        self._ready = threading.Event()
        self._presence = Presence(self._session.main, self._scripts, self, site.logger)
        self._departure = Departure(self._session, self._crew, self._scripts.leave, site.logger)

    # -- from any thread ----------------------------------------------------------------------------

    def start_slots(self) -> None:
        """Give birth to the slots; before `run`, in the thread that is best to fork from."""
        self._crew.start()

    def abandon(self) -> None:
        """End the slots at once: `run` is not to come."""
        self._crew.kill()
        self._crew.end(0.0)
        self._wake.close()

    def quiet(self) -> None:
        """Take no more jobs."""
        self._departure.quiet()
        self._wake.ring()

    def stop(self, grace: float) -> None:
        """Be gone in `grace` seconds: what runs may end until then, what was not started goes back at once."""
        self._departure.stop(time.monotonic() + grace)
        self._wake.ring()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until jobs can be taken, or the loop is over; returns whether that came within `timeout` seconds."""
        return self._ready.wait(timeout)

    # -- the loop -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Do all of the above until stopped."""
        try:
            self._session.open()
            while not self._departure.left:
                now = time.monotonic()
                self._session.settle()
                self._session.mind(now)
                self._gather(now)
                self._mind_slots(now)
                self._mind_end(now)
                self._exchange(now)
                self._presence.beat(now)
                self._knock(now)
                self._wait(now)
        finally:
            self._session.close()
            # What was cut off already has had its time.
            self._crew.end(0.0 if self._departure.killed else LAST_WORDS)
            self.journal.end(self._departure.given_back)
            self._wake.close()
            self._ready.set()

    def _gather(self, now: float) -> None:
        if self._departure.killed:
            return  # what a thread that was left behind still reports is nobody's any more
        for worker, reports in self._crew.reports(now):
            self._pace.note(report[0] for _, _, report in reports)
            for job_id, line, report in reports:
                self.journal.job(worker, job_id, line, report)
                self._note(worker, job_id, report[1])

    def _note(self, worker: str, job_id: str, outcome: Outcome | None) -> None:
        self._adoptions.ended(job_id)
        self._outbox.ended(worker, job_id, outcome)

    def _mind_slots(self, now: float) -> None:
        if self._departure.killed:
            return
        for worker, ran, others in self._crew.died(now):
            self.journal.crashed(worker, ran)
            if ran is not None:
                self._note(worker, ran, crash_outcome(worker))
                self._dry = False  # it may come back
            self._release(worker, others)
        if not self._departure.is_quiet:
            self._crew.revive(now)
        for worker, ids in self._crew.overdue(now):
            self._release(worker, ids)

    def _release(self, worker: str, ids: Sequence[str]) -> None:
        if others := self._adoptions.for_others(worker, ids):
            self.journal.released(worker, others)
            self._outbox.release(worker, others)
            self._dry = False

    def _exchange(self, now: float) -> None:
        if self._must_wait(now) or self._departure.leaving:
            return
        want = [] if self._departure.is_quiet else self._wants()
        if not self._outbox and not self._adoptions and (self._dry or not want):
            return
        plan = self._outbox.plan(self._adoptions.plan(self._in_hand), want)
        self._in_flight, self._asked = True, [worker for worker, _ in want]
        self._session.main.call(self._scripts.exchange(plan), self._exchanged)

    def _must_wait(self, now: float) -> bool:
        return self._in_flight or not self._presence.known or now < self._refusals.until

    def _is_free(self, worker: str) -> bool:
        return self._crew[worker].idle and not self._session.may_move_to(worker)

    def _wants(self) -> list[tuple[str, int]]:
        wants = self._crew.wants(self._pace.depth())
        return [(worker, count) for worker, count in wants if not self._adoptions.reserved(worker)]

    def _in_hand(self, worker: str) -> list[str]:
        return [job_id for job_id, _ in self._crew[worker].held] + self._outbox.ids(worker)

    def _exchanged(self, reply: Exchanged | ResponseError) -> None:
        self._in_flight = False
        if isinstance(reply, ResponseError):
            self._lost()
            self.refused(reply)
            return
        self._refusals.over()
        if not self._presence.standing(reply.status):
            return
        knocked = self._adoptions.done(() if self._departure.is_quiet else reply.batches)
        self.journal.clock(reply.now)
        self.journal.refused(self._outbox.confirmed(reply.refused))
        self.journal.dropped(reply.dropped)
        now = time.monotonic()
        for batch in reply.batches:
            worker = self._crew[batch.worker]
            if self._departure.is_quiet or not worker.slot.alive:
                self._release(batch.worker, batch.ids)
                continue
            worker.hand(batch, now, knocked=batch.worker in knocked, keep_lines=self.journal.keeps_lines)
        if self._asked:
            self._dry = not reply.more
        self._asked = []

    def main_up(self) -> None:
        """Register."""
        self._presence.register()

    def enrolled(self) -> None:
        """Go on, and look for what a lost reply may have left in the workers' lists."""
        self._dry = False
        self.look(None)
        if not self._ready.is_set():
            self._ready.set()
            say(self._site.logger, logging.INFO, "ready", **self._site.about)

    def counted(self, lengths: Sequence[int]) -> None:
        """Look into the lists that hold more than is in hand."""
        for state, length in zip(self._crew, lengths, strict=False):
            if length > len(self._in_hand(state.name)):
                self.look(state.name)

    def struck(self) -> None:
        """End at once: another one has these jobs now."""
        say(self._site.logger, logging.ERROR, "struck", start=self._site.start)
        self._departure.left = True

    def main_down(self) -> None:
        """Keep what had no answer; it goes again."""
        self._lost()
        self._in_flight = False
        self._presence.gone()

    def _lost(self) -> None:
        self._outbox.lost()
        self._adoptions.lost()
        for worker in self._asked:
            self._adoptions.claimed(worker, "")
        self._asked = []

    def refused(self, error: ResponseError) -> None:
        """Try again in a while: Redis is full, read-only, loading, or does not permit it."""
        self._refusals.note(error)
        if str(error).startswith("READONLY"):
            self._session.main.lose(error)  # the name may lead to another server by now

    def knock_refused(self) -> None:
        """Ask: nothing else tells now whether there is a job."""
        self._dry = False

    def knocked(self, worker: str, job_id: str, queue: str) -> None:
        """Adopt what was moved to a worker."""
        self._adoptions.knocked(worker, job_id, queue)

    def claimed(self, worker: str, queue: str) -> None:
        """Adopt what may have been moved to a worker, unheard of."""
        self._adoptions.claimed(worker, queue)

    def look(self, worker: str | None) -> None:
        """Look into the list of this worker, or of all, for what was sent to it."""
        self._adoptions.look(worker)

    # -- knocks, and the end ------------------------------------------------------------------------

    def _knock(self, now: float) -> None:
        if self._departure.is_quiet:
            return
        self._session.free_knocks(self._takes_anything, now)
        if self._dry and not self._adoptions and not self._must_wait(now):
            self._session.knock([worker for worker in self._crew.idle() if self._takes_anything(worker)])

    def _takes_anything(self, worker: str) -> bool:
        return self._crew[worker].idle and not self._adoptions.reserved(worker)

    def _mind_end(self, now: float) -> None:
        at_rest = self._crew.resting and self._outbox.empty and not self._in_flight and not self._adoptions
        if self._site.burst and not self._departure.is_quiet and self._dry and at_rest:
            self._departure.stop(now + LAST_WORDS)
        self._departure.mind(now, at_rest=at_rest, release=self._release)

    # -- the one place that waits -------------------------------------------------------------------

    def _wait(self, now: float) -> None:
        if self._departure.left:
            return
        poll = select.poll()
        if self._crew.watch(poll, now):
            poll.register(self._wake.fileno(), select.POLLIN)
        self._session.watch(poll)
        events = dict(poll.poll(math.ceil(max(0.0, self._due(now) - now) * 1000)))
        if self._wake.fileno() in events:
            self._wake.clear()
        self._session.take(events)
        self._crew.take(events)

    def _due(self, now: float) -> float:
        """When something has to be looked at, whatever comes in."""
        times = [now + 1.0, self._presence.due, self._session.knocks_due()]
        times += [self._departure.due(now), self._crew.due(now)]
        if self._refusals.until > now:
            times.append(self._refusals.until)
        return min(times)
