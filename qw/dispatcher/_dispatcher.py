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
from typing import Final

from redis.exceptions import ResponseError

from qw.dispatcher.adoptions import Adoptions
from qw.dispatcher.crew import Crew
from qw.dispatcher.departure import LAST_WORDS, NEVER, Departure
from qw.dispatcher.journal import Journal, crash_outcome
from qw.dispatcher.outbox import Outbox
from qw.dispatcher.pace import Pace
from qw.dispatcher.session import Session
from qw.dispatcher.site import Site
from qw.dispatcher.wake import Wake
from qw.logs import say
from qw.scripts import Content, DispatcherScripts, Exchanged, Status
from qw.slots import Outcome, Slot

#: Seconds between two beats: a third of the lease.
BEAT: Final = 5.0
#: Seconds to wait after Redis refused an exchange (it is full, loading, read-only).
REFUSED_PAUSE: Final = 0.25


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
        self._journal = Journal(site.logger)
        self._outbox = Outbox()
        self._pace = Pace()
        self._scripts = DispatcherScripts(site.keys, site.manager, site.start, site.workers)
        self._session = Session(site.connect, site.keys, site.manager, self, self._wake.ring, site.logger, site.block)
        self._crew = Crew(site.workers, lambda worker: make_slot(worker, self._wake.ring))
        self._adoptions = Adoptions(site.workers, f"{site.manager}:jobs")
        self._in_flight = False
        self._asked = False
        self._dry = False
        self._registered = False
        self._ready = threading.Event()
        self._not_before = 0.0
        self._next_beat = NEVER
        self._departure = Departure(self._session, self._crew, self._scripts.leave, site.logger)

    @property
    def journal(self) -> Journal:
        """What has been done so far."""
        return self._journal

    # -- from any thread ----------------------------------------------------------------------------

    def start_slots(self) -> None:
        """Give birth to the slots; before `run`, in the thread that is best to fork from."""
        self._crew.start()

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
        self._session.open()
        try:
            while not self._departure.left:
                now = time.monotonic()
                self._session.settle()
                self._session.mind(now)
                self._gather(now)
                self._mind_slots(now)
                self._mind_end(now)
                self._exchange(now)
                self._beat(now)
                self._knock(now)
                self._wait(now)
        finally:
            self._session.close()
            self._crew.end(LAST_WORDS)
            self._journal.end()
            self._wake.close()
            self._ready.set()

    def _gather(self, now: float) -> None:
        for worker, reports in self._crew.reports(now):
            self._pace.note(report[0] for _, _, report in reports)
            for job_id, line, report in reports:
                self._journal.job(worker, job_id, line, report)
                self._note(worker, job_id, report[1])

    def _note(self, worker: str, job_id: str, outcome: Outcome | None) -> None:
        if outcome is None:
            self._outbox.done(worker, job_id)
        else:
            content = Content(outcome.kind, worker, job_id, outcome.ttl, outcome.body, outcome.fields)
            self._outbox.content(content)

    def _mind_slots(self, now: float) -> None:
        if self._departure.killed:
            return
        for worker, ran, others in self._crew.died(now):
            self._journal.crashed(worker, ran)
            if ran is not None:
                self._note(worker, ran, crash_outcome(worker))
            self._release(worker, others)
        if not self._departure.is_quiet:
            self._crew.revive(now)
        for worker, ids in self._crew.overdue(now):
            self._release(worker, ids)

    def _release(self, worker: str, ids: Sequence[str]) -> None:
        if ids:
            self._journal.released(worker, ids)
            self._outbox.release(worker, ids)
            self._dry = False

    # -- exchange -----------------------------------------------------------------------------------

    def _exchange(self, now: float) -> None:
        if self._in_flight or not self._registered or now < self._not_before or self._departure.leaving:
            return
        want = [] if self._departure.is_quiet else self._crew.wants(self._pace.depth())
        if not self._outbox and not self._adoptions and (self._dry or not want):
            return
        plan = self._outbox.plan(self._adoptions.plan(self._in_hand), want)
        self._in_flight, self._asked = True, bool(want)
        self._session.main.call(self._scripts.exchange(plan), self._exchanged)

    def _in_hand(self, worker: str) -> list[str]:
        return [job_id for job_id, _ in self._crew[worker].held] + self._outbox.ids(worker)

    def _exchanged(self, reply: Exchanged | ResponseError) -> None:
        self._in_flight = False
        if isinstance(reply, ResponseError):
            self._lost()
            self._not_before = time.monotonic() + REFUSED_PAUSE
            say(self._site.logger, logging.WARNING, "refused", error=str(reply))
            return
        if not self._standing(reply.status):
            return
        knocked = self._adoptions.done()
        self._journal.clock(reply.now)
        self._journal.refused(self._outbox.confirmed(reply.refused))
        self._journal.dropped(reply.dropped)
        now = time.monotonic()
        for batch in reply.batches:
            if self._departure.is_quiet:
                self._release(batch.worker, batch.ids)
                continue
            worker = self._crew[batch.worker]
            worker.hand(batch, now, knocked=batch.worker in knocked, keep_lines=self._journal.keeps_lines)
        if self._asked:
            self._dry = not reply.more

    def _standing(self, status: Status) -> bool:
        """Act on how Redis sees this start; False when it may do nothing more."""
        if status == "missing":
            self._session.main.call(self._scripts.register(), self._enrolled)
        if status != "struck":
            return True
        say(self._site.logger, logging.ERROR, "struck", start=self._site.start)
        self._departure.left = True
        return False

    # -- what comes in ------------------------------------------------------------------------------

    def main_up(self) -> None:
        """Register, and look for what a lost reply may have left in the workers' lists."""
        self._session.main.call(self._scripts.register(), self._enrolled)

    def _enrolled(self, reply: Status | ResponseError) -> None:
        if isinstance(reply, ResponseError):
            say(self._site.logger, logging.WARNING, "refused", error=str(reply))
            self._next_beat = time.monotonic() + REFUSED_PAUSE
            return
        if not self._standing(reply):
            return
        self._registered, self._dry = True, False
        self._next_beat = time.monotonic() + BEAT
        self.look(None, "")
        if not self._ready.is_set():
            self._ready.set()
            say(self._site.logger, logging.INFO, "ready", **self._site.about)

    def main_down(self) -> None:
        """Keep what had no answer; it goes again."""
        self._lost()
        self._in_flight = self._registered = False

    def _lost(self) -> None:
        self._outbox.lost()
        self._adoptions.lost()

    def knocked(self, worker: str, job_id: str | None, queue: str) -> None:
        """Adopt what was moved to a worker."""
        if job_id is None:
            self._not_before = time.monotonic() + REFUSED_PAUSE
            say(self._site.logger, logging.WARNING, "refused", error=queue)
        else:
            self._adoptions.knocked(worker, job_id, queue)

    def look(self, worker: str | None, others: str | None) -> None:
        """Look into the list of this worker, or of all."""
        self._adoptions.look(worker, others)

    # -- beats and knocks ---------------------------------------------------------------------------

    def _beat(self, now: float) -> None:
        if now < self._next_beat or not self._session.main.up:
            return
        self._next_beat = now + BEAT
        if self._registered:
            self._session.main.call(self._scripts.beat(), self._beaten)
        else:
            self.main_up()

    def _beaten(self, reply: tuple[Status, Sequence[int]] | ResponseError) -> None:
        if isinstance(reply, ResponseError) or not self._standing(reply[0]):
            return
        for state, length in zip(self._crew, reply[1], strict=False):
            if length > len(self._in_hand(state.name)):
                self.look(state.name, None)

    def _knock(self, now: float) -> None:
        for knocker in self._session.knockers:
            worker = knocker.armed_for
            if worker is not None and not self._departure.is_quiet:
                knocker.release_if_busy(idle=self._crew[worker].idle, now=now, main=self._session.main)
        if self._departure.is_quiet or not self._registered or now < self._not_before:
            return
        if not self._dry or self._in_flight or self._adoptions:
            return
        idle = self._crew.idle()
        for knocker, worker in zip(self._session.knockers, idle[-1:] + idle[:1], strict=False):
            knocker.arm(worker)

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
        times = [now + 1.0, self._next_beat, self._departure.due(now), self._crew.due(now)]
        if self._not_before > now:
            times.append(self._not_before)
        times += [knocker.due() for knocker in self._session.knockers]
        return min(times)
