"""A slot that runs in whatever thread calls its `serve`: a Worker lends it the main thread of its process."""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from time import monotonic

from qw.slots._slot import Outcome
from qw.slots.limits import NONE, Limits
from qw.slots.local import LocalSlot
from qw.slots.runner import Runner
from qw.target import Target


class InlineSlot(LocalSlot):
    """One worker's jobs, run in the thread that calls `serve`."""

    def __init__(self, worker: str, target: Target, wake: Callable[[], None], limits: Limits = NONE) -> None:
        super().__init__(worker, wake, limits)
        runner = Runner(target, worker, limits, self._clock)
        self._run: Callable[[str], Outcome | None] = runner.run_any if target.is_async else runner.run
        self._serving = False
        self._ready: SimpleQueue[None] = SimpleQueue()

    @property
    def ready(self) -> bool:
        """Whether a thread serves it, and it is not told to end."""
        return self.born and super().ready

    @property
    def born(self) -> bool:
        """Whether a thread has ever served it."""
        return self._serving

    @property
    def has_thread(self) -> bool:
        """It has the one that serves it."""
        return True

    def start(self) -> None:
        """Do nothing: whoever lends its thread calls `serve`."""

    def serve(self) -> None:
        """Run jobs until the slot is closed."""
        self._serving = True
        self._wake()
        try:
            while not self._closed:
                try:
                    line = self._lines.popleft()
                except IndexError:
                    self._ring()
                    self._ready.get()
                    continue
                self._began = began = monotonic()
                outcome = self._run(line)
                self._report((monotonic() - began, outcome))
        finally:
            self._end()

    def kill(self) -> None:
        """Write the thread off: it cannot be cut off, and ends by itself or not; what it still reports is ignored."""
        self.close()
        self._ended.set()

    def _notify(self) -> None:
        self._ready.put(None)
