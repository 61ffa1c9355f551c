"""
A slot that is a thread of its own.

It is a daemon, and no executor's: an executor joins its threads when the interpreter exits, so one
target that never ends would keep the whole program from ending. This one can be left behind.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from qw.slots.inline import InlineSlot
from qw.slots.limits import NONE, Limits
from qw.target import Target


class ThreadSlot(InlineSlot):
    """One worker's thread."""

    def __init__(self, worker: str, target: Target, wake: Callable[[], None], limits: Limits = NONE) -> None:
        super().__init__(worker, target, wake, limits)
        self._thread = threading.Thread(target=self.serve, name=worker, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()
