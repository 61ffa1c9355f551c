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
import select
import threading
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

from qw.dispatcher.adoptions import Adoptions
from qw.dispatcher.crew import Crew
from qw.dispatcher.departure import LAST_WORDS, Departure
from qw.dispatcher.exchanges import Exchanges
from qw.dispatcher.journal import Journal, crash_outcome
from qw.dispatcher.presence import Presence
from qw.dispatcher.schedule import Schedule
from qw.dispatcher.session import Session
from qw.dispatcher.site import Site
from qw.dispatcher.trimmer import Trimmer
from qw.dispatcher.wake import Wake, wait
from qw.errors import CrashLoop
from qw.logs import say
from qw.scripts import DispatcherScripts, Letter, Peeked, Rescued
from qw.slots import Report, Slot

#: Where to look for the reason of a crash loop.
WHY: Final = "see what they print, and whether the target's module can be imported in a new process"


class Dispatcher:
    """
    The loop of one start of a manager.

    1. It gathers what slots report, and sends it with the next exchange.
    2. It fetches jobs for the slots that have room, and knocks for the idle ones.
    3. It takes back what waits too long, and replaces slots that die.
    4. It sends delayed jobs to their queues when they are due.
    5. It beats, and sees to the jobs of those that do not beat any more.
    6. It leaves in good order: nothing of it stays in Redis.

    `run` is the loop; `quiet` and `stop` may be called from any thread. It goes on with the journal of a start before.
    """

    def __init__(
        self, site: Site, make_slot: Callable[[str, Callable[[], None]], Slot], journal: Journal | None = None
    ) -> None:
        self._site = site
        self._wake = Wake()
        #: What has been done so far.
        self.journal = journal or Journal(site.logger)
        #: Why the loop has ended: this start was taken for dead, and another one may take its place; or its slots die.
        self.is_struck = self._hopeless = False
        self._scripts = DispatcherScripts(site.keys, site.manager, site.start, site.workers)
        # A BLMOVE that is left behind may claim a job for as long as it blocks: by then others may have forgotten this
        # start, and nobody would look into its lists again.
        self._session = Session(site, self._scripts, self, self._wake.ring, min(site.block, site.lease))
        self._crew = Crew(site.workers, lambda worker: make_slot(worker, self._wake.ring))
        self._adoptions = Adoptions(site.workers, site.manager, self._is_free)
        self._presence = Presence(self._session, self._scripts, f"{site.manager}.{site.start}", site.lease, self)
        standing = self._presence.standing
        self._exchanges = Exchanges(self._session, self._scripts, self._crew, self._adoptions, self.journal, standing)
        self._schedule = Schedule(self._session.main, self._scripts, self.journal, standing, self._exchanges.ask)
        self._exchanges.retried = self._schedule.note
        self._trimmer = Trimmer(self._session.main, self._scripts, self.journal, site.keep_dead, site.keep_dead_for)
        self._ready = threading.Event()
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
        """Do all of the above until stopped. Raises `CrashLoop` when the slots are not fit to live."""
        try:
            self._presence.open()
            self._session.open()
            while not self._departure.left:
                self._once(time.monotonic())
        finally:
            self._session.close()
            # What was cut off already has had its time.
            self._crew.end(0.0 if self._departure.killed else LAST_WORDS)
            if not self.is_struck:
                self.journal.end(self._departure.given_back)
            self._presence.close()
            self._wake.close()
            self._ready.set()
        if self._hopeless:
            raise CrashLoop(f"the worker processes of {self._site.manager} die at their start, again and again: {WHY}")

    def _once(self, now: float) -> None:
        self._session.settle()
        self._session.mind(now)
        self._presence.awake(now)
        self._gather(now)
        self._mind_slots(now)
        self._mind_end(now)
        leaving = self._departure.leaving
        self._exchanges.mind(now, may_ask=self._presence.known and not leaving)
        if not leaving:
            self._presence.mind(now)
        for each in (self._schedule, self._trimmer):
            each.mind(now, may_ask=self._presence.known and not leaving)
        self._knock(now)
        self._wait(now)

    def _gather(self, now: float) -> None:
        if self._departure.killed:
            return  # what a thread that was left behind still reports is nobody's any more
        for worker, reports in chain(self._crew.reports(now), self._crew.condemn(now)):
            self._note(worker, reports, now)

    def _note(self, worker: str, reports: Sequence[tuple[str, bytes, Report]], now: float) -> None:
        self._exchanges.pace.note([report[0] for _, _, report in reports], now)
        self.journal.jobs(worker, reports)
        self._exchanges.finished(worker, [job_id for job_id, _, report in reports if report[1] is None])
        for job_id, _, report in reports:
            if report[1] is not None:
                self._exchanges.ended(worker, job_id, report[1])

    def _mind_slots(self, now: float) -> None:
        if self._departure.killed:
            return
        for death in self._crew.died(now):
            slot = self._crew[death.worker].slot
            if death.ran is not None:
                outcome = death.outcome or crash_outcome(death.worker, slot.exit_reason())
                self._exchanges.ended(death.worker, death.ran, outcome)
                self._exchanges.dry = False  # it may come back
            if death.ran is not None or not slot.retired:
                self.journal.died(death.worker, death.ran, death.outcome)
            self._exchanges.release(death.worker, death.others)
        if self._crew.hopeless and not self._departure.is_quiet:
            self._hopeless = True
            self._departure.stop(now + LAST_WORDS)
        if not self._departure.is_quiet:
            self._crew.revive(now)
        self._take_back(now)

    def _take_back(self, now: float) -> None:
        """Take back what has waited too long behind another job, to be run elsewhere."""
        for worker, ids in self._crew.overdue(now):
            self._exchanges.release(worker, ids)

    def _is_free(self, worker: str) -> bool:
        return self._crew[worker].idle and not self._session.may_move_to(worker)

    # -- what the connections tell ------------------------------------------------------------------

    def main_up(self) -> None:
        """Register, unless this start is about to leave: it would be there for good."""
        if not self._departure.repeat():
            self._presence.register()

    @property
    def is_leaving(self) -> bool:
        """Whether goodbye is said."""
        return self._departure.leaving

    def enrolled(self) -> None:
        """Go on, and look for what a lost reply may have left in the workers' lists; what was said before is old."""
        self._exchanges.dry = False
        self.look(None)
        self._session.doubt_all()
        if not self._ready.is_set():
            self._ready.set()
            say(self._site.logger, logging.INFO, "ready", **self._site.about)

    def counted(self, lengths: Sequence[int], wait: float) -> None:
        """Look into the lists that hold more than is in hand, and see when a job is due; the bell should have told."""
        in_hand, each = self._exchanges.in_hand, zip(self._crew, lengths, strict=False)
        longer = [state.name for state, length in each if length > len(in_hand(state.name))]
        for worker in longer:
            self.look(worker)
        if self._schedule.heard(wait) or longer:
            self._session.bell.doubt()

    def rescued(self, start: str, what: Rescued) -> None:
        """Tell of jobs of a dead start that went back to the queues, and ask for them."""
        self.journal.rescued(start, what)
        self._exchanges.dry = False

    def struck(self) -> None:
        """End at once, and what runs with it: another one has these jobs now."""
        say(self._site.logger, logging.ERROR, "struck", start=self._site.start)
        self.is_struck = self._departure.left = self._departure.killed = True
        self._crew.kill()

    def main_down(self) -> None:
        """Keep what had no answer; it goes again."""
        self._exchanges.lost()
        self._schedule.gone()
        self._trimmer.gone()
        self._presence.gone()

    def knock_refused(self) -> None:
        """Ask: nothing else tells now whether there is a job."""
        self._exchanges.dry = False

    def knocked(self, worker: str, job_id: str, queue: str, peeked: Peeked | None) -> None:
        """Start what was moved to a worker; or adopt it, if others may have it since."""
        self._exchanges.knocked(worker, job_id, queue, peeked if self._presence.is_sure else None)

    def sent(self, letter: Letter) -> None:
        """Start what was sent to a worker; or look for it, if others may have it since."""
        self._exchanges.sent(letter if self._presence.is_sure else Letter(letter.worker))

    def claimed(self, worker: str, queue: str) -> None:
        """Adopt what may have been moved to a worker, unheard of."""
        self._adoptions.claimed(worker, queue)

    def look(self, worker: str | None) -> None:
        """Look into the list of this worker, or of all, for what was sent to it; and for what is due."""
        self._adoptions.look(worker)
        if worker is None:
            self.scheduled()

    def scheduled(self) -> None:
        """Ask when the next delayed job is due."""
        self._schedule.look()

    # -- knocks, and the end ------------------------------------------------------------------------

    def _knock(self, now: float) -> None:
        if self._departure.is_quiet:
            return
        takes = self._exchanges.takes_anything
        self._session.free_knocks(takes, now)
        if self._presence.known and self._exchanges.may_knock(now):
            self._session.knock([worker for worker in self._crew.idle() if takes(worker)])

    def _mind_end(self, now: float) -> None:
        at_rest = self._crew.resting and self._exchanges.at_rest
        all_done = at_rest and self._presence.settled and self._schedule.settled and self._exchanges.may_knock(now)
        if self._site.burst and not self._departure.is_quiet and all_done:
            self._departure.stop(now + LAST_WORDS)
        self._exchanges.quiet = self._departure.is_quiet
        self._departure.mind(now, at_rest=at_rest, release=self._exchanges.release)

    # -- the one place that waits -------------------------------------------------------------------

    def _wait(self, now: float) -> None:
        if self._departure.left:
            return
        poll = select.poll()
        if self._crew.watch(poll, now):
            poll.register(self._wake.fileno(), select.POLLIN)
        self._session.watch(poll)
        events = wait(poll, self._due)
        if not self._departure.killed:
            # At once: whatever is read or sent leaves the interpreter to threads, who give it back when they like.
            self._take_back(time.monotonic())
        if self._wake.fileno() in events:
            self._wake.clear()
        self._session.take(events)
        self._crew.take(events)

    def _due(self, now: float) -> float:
        """When something has to be looked at, whatever comes in."""
        # Often enough to tell a pause of this process by.
        times = [now + min(1.0, self._site.lease / 6), self._presence.due(), self._session.knocks_due()]
        times += [self._departure.due(now), self._crew.due(now, self._exchanges.pace), self._exchanges.due(now)]
        return min(*times, self._schedule.due_at, self._trimmer.due_at)
