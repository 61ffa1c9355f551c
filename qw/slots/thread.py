"""A slot that is a thread: an executor of exactly one, so that one that never ends can be left behind alone."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from qw.slots.inline import InlineSlot
from qw.slots.runner import Runner
from qw.target import Target


class ThreadSlot(InlineSlot):
    """One worker's thread."""

    def __init__(self, worker: str, target: Target, wake: Callable[[], None]) -> None:
        super().__init__(worker, Runner(target, worker).run, wake)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=worker)

    def start(self) -> None:
        """Start the thread."""
        self._executor.submit(self.serve)
        self._executor.shutdown(wait=False)  # it takes nothing else, and ends when `serve` does
