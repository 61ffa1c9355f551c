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
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import attrs
from redis.connection import AbstractConnection
from redis.exceptions import ResponseError

from qw.dispatcher.crew import Crew
from qw.dispatcher.journal import Journal, crash_outcome
from qw.dispatcher.knocker import BLOCK
from qw.dispatcher.outbox import Outbox
from qw.dispatcher.pace import Pace
from qw.dispatcher.session import Session
from qw.dispatcher.wake import Wake
from qw.keys import Keys
from qw.logs import say
from qw.scripts import Adopt, Content, DispatcherScripts, Exchanged, Status
from qw.slots import Outcome, Slot

#: Seconds between two beats: a third of the lease.
BEAT: Final = 5.0
#: Seconds to wait after Redis refused an exchange (it is full, loading, read-only).
REFUSED_PAUSE: Final = 0.25
#: Seconds that the last words to Redis may take, after all else is over.
LAST_WORDS: Final = 2.0
NEVER: Final = math.inf


@attrs.frozen
class Site:
    """Where a dispatcher works: the names it goes by, and how it reaches Redis."""

    manager: str
    start: str
    workers: Sequence[str]
    keys: Keys
    connect: Callable[[], AbstractConnection]
    logger: logging.Logger
    #: What the line says that tells it is ready.
    about: Mapping[str, object]
    #: Leave when the queues are empty.
    burst: bool = False
    #: Seconds that a knock blocks at a time; no longer than `BLOCK`.
    block: float = BLOCK


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
        #: Worker → what is known of jobs that wait in its list: {id: queue}, and the queue of any others.
        self._adopts: dict[str, tuple[dict[str, str], str]] = {}
        self._in_flight = False
        self._asked = False
        self._dry = False
        self._registered = False
        self._ready = threading.Event()
        self._not_before = 0.0
        self._next_beat = NEVER
        self._quiet = False
        self._deadline = NEVER
        self._stop_begun = False
        self._killed = False
        self._leaving = NEVER
        self._left = False

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
        self._quiet = True
        self._wake.ring()

    def stop(self, grace: float) -> None:
        """Be gone in `grace` seconds: what runs may end until then, what was not started goes back at once."""
        self._deadline = min(self._deadline, time.monotonic() + grace)
        self.quiet()

    def wait_ready(self, timeout: float) -> bool:
        """Wait until jobs can be taken; returns whether that came within `timeout` seconds."""
        return self._ready.wait(timeout)

    # -- the loop -----------------------------------------------------------------------------------

    def run(self) -> None:
        """Do all of the above until stopped."""
        self._session.open()
        try:
            while not self._left:
                now = time.monotonic()
                self._session.settle()
                self._session.mind(now)
                self._gather(now)
                self._mind_slots(now)
                self._mind_stop(now)
                self._exchange(now)
                self._beat(now)
                self._knock(now)
                self._wait(now)
        finally:
            self._session.close()
            self._crew.end(LAST_WORDS)
            self._journal.end()
            self._wake.close()

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
        for worker, ran, others in self._crew.died(now):
            self._journal.crashed(worker, ran)
            if ran is not None:
                self._note(worker, ran, crash_outcome(worker))
            self._release(worker, others)
        if not self._quiet:
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
        if self._in_flight or not self._registered or now < self._not_before or self._leaving != NEVER:
            return
        want = [] if self._quiet else self._crew.wants(self._pace.depth())
        if not self._outbox and not self._adopts and (self._dry or not want):
            return
        adopts = [] if self._quiet else [self._adopt(worker) for worker in self._adopts]
        plan = self._outbox.plan(adopts, want)
        self._in_flight, self._asked = True, bool(want)
        self._session.main.call(self._scripts.exchange(plan), self._exchanged)

    def _adopt(self, worker: str) -> Adopt:
        known, others = self._adopts[worker]
        held = [job_id for job_id, _ in self._crew[worker].held]
        return Adopt(worker, held + self._outbox.ids(worker), known, others)

    def _exchanged(self, reply: Exchanged | ResponseError) -> None:
        self._in_flight = False
        if isinstance(reply, ResponseError):
            self._outbox.lost()
            self._not_before = time.monotonic() + REFUSED_PAUSE
            say(self._site.logger, logging.WARNING, "refused", error=str(reply))
            return
        if not self._standing(reply.status):
            return
        knocked, self._adopts = self._adopts, {}
        self._journal.clock(reply.now)
        self._journal.refused(self._outbox.confirmed(reply.refused))
        self._journal.dropped(reply.dropped)
        now = time.monotonic()
        for batch in reply.batches:
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
        self._quiet, self._left = True, True
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
        self._outbox.lost()
        self._in_flight = self._registered = False

    def knocked(self, worker: str, job_id: str | None, queue: str) -> None:
        """Adopt what was moved to a worker."""
        if job_id is None:
            self._not_before = time.monotonic() + REFUSED_PAUSE
            say(self._site.logger, logging.WARNING, "refused", error=queue)
        else:
            self._look(worker, {job_id: queue}, None)

    def look(self, worker: str | None, others: str | None) -> None:
        """Look into the list of this worker, or of all."""
        for name in self._site.workers if worker is None else (worker,):
            self._look(name, {}, others)

    def _look(self, worker: str, known: dict[str, str], others: str | None) -> None:
        if worker in self._crew:  # the bell rings for all managers
            before, usual = self._adopts.get(worker, ({}, f"{self._site.manager}:jobs"))
            self._adopts[worker] = ({**before, **known}, usual if others is None else others)

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
            if length > len(state.held) + len(self._outbox.ids(state.name)):
                self._look(state.name, {}, None)

    def _knock(self, now: float) -> None:
        for knocker in self._session.knockers:
            worker = knocker.armed_for
            if worker is not None:
                if self._quiet:
                    knocker.unblock(self._session.main)
                else:
                    knocker.release_if_busy(self._crew[worker].idle, now, self._session.main)
        if self._quiet or not self._dry or self._in_flight or self._adopts or now < self._not_before:
            return
        if not self._registered:
            return
        idle = self._crew.idle()
        for knocker, worker in zip(self._session.knockers, idle[-1:] + idle[:1], strict=False):
            knocker.arm(worker)

    # -- stopping -----------------------------------------------------------------------------------

    def _mind_stop(self, now: float) -> None:
        if self._site.burst and not self._quiet and self._dry and self._at_rest():
            self.stop(LAST_WORDS)
        if self._deadline == NEVER:
            return
        if not self._stop_begun:
            self._stop_begun = True
            for worker, ids in self._crew.take_back():
                self._release(worker, ids)
        if now >= self._deadline and not self._killed:
            self._killed = True
            self._crew.kill()
        self._leave(now)

    def _at_rest(self) -> bool:
        return self._crew.resting and self._outbox.empty and not self._in_flight and not self._adopts

    def _leave(self, now: float) -> None:
        at_rest = self._crew.resting and self._outbox.empty
        freed = all(knocker.armed_for is None for knocker in self._session.knockers)
        if self._leaving == NEVER and (at_rest and freed or now >= self._deadline + LAST_WORDS / 2):
            self._leaving = now + LAST_WORDS
            for knocker in self._session.knockers:
                knocker.link.close()
            self._session.main.call(self._scripts.leave(), self._gone)
        if now >= self._leaving or (at_rest and not self._session.main.up and now >= self._deadline):
            say(self._site.logger, logging.WARNING, "stop", why="Redis does not answer; another start clears up")
            self._left = True

    def _gone(self, _: int | ResponseError) -> None:
        self._left = True

    # -- the one place that waits -------------------------------------------------------------------

    def _wait(self, now: float) -> None:
        if self._left:
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
        times = [now + 1.0, self._next_beat, self._leaving, self._crew.due(now)]
        times += [when for when in (self._deadline, self._not_before) if when > now]
        times += [knocker.due() for knocker in self._session.knockers]
        return min(times)
