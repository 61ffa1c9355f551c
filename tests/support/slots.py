"""Slots that run what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from qw.scripts import Batch
from qw.slots import Outcome
from qw.slots.inline import InlineSlot
from qw.target import Target
from tests.support.targets import succeed


def batch(worker: str, ids: Sequence[str]) -> Batch:
    """Return jobs as `exchange` brings them, without fields."""
    return Batch(worker, ids, b"\n".join(json.dumps([job_id]).encode() for job_id in ids))


class Idle(InlineSlot):
    """A slot that is ready, and never begins anything, since no thread serves it."""

    def __init__(self, name: str, wake: Callable[[], None] = lambda: None) -> None:
        super().__init__(name, Target.load(succeed), wake)
        self._serving = True


class Served(Idle):
    """A slot that runs what the test says, as soon as a test lends it a thread."""

    def __init__(
        self, name: str, run: Callable[[str], Outcome | None], wake: Callable[[], None] = lambda: None
    ) -> None:
        super().__init__(name, wake)
        self._run = run
