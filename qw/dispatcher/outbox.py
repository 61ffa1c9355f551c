"""
Outcomes on their way to Redis: gathered, sent with the next `exchange`, and kept until it has answered.

Each load of them has a number. One whose reply was lost is sent again as it was, alone and under its number:
Redis keeps the last one that it has applied, and applies none twice. (To look for the ids in the workers'
lists would not do: the same id may have been queued and claimed once more meanwhile.)
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
        #: Of the load that was sent last.
        self._number = 0
        #: Whether that load waits to be sent once more.
        self._again = False

    def __bool__(self) -> bool:
        return self._again or bool(self._next)

    @property
    def empty(self) -> bool:
        """Whether nothing waits, neither to be sent nor for an answer."""
        return not self._next and not self._sent

    def done(self, worker: str, ids: Iterable[str]) -> None:
        """Note that jobs finished and left nothing to keep."""
        self._next.done.setdefault(worker, []).extend(ids)

    def content(self, worker: str, job_id: str, outcome: Outcome) -> None:
        """Note an outcome that carries something."""
        self._next.contents.append(Content(outcome.kind, worker, job_id, outcome.ttl, outcome.body, outcome.fields))

    def release(self, worker: str, ids: Iterable[str]) -> None:
        """Note that these go back, unharmed; oldest first."""
        self._next.release.setdefault(worker, []).extend(ids)

    def ids(self, worker: str) -> list[str]:
        """Return the ids of a worker that are in the outbox."""
        return [*self._sent.ids(worker), *self._next.ids(worker)]

    def plan(self, adopt: list[Adopt], want: list[tuple[str, int]], *, rescued: bool = False) -> Plan:
        """Make the next exchange's plan, of what had no answer, or else of all that is gathered; it counts as sent."""
        if not self._again:
            self._sent, self._next = self._next, _Load()
            self._number += bool(self._sent)
        self._again = False
        load, number = self._sent, self._number if self._sent else 0
        return Plan(list(load.done.items()), load.contents, list(load.release.items()), adopt, want, number, rescued)

    def confirmed(self) -> None:
        """Forget what was sent: Redis has applied it."""
        self._sent = _Load()

    def lost(self) -> None:
        """Keep what was sent, as it is: no answer came, it goes again under its number."""
        self._again = bool(self._sent)
