"""`Worker`: one process that takes jobs by itself, without a manager: the same dispatcher, with one slot in it."""

from __future__ import annotations

import logging
import multiprocessing
import secrets
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from types import FrameType

from qw.client import Client
from qw.client.connect import dedicated
from qw.client.reach import check, shown
from qw.dispatcher import Dispatcher, Journal, Site
from qw.keys import check_name
from qw.manager._making import default_name
from qw.slots import interrupts
from qw.slots.inline import InlineSlot
from qw.target import J, Target, TargetLike

LOGGER = logging.getLogger("qw.worker")
#: Seconds that the connections may take to connect, or to answer while they do.
SOCKET_TIMEOUT = 5.0
#: Seconds: however long the job that runs may take.
FOREVER = 1e9


class Worker(multiprocessing.Process):
    """
    A worker that stands alone: `start()` it as a process, or call `run()` to become it.

    It is listed as a worker of `manager_name` (default: the host's name) under a name of its own, takes
    jobs sent to it, to that manager and to all, and runs them in the main thread of its process.
    `timeout` is how many seconds at a time it blocks in Redis while there is nothing to do (at most 5).

    SIGINT and SIGTERM let the job that runs end, and then the worker. Unlike a process of a manager it has
    nobody to replace it: a job that kills it is run again by another worker.
    """

    def __init__(
        self,
        client: Client,
        target: TargetLike[J],
        manager_name: str | None = None,
        timeout: float = 10,
    ) -> None:
        super().__init__()
        self.manager_name = check_name(default_name() if manager_name is None else manager_name, "manager")
        self.timeout = timeout
        # It crosses to another process as what it was made of, and lends no connection: only how to make one.
        self._client = client
        self._target = target
        self._start = secrets.token_hex(4)
        self._stop_reader, self._stop_writer = multiprocessing.Pipe(duplex=False)

    @property
    def worker_name(self) -> str:
        """
        The name under which it is listed, `<manager>.<start>.0`; `name` is that of the process.

        One that was taken for dead and came back goes by another one, which only its own process knows.
        """
        return f"{self.manager_name}.{self._start}.0"

    def run(self) -> None:
        """
        Take and run jobs until `shutdown` is called, here or in the process that started it.

        Raises `TargetError`, `RedisUnavailable`, `RedisRefused` or `RedisTooOld`; then nothing is registered.
        """
        target = Target.load(self._target)
        check(self._client.connection_pool, logger=LOGGER)
        self._changing = threading.Lock()
        self._dispatcher: Dispatcher | None = None
        self._told_to_stop = False
        threading.Thread(target=self._await_shutdown, name="qw-shutdown", daemon=True).start()
        journal: Journal | None = None
        with _stopping_signals(self.shutdown):
            while (dispatcher := self._run_once(target, journal)).is_struck:
                # It was taken for dead: it comes back under another name.
                journal, self._start = dispatcher.journal, secrets.token_hex(4)

    def _run_once(self, target: Target, journal: Journal | None) -> Dispatcher:
        slots: SimpleQueue[InlineSlot | None] = SimpleQueue()

        def make_slot(worker: str, wake: Callable[[], None]) -> InlineSlot:
            slot = InlineSlot(worker, target, wake)
            slots.put(slot)
            return slot

        def dispatch() -> None:
            try:
                dispatcher.run()
            finally:
                slots.put(None)

        dispatcher = Dispatcher(self._site(target), make_slot, journal)
        thread = threading.Thread(target=dispatch, name=f"qw-{self.worker_name}", daemon=True)
        with self._changing:
            self._dispatcher = dispatcher
            if self._told_to_stop:
                dispatcher.stop(FOREVER)
        thread.start()
        try:
            # More than one, when a job ran for so long that its slot was written off: this thread is late for the next.
            while (slot := slots.get()) is not None:
                slot.serve()
        finally:
            dispatcher.stop(0)
            thread.join()
        return dispatcher

    def shutdown(self) -> None:
        """Let the job that runs end, and then the worker; in the worker's process or in the one that started it."""
        self._stop_writer.send_bytes(b"stop")

    def _await_shutdown(self) -> None:
        self._stop_reader.poll(None)
        with self._changing:
            self._told_to_stop = True
            if self._dispatcher is not None:
                self._dispatcher.stop(grace=FOREVER)

    def _site(self, target: Target) -> Site:
        pool = self._client.connection_pool
        return Site(
            manager=self.manager_name,
            start=self._start,
            workers=(self.worker_name,),
            keys=self._client.key_names,
            connect=lambda: dedicated(pool, socket_timeout=SOCKET_TIMEOUT),
            logger=LOGGER,
            about={"mode": "worker", "target": target.name, "redis": shown(pool), "name": self.worker_name},
            block=self.timeout,
        )


@contextmanager
def _stopping_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Have SIGINT and SIGTERM stop the worker, for as long as it runs; elsewhere than in a main thread do nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}
    interrupts.outlive(*numbers, handler=handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
