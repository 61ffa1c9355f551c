"""Slots that are tasks: one event loop in one thread, and for each worker a task that runs one job at a time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from time import monotonic
from typing import Final

from qw.slots.limits import NONE, Limits
from qw.slots.local import LocalSlot
from qw.slots.loops import new_event_loop
from qw.slots.runner import Runner
from qw.target import Target

#: Seconds that the loop stays without a slot: one may come in the place of one that was written off, and what a target
#: keeps from job to job may belong to this loop.
LINGER: Final = 1.0
#: Seconds that tasks and generators get to end which are still there when the loop does.
LAST_WORDS: Final = 1.0


class EventLoop:
    """
    The event loop that all task slots of a manager share, in a thread of its own.

    It ends a moment after the last of them; should another one come after that, there is a new one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._slots = 0
        self._loop: asyncio.AbstractEventLoop | None = None

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        while self._loop is loop:
            # asyncio lets a SystemExit of any task end the loop, and a target may stop it: that is not its to end.
            with contextlib.suppress(BaseException):
                loop.run_forever()
        # What a target has left behind, such as itself, when it does not listen to a cancellation.
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        with contextlib.suppress(BaseException):
            if tasks:
                loop.run_until_complete(asyncio.wait(tasks, timeout=LAST_WORDS))
        with contextlib.suppress(BaseException):
            loop.run_until_complete(asyncio.wait_for(loop.shutdown_asyncgens(), LAST_WORDS))
        loop.close()

    def call(self, function: Callable[[], object]) -> None:
        """Call a function in the loop's thread; after the end, do nothing."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it has just been closed
                loop.call_soon_threadsafe(function)

    def enter(self) -> None:
        """Count one more slot; the first one starts the loop. Raises `RuntimeError` when the system has no thread."""
        with self._lock:
            if self._loop is None:
                self._loop = loop = new_event_loop()
                try:
                    threading.Thread(target=self._run, args=(loop,), name="qw-tasks", daemon=True).start()
                except RuntimeError:
                    self._loop = None
                    loop.close()
                    raise
            self._slots += 1

    def leave(self) -> None:
        """Count one less, in the loop's thread; after the last one the loop ends, if no other comes."""
        with self._lock:
            self._slots -= 1
            if not self._slots and self._loop is not None:
                self._loop.call_later(LINGER, self._end, self._loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._lock:
            if not self._slots and self._loop is loop:
                self._loop = None
                loop.stop()


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

    @property
    def has_thread(self) -> bool:
        """All of them share one."""
        return False

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
