"""
Jobs that stand in a worker's own list in Redis and in nobody's hand, and which exchange adopts them.

    a knock moved it there       adopted at once; from then on it is like any other job of its queue
    a claim's reply was lost     so that anything may be there: all of it is adopted at once
    it was sent to this worker   adopted when the worker is free, or without a look when the bell has brought it; until
                                 then it waits there, whoever else is idle, and if it has to wait again it goes
                                 back there, not to another worker
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from qw.scripts import Adopt, Batch


class Adoptions:
    """
    What one dispatcher has to adopt.

    1. It says into which lists the next exchange looks, and keeps what comes in meanwhile for the one after.
    2. It knows which jobs in hand were sent to their worker alone.
    """

    def __init__(self, workers: Sequence[str], manager: str, is_free: Callable[[str], bool]) -> None:
        self._workers = workers
        #: Whether a worker is idle and no knock can move anything to it: what is in its list then was sent to it.
        self._is_free = is_free
        #: The queue of a job that was sent to one worker: where it goes when that worker is no more.
        self._usual = f"{manager}:jobs"
        #: Worker → {id: its queue}, and the queue of any others that are found there; None: those stay.
        self._wanted: dict[str, tuple[dict[str, str], str | None]] = {}
        #: Workers to whom something was sent.
        self._sent_to: set[str] = set()
        self._planned: list[Adopt] = []
        #: Those of the planned that look for what was sent.
        self._looked_at: set[str] = set()
        #: Jobs in hand that were sent to their worker alone.
        self._alone: set[str] = set()

    def __bool__(self) -> bool:
        """Whether there is something to look for now, or being looked for."""
        return bool(self._wanted or self._planned) or any(map(self._is_free, self._sent_to))

    def knocked(self, worker: str, job_id: str, queue: str) -> None:
        """Look for this job, which came from `queue` ('' for all:jobs)."""
        self._want(worker, {job_id: queue}, None)

    def claimed(self, worker: str, queue: str) -> None:
        """Look for whatever a claim without an answer has moved to a worker, from `queue` ('' for all:jobs)."""
        self._want(worker, {}, queue)

    def look(self, worker: str | None) -> None:
        """Look into the list of this worker, or of all, for what was sent to it."""
        # The bell rings for all managers.
        self._sent_to.update(self._workers if worker is None else {worker}.intersection(self._workers))

    def sent(self, job_id: str) -> None:
        """Note that a job is in hand that was sent to its worker alone: the bell has brought it."""
        self._alone.add(job_id)

    def _want(self, worker: str, known: Mapping[str, str], others: str | None) -> None:
        before, earlier = self._wanted.get(worker, ({}, None))
        self._wanted[worker] = ({**before, **known}, earlier if others is None else others)

    def reserved(self, worker: str) -> bool:
        """Whether this worker gets nothing from the queues, so that it becomes free for what was sent to it."""
        return worker in self._sent_to

    def plan(self, in_hand: Callable[[str], Sequence[str]]) -> list[Adopt]:
        """Make the plan for the next exchange; what is wanted from now on is for the one after it."""
        wanted, self._wanted = self._wanted, {}
        # Not beside a knock: what was sent could not be told from what was moved.
        self._looked_at = {name for name in self._sent_to if name not in wanted and self._is_free(name)}
        self._sent_to -= self._looked_at
        self._planned = [Adopt(worker, in_hand(worker), known, others) for worker, (known, others) in wanted.items()]
        self._planned += [Adopt(worker, in_hand(worker), {}, self._usual) for worker in self._looked_at]
        return self._planned

    def done(self, batches: Iterable[Batch]) -> frozenset[str]:
        """Note the answer to the exchange, and what is taken of it; returns the workers it looked for."""
        planned, self._planned = self._planned, []
        for batch in batches:
            if batch.worker in self._looked_at:
                self._alone.update(batch.ids)
        return frozenset(adopt.worker for adopt in planned)

    def lost(self) -> None:
        """Note that no answer came: what was planned is wanted still."""
        planned, self._planned = self._planned, []
        for adopt in planned:
            if adopt.worker in self._looked_at:
                self._sent_to.add(adopt.worker)
            else:
                self._want(adopt.worker, adopt.knocked, adopt.others)

    def ended(self, ids: Iterable[str]) -> None:
        """Note that jobs are not in hand any more."""
        if self._alone:
            self._alone.difference_update(ids)

    def for_others(self, worker: str, ids: Sequence[str]) -> Sequence[str]:
        """Return which of these others may have; the rest stays in the worker's list, and is looked for again."""
        kept = self._alone.intersection(ids)
        if not kept:
            return ids
        self._alone -= kept
        self._sent_to.add(worker)
        return [job_id for job_id in ids if job_id not in kept]
