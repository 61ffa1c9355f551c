"""Slots that are tasks: one event loop in one thread, and for each worker a task that runs one job at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from time import monotonic

from qw.slots.limits import NONE, Limits
from qw.slots.local import LocalSlot
from qw.slots.loops import new_event_loop
from qw.slots.runner import Runner
from qw.target import Target


class EventLoop:
    """The event loop that all task slots of a manager share; it ends with the last of them."""

    def __init__(self) -> None:
        self._loop = new_event_loop()
        self._thread = threading.Thread(target=self._run, name="qw-tasks", daemon=True)
        self._slots = 0
        self._over = False

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        while not self._over:
            # asyncio lets a SystemExit of any task end the loop, and a target may stop it: that is not its to end.
            with contextlib.suppress(BaseException):
                self._loop.run_forever()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the loop's thread, which starts with the first call; after the end, do nothing."""
        if self._thread.ident is None:
            self._thread.start()
        try:
            self._loop.call_soon_threadsafe(function)
        except RuntimeError:  # the loop is closed
            return

    def enter(self) -> None:
        """Count one more slot."""
        self._slots += 1

    def leave(self) -> None:
        """Count one less, in the loop's thread; the last one stops the loop."""
        self._slots -= 1
        if not self._slots:
            self._over = True
            self._loop.stop()


class TaskSlot(LocalSlot):
    """One worker's task."""

    def __init__(
        self, worker: str, target: Target, loop: EventLoop, wake: Callable[[], None], limits: Limits = NONE
    ) -> None:
        super().__init__(worker, wake, limits)
        self._run = Runner(target, worker, limits, self._clock).run_async
        self._loop = loop
        self._killed = False
        self._ready: asyncio.Event | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the task."""
        self._loop.enter()
        self._loop.call(self._begin)

    def _begin(self) -> None:
        self._ready = asyncio.Event()
        self._task = asyncio.get_running_loop().create_task(self._serve(self._ready))
        self._task.add_done_callback(lambda _: self._leave())

    def _leave(self) -> None:
        self._end()
        self._loop.leave()

    async def _serve(self, ready: asyncio.Event) -> None:
        while not self._closed:
            try:
                line = self._lines.popleft()
            except IndexError:
                self._ring()
                ready.clear()
                if not self._lines and not self._closed:
                    await ready.wait()
                continue
            self._began = began = monotonic()
            outcome = await self._run(line)
            if self._killed:
                return  # cut off by the manager: that is not the job's own end
            self._report((monotonic() - began, outcome))
            await asyncio.sleep(0)  # jobs that never wait must not keep the other tasks from running

    def kill(self) -> None:
        """Cancel what runs, and write it off: what it still reports is ignored."""
        self._killed = True
        self.close()
        self._ended.set()
        self._loop.call(lambda: self._task is not None and self._task.cancel())

    def _notify(self) -> None:
        self._loop.call(self._look)

    def _look(self) -> None:
        if self._ready is not None:
            self._ready.set()
