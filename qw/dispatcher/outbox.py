"""
Outcomes on their way to Redis: gathered, sent with the next `exchange`, and kept until it has answered.

An outcome whose reply was lost is sent again. Redis then finds its id no longer in the worker's list
and says refused; of such an id that means *known*, and is not told to anybody.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from qw.scripts import Adopt, Content, Plan
from qw.slots import Outcome


@attrs.define
class _Load:
    """What is gathered for one exchange; ids under their worker's name, in the order of running."""

    done: dict[str, list[str]] = attrs.field(factory=dict)
    contents: list[Content] = attrs.field(factory=list)
    release: dict[str, list[str]] = attrs.field(factory=dict)

    def __bool__(self) -> bool:
        return bool(self.done or self.contents or self.release)

    def ids(self, worker: str) -> list[str]:
        mine = [c.job_id for c in self.contents if c.worker == worker]
        return [*self.done.get(worker, ()), *mine, *self.release.get(worker, ())]


class Outbox:
    """The outcomes of one manager that Redis has not confirmed."""

    def __init__(self) -> None:
        self._next = _Load()
        self._sent = _Load()
        self._unsure: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self._next)

    @property
    def empty(self) -> bool:
        """Whether nothing waits, neither to be sent nor for an answer."""
        return not self._next and not self._sent

    def ended(self, worker: str, job_id: str, outcome: Outcome | None) -> None:
        """Note how a job ended."""
        if outcome is None:
            self.done(worker, job_id)
        else:
            self.content(Content(outcome.kind, worker, job_id, outcome.ttl, outcome.body, outcome.fields))

    def done(self, worker: str, job_id: str) -> None:
        """Note that a job finished and left nothing to keep."""
        self._next.done.setdefault(worker, []).append(job_id)

    def content(self, content: Content) -> None:
        """Note an outcome that carries something."""
        self._next.contents.append(content)

    def release(self, worker: str, ids: Iterable[str]) -> None:
        """Note that these go back, unharmed; oldest first."""
        self._next.release.setdefault(worker, []).extend(ids)

    def ids(self, worker: str) -> list[str]:
        """Return the ids of a worker that are in the outbox."""
        return [*self._sent.ids(worker), *self._next.ids(worker)]

    def plan(self, adopt: list[Adopt], want: list[tuple[str, int]]) -> Plan:
        """Make the next exchange's plan of all that is gathered; it counts as sent."""
        load, self._next = self._next, _Load()
        self._sent = load
        return Plan(list(load.done.items()), load.contents, list(load.release.items()), adopt, want)

    def confirmed(self, refused: frozenset[str]) -> frozenset[str]:
        """Forget what was sent; returns those of the refused that were really taken away meanwhile."""
        self._sent = _Load()
        known, self._unsure = self._unsure, frozenset()
        return refused - known

    def lost(self) -> None:
        """Put back what was sent, before all that came later: no answer came, it goes again."""
        load, later = self._sent, self._next
        if not load:
            return
        everyone = {*load.done, *load.release, *(c.worker for c in load.contents)}
        self._unsure = self._unsure.union(*(load.ids(worker) for worker in everyone))
        for worker, ids in later.done.items():
            load.done.setdefault(worker, []).extend(ids)
        for worker, ids in later.release.items():
            load.release.setdefault(worker, []).extend(ids)
        load.contents += later.contents
        self._next, self._sent = load, _Load()
