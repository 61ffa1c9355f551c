"""
The exchange in flight, and what gathers for the next one.

    reports, hand-backs ──▶ outbox ──┐                       ┌──▶ batches to slots
    knocks, letters ──▶ adoptions ───┼──▶ exchange ──▶ reply ─┼──▶ refused, dropped: the journal
    room in slots ──▶ wants ─────────┘                       └──▶ is there more?
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from redis.exceptions import ResponseError

from qw.dispatcher.adoptions import Adoptions
from qw.dispatcher.crew import Crew
from qw.dispatcher.journal import Journal
from qw.dispatcher.outbox import Outbox
from qw.dispatcher.pace import LEISURELY, Pace
from qw.dispatcher.rescued import RescuedInHand
from qw.dispatcher.session import Session
from qw.scripts import Batch, DispatcherScripts, Exchanged, Letter, Peeked, Status
from qw.slots import Outcome

#: Seconds until it is asked again whether there is a job, where nothing tells: all that wait were rescued before.
ASK_AGAIN: Final = 0.05
#: Seconds in which the interpreter comes back from threads that wait.
AT_ONCE: Final = 0.001
#: Ids without a job that one exchange drops out of workers' own lists before it leaves the rest to the next.
MANY: Final = 1000


class Exchanges:
    """
    What one start of a manager sends to Redis and gets from there, one call at a time.

    1. It gathers outcomes and hand-backs, and keeps them until Redis has confirmed them.
    2. It asks for jobs for the slots that have room, until the queues are empty.
    3. It hands jobs to their slots.
    """

    def __init__(
        self,
        session: Session,
        scripts: DispatcherScripts,
        crew: Crew,
        adoptions: Adoptions,
        journal: Journal,
        standing: Callable[[Status], bool],
    ) -> None:
        self._session = session
        self._main = session.main
        self._scripts = scripts
        self._crew = crew
        self._adoptions = adoptions
        self._journal = journal
        self._standing = standing
        self._outbox = Outbox()
        self._rescued = RescuedInHand()
        self.pace = Pace()
        self.refusals = session.refusals.beside()
        #: Whether the queues were empty when it asked last.
        self.dry = False
        #: Whether jobs are still taken.
        self.quiet = False
        self.in_flight = False
        self._may_ask = False
        #: Who was to get jobs with the exchange in flight.
        self._asked: list[str] = []
        #: When to ask again although the queues seemed empty.
        self._ask_at = float("inf")
        #: Seconds until the first of those that are tried again with the exchange in flight; and who is told of it.
        self._next_try = float("inf")
        self.retried: Callable[[float], None] = lambda _seconds: None

    # -- what gathers -------------------------------------------------------------------------------

    def finished(self, worker: str, ids: Sequence[str]) -> None:
        """Note that jobs finished and left nothing to keep; hundreds at a time, so nothing is done for each."""
        if ids:
            self._out_of_hand(ids)
            self._outbox.done(worker, ids)

    def ended(self, worker: str, job_id: str, outcome: Outcome) -> None:
        """Note how a job ended that left something."""
        self._out_of_hand((job_id,))
        self._outbox.content(worker, job_id, outcome)

    def _out_of_hand(self, ids: Sequence[str]) -> None:
        self._adoptions.ended(ids)
        if self._rescued.ended(ids):
            self.dry = False

    def release(self, worker: str, ids: Sequence[str]) -> None:
        """Note that these go back to be run elsewhere; oldest first."""
        self._rescued.ended(ids)
        if others := self._adoptions.for_others(worker, ids):
            self._journal.released(worker, others)
            self._outbox.release(worker, others)
            self.dry = False

    def in_hand(self, worker: str) -> list[str]:
        """Return the ids that a worker's slot holds, and those whose outcome is not confirmed."""
        return [job_id for job_id, _ in self._crew[worker].held] + self._outbox.ids(worker)

    @property
    def at_rest(self) -> bool:
        """Whether nothing waits, to be sent, answered or adopted."""
        return self._outbox.empty and not self.in_flight and not self._adoptions

    # -- the call -----------------------------------------------------------------------------------

    def ask(self) -> None:
        """Note that there may be jobs in the queues."""
        self.dry = False

    def mind(self, now: float, *, may_ask: bool) -> None:
        """Send the next exchange, if that may be, and there is anything to send or to ask for."""
        self.pace.rest(now)
        self._may_ask = may_ask
        if not may_ask:
            return
        if now >= self._ask_at:
            self._ask_at, self.dry = float("inf"), False
        if self.in_flight or now < self.refusals.until:
            return
        want = [] if self.quiet else self._wants(now)
        if not self._outbox and not self._adoptions and (self.dry or not want):
            return
        plan = self._outbox.plan(self._adoptions.plan(self.in_hand), want, rescued=bool(self._rescued))
        for adopt in plan.adopt:
            self._session.doubt(adopt.worker)
        self.in_flight, self._asked = True, [worker for worker, _ in want]
        self._next_try = min((c.ttl for c in plan.contents if c.kind == "retry"), default=float("inf"))
        self._main.call(self._scripts.exchange(plan), self._exchanged)

    def _wants(self, now: float) -> list[tuple[str, int]]:
        wants = self._crew.wants(self.pace, now)
        return [(worker, count) for worker, count in wants if not self._adoptions.reserved(worker)]

    def _exchanged(self, reply: Exchanged | ResponseError) -> None:
        self.in_flight = False
        if isinstance(reply, ResponseError):
            self.lost()
            self.refusals.note(reply)
            return
        self.refusals.over()
        if not self._standing(reply.status):
            return
        self._journal.clock(reply.now)
        self._outbox.confirmed()
        self.retried(self._next_try)
        self._journal.refused(reply.refused)
        self._journal.dropped(reply.dropped)
        looked = self._hand_out(reply.batches)
        if len(reply.dropped) >= MANY:
            for worker in looked:
                self._adoptions.look(worker)  # there may be more of the kind in its list
        if self._asked:
            # Jobs that nobody could be given, since a worker's list is another program's key: asking at once again
            # would go on without end.
            stuck = reply.more and not (reply.batches or reply.dropped)
            self.dry = stuck or not reply.more
            self._ask_at = time.monotonic() + ASK_AGAIN if stuck or (reply.skipped and self.dry) else float("inf")
        self._asked = []

    def _hand_out(self, batches: Sequence[Batch]) -> frozenset[str]:
        """Give jobs to their slots; returns the workers whose own lists were looked into."""
        looked = self._adoptions.done(() if self.quiet else batches)
        now = time.monotonic()
        # Threads that run short jobs would keep the interpreter: they begin when all have theirs.
        alone = [len(batch.ids) for batch in batches] == [1]
        one_by_one = alone or self.pace.mean >= LEISURELY
        for batch in batches:
            worker = self._crew[batch.worker]
            if self.quiet or not worker.slot.alive:
                self.release(batch.worker, batch.ids)
                continue
            self._rescued.take(batch)
            worker.hand(batch, now, unasked=batch.worker in looked, keep_lines=self._journal.keeps_lines)
            if one_by_one and (alone or worker.slot.has_thread):
                one_by_one = self._let_begin(batch.worker)
        if any(batch.worker in looked for batch in batches):
            self._session.bell.doubt()  # a letter on its way may tell of what was found
        return looked

    def knocked(self, worker: str, job_id: str, queue: str, peeked: Peeked | None) -> None:
        """Start a job that was moved to a worker, if that is safe by what was seen of it; or else adopt it."""
        batch = peeked.batch if peeked else None
        if peeked is None or batch is None or batch.ids != [job_id] or not self._may_begin(batch):
            self._adoptions.knocked(worker, job_id, queue)
        elif self._standing(peeked.status):
            self._journal.clock(peeked.now)
            self.dry = self.dry and not peeked.more
            self._begin(batch)

    def sent(self, letter: Letter) -> None:
        """Start a job that the bell has brought to a worker, if that is safe; or else look for it."""
        batch = letter.batch
        if batch is None or self._adoptions.reserved(letter.worker) or not self._may_begin(batch):
            self._adoptions.look(letter.worker)
        else:
            self._adoptions.sent(*batch.ids)
            self._begin(batch)

    def _may_begin(self, batch: Batch) -> bool:
        """Whether a job can start at once, and is not in hand already; an exchange in flight may have found it too."""
        name, safe = batch.worker, not (self.in_flight or self.quiet) and batch.worker in self._crew
        return safe and self._crew[name].idle and not set(batch.ids).intersection(self.in_hand(name))

    def _begin(self, batch: Batch) -> None:
        """Start a job that was not asked for."""
        state = self._crew[batch.worker]
        state.hand(batch, time.monotonic(), unasked=True, keep_lines=self._journal.keeps_lines)
        self._let_begin(batch.worker)

    def _let_begin(self, worker: str) -> bool:
        """
        Leave the interpreter to a thread that has got a job just now; or it would wait until it is left by itself.

        Returns whether it came back at once, as from threads that wait: those that compute keep it for 5 ms each.
        """
        if not self._crew[worker].is_here:
            return True
        left = time.monotonic()
        time.sleep(0)
        return time.monotonic() - left < AT_ONCE

    def lost(self) -> None:
        """Note that no answer comes: what was sent goes again, and jobs may have been dealt unheard of."""
        self.in_flight = False
        self._outbox.lost()
        self._adoptions.lost()
        for worker in self._asked:
            self._adoptions.claimed(worker, "")
        self._asked = []

    # -- knocks -------------------------------------------------------------------------------------

    def may_knock(self, now: float) -> bool:
        """Whether the queues are empty as far as is known, so that only a knock tells of the next job."""
        quiet = self.dry and self._ask_at == float("inf")
        return quiet and not self._adoptions and not self.in_flight and now >= self.refusals.until

    def takes_anything(self, worker: str) -> bool:
        """Whether a job for a worker would start at once, whoever it is from."""
        return self._crew[worker].idle and not self._adoptions.reserved(worker)

    def due(self, now: float) -> float:
        """When `mind` wants to be called again, whatever comes in; infinity where it could do nothing."""
        if not self._may_ask:
            return float("inf")
        return min(self._ask_at, self.refusals.until) if self.refusals.until > now else self._ask_at
