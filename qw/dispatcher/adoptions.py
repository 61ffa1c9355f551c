"""Which workers' own lists have to be looked into, and what is known of the jobs that wait there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from qw.scripts import Adopt


class Adoptions:
    """
    Lists to look into with the next exchange.

    A job comes into a worker's list by a knock, by a claim whose reply was lost, or because it was sent to
    this worker alone. Only of the first is it known which queue it came from; of the others that is `usual`,
    the manager's queue, unless whoever asks for the look knows better.
    """

    def __init__(self, workers: Sequence[str], usual: str) -> None:
        self._workers = workers
        self._usual = usual
        #: Worker → {id: its queue}, and the queue of any others.
        self._wanted: dict[str, tuple[dict[str, str], str]] = {}
        self._planned: list[Adopt] = []

    def __bool__(self) -> bool:
        return bool(self._wanted or self._planned)

    def look(self, worker: str | None, others: str | None) -> None:
        """Look into the list of this worker, or of all; jobs of unknown origin belong to the queue `others`."""
        for name in self._workers if worker is None else (worker,):
            self._want(name, {}, others)

    def knocked(self, worker: str, job_id: str, queue: str) -> None:
        """Look for this job, which came from `queue` ('' for all:jobs)."""
        self._want(worker, {job_id: queue}, None)

    def _want(self, worker: str, known: Mapping[str, str], others: str | None) -> None:
        if worker in self._workers:  # the bell rings for all managers
            before, usual = self._wanted.get(worker, ({}, self._usual))
            self._wanted[worker] = ({**before, **known}, usual if others is None else others)

    def plan(self, in_hand: Callable[[str], Sequence[str]]) -> list[Adopt]:
        """Make the plan for the next exchange; what is wanted from now on is for the one after it."""
        wanted, self._wanted = self._wanted, {}
        self._planned = [Adopt(worker, in_hand(worker), known, others) for worker, (known, others) in wanted.items()]
        return self._planned

    def done(self) -> frozenset[str]:
        """Note that the exchange has answered; returns the workers it looked for."""
        planned, self._planned = self._planned, []
        return frozenset(adopt.worker for adopt in planned)

    def lost(self) -> None:
        """Note that no answer came: what was planned is wanted still."""
        planned, self._planned = self._planned, []
        for adopt in planned:
            self._want(adopt.worker, adopt.knocked, adopt.others)
