"""
The one job in hand that was rescued before: a manager has died with it in hand, and perhaps of it.

Should it take this manager along as well, no other such job is in hand. So a job that kills whoever runs
it collects its five rescues and is buried, and each innocent that was near it has one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from qw.scripts import Batch

#: The field as it stands in a line.
MARK: Final = b'"qw:rescues"'


class RescuedInHand:
    """Knows which jobs in hand were rescued before: one, but for those found in a worker's own list."""

    def __init__(self) -> None:
        self._ids: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self._ids)

    def take(self, batch: Batch) -> None:
        """Note what a batch holds."""
        if MARK in batch.lines:
            lines = batch.lines.split(b"\n")
            self._ids.update(job_id for job_id, line in zip(batch.ids, lines, strict=True) if MARK in line)

    def ended(self, ids: Iterable[str]) -> bool:
        """Note that jobs are not in hand any more; returns whether one of them was rescued before."""
        if not self._ids:
            return False
        before = len(self._ids)
        self._ids.difference_update(ids)
        return len(self._ids) < before
