"""`Manager`: starts workers, lets a dispatcher feed them, and stops them."""

from __future__ import annotations

import logging
import multiprocessing
import os
import secrets
import threading
from types import TracebackType
from typing import Final, get_args

from qw.client import Client
from qw.client.reach import check, shown
from qw.dispatcher import KEEP_DEAD, KEEP_DEAD_FOR, LEASE, Dispatcher, Journal, Site, Totals
from qw.errors import AlreadyStartedException, NotStartedException, RedisUnavailable, UsageError
from qw.keys import check_name
from qw.logs import say
from qw.manager._exit import stop_at_exit
from qw.manager._limits import check_descriptors
from qw.manager._making import LOGGER, Mode, StartMethod, default_name, make_client, make_site, slot_maker
from qw.manager._settings import Settings, check_grace
from qw.slots import births, interrupts
from qw.target import J, Target, TargetLike
from qw.units import is_whole

#: Seconds until a manager that could start must have connected.
READY: Final = 10.0


class Manager:
    """
    A manager: it starts workers, feeds them jobs, and stops them.

    `target` is a function, `f(job_id, job_data)` or `f(job: SomeJob)`, or a string that imports to one.
    The parameters up to `name` are those of qw 0.1.1: where Redis is, how many workers (default: one for
    each CPU), and the manager's name (default: the host's). The rest are given by keyword:

    - `mode`: "processes" for targets that compute, "threads" for those that wait (an `async def`
      target then runs as tasks on one event loop). In threads mode a target that holds the GIL for
      longer than the lease holds up the beat as well, and the manager is taken for dead.
    - `url`, or a `client`, in place of host, port and db; `namespace` as for `Client`.
    - `start_method`: how processes are born; default "fork", which works from a script without a
      `__main__` guard. "forkserver" and "spawn" are safe beside threads.
    - `grace`: seconds that running jobs get to end when the manager is stopped.
    - `burst`: stop when the queues are empty.
    - `lease`: seconds without a beat after which others take this manager for dead, and rescue its jobs; the
      same for all managers of one Redis.

    - `retries`: how often a job that raises is tried again; `timeout`: seconds that a job may run. Both where the
      `Options` of its class do not say.
    - `max_jobs`, `max_memory` (bytes, RSS): a worker process that has run so many, or is larger than that, is
      replaced between two jobs.
    - `keep_dead`, `keep_dead_for` (seconds): how many buried jobs all:dead keeps, and for how long; the same for all
      managers of one Redis. What is deleted is told in the log.

    It installs no signal handlers. One that nobody stopped is stopped when the interpreter exits.
    """

    def __init__(  # noqa: PLR0913 - each is a setting of its own, most often left alone
        self,
        target: TargetLike[J],
        host: str = "localhost",
        port: int = 6379,
        db: int = 0,
        num_workers: int | None = None,
        name: str | None = None,
        *,
        mode: Mode = "processes",
        url: str | None = None,
        client: Client | None = None,
        namespace: str | None = None,
        start_method: StartMethod | None = None,
        grace: float = 25.0,
        burst: bool = False,
        lease: float = LEASE,
        retries: int = 0,
        timeout: float | None = None,
        max_jobs: int | None = None,
        max_memory: int | None = None,
        keep_dead: int = KEEP_DEAD,
        keep_dead_for: float = KEEP_DEAD_FOR,
    ) -> None:
        if mode not in ("processes", "threads"):
            raise UsageError(f"mode {mode!r}: use 'processes' or 'threads'")
        if num_workers is not None and not is_whole(num_workers, 1):
            raise UsageError(f"num_workers {num_workers!r}: use 1 or more, or None for one for each CPU")
        self.name = check_name(default_name() if name is None else name, "manager")
        self.mode: Mode = mode
        self.num_workers = num_workers or os.cpu_count() or 1
        #: The part of its workers' names that no other start shares; '' before `start`.
        self.start_id = ""
        self._settings = Settings(
            grace=grace,
            burst=burst,
            lease=lease,
            retries=retries,
            timeout=timeout,
            max_jobs=max_jobs,
            max_memory=max_memory,
            keep_dead=keep_dead,
            keep_dead_for=keep_dead_for,
        )
        if start_method not in (None, *get_args(StartMethod)):
            raise UsageError(f"start_method {start_method!r}: use {' or '.join(map(repr, get_args(StartMethod)))}")
        self._context = multiprocessing.get_context(start_method or "fork")
        self._raw_target = target
        self._target: Target | None = None
        self._client = client or make_client(host, port, db, url, namespace)
        self._dispatcher: Dispatcher | None = None
        self._thread: threading.Thread | None = None
        #: Set when the dispatcher has ended. Waited for instead of its thread: one that Ctrl-C interrupts in its
        #: `join` is taken for dead by Python before 3.13, and is joined at once from then on.
        self._over = threading.Event()
        self._error: BaseException | None = None
        #: Held while one start takes the place of another: who tells the dispatcher something tells the right one.
        self._changing = threading.RLock()
        self._told_to_stop = self._told_to_be_quiet = False
        self._totals = Totals()

    @property
    def target(self) -> Target:
        """The target as it was understood; raises `TargetError` when it is none."""
        if self._target is None:
            self._target = Target.load(self._raw_target)
        return self._target

    @property
    def workers(self) -> tuple[str, ...]:
        """Names of the workers; none before `start`."""
        count = self.num_workers if self.start_id else 0
        return tuple(f"{self.name}.{self.start_id}.{n}" for n in range(count))

    @property
    def is_started(self) -> bool:
        """Whether it runs: `start` was called, and it has not stopped since."""
        return self._thread is not None

    @property
    def totals(self) -> Totals:
        """What this manager has done since it was started last."""
        return self._totals

    def start(self) -> None:
        """
        Start the workers; returns when they take jobs.

        Raises `AlreadyStartedException`; `TargetError` for a target that is not there or cannot be called;
        `RedisUnavailable`, `RedisRefused` or `RedisTooOld`; `UsageError` when the system allows too few open files.
        Nothing is registered then.
        """
        if self._thread is not None:
            raise AlreadyStartedException
        target = self.target
        if self.mode == "processes":
            check_descriptors(self.num_workers)
        with births.connecting():
            check(self._client.connection_pool, logger=LOGGER)
        if self._context.get_start_method() == "forkserver":
            births.preload(target.module)
        self._told_to_stop = self._told_to_be_quiet = False
        self._dispatcher = dispatcher = self._make_dispatcher(None)
        self._totals = dispatcher.journal.totals
        try:
            self._launch(dispatcher)
        except BaseException:  # no descriptors left, no Redis, Ctrl-C
            self._undo(dispatcher)
            raise

    def _make_dispatcher(self, journal: Journal | None) -> Dispatcher:
        self.start_id = secrets.token_hex(4)
        make_slot = slot_maker(self.mode, self.target, self._context, self._settings.limits)
        return Dispatcher(self._site(self.target), make_slot, journal)

    def _launch(self, dispatcher: Dispatcher) -> None:
        dispatcher.start_slots()
        self._run(dispatcher)
        if not dispatcher.wait_ready(READY):
            raise RedisUnavailable(f"Redis let {self.name} not register within {READY:g} s; the log says why")

    def _undo(self, dispatcher: Dispatcher) -> None:
        if self._thread is None:
            dispatcher.abandon()
        else:
            self.stop(0)

    @interrupts.postponed()
    def _run(self, dispatcher: Dispatcher) -> None:
        self._error = None
        self._over.clear()
        self._thread = threading.Thread(target=self._dispatch, args=(dispatcher,), name=f"qw-{self.name}", daemon=True)
        self._thread.start()
        stop_at_exit(self)

    def _dispatch(self, dispatcher: Dispatcher) -> None:
        try:
            dispatcher.run()
            while dispatcher.is_struck:
                dispatcher = self._start_over(dispatcher)
                dispatcher.run()
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits for the end
            # Which may be hours away, and nothing runs any more.
            say(LOGGER, logging.ERROR, "end", error=f"{type(error).__name__}: {error}")
            self._error = error
        finally:
            self._over.set()

    def _start_over(self, struck: Dispatcher) -> Dispatcher:
        """
        Come back under a new start, with new slots: others have taken this one for dead.

        Its process was stopped, starved or cut off for longer than the lease. What its slots did since is nobody's.
        """
        with self._changing:
            dispatcher = self._make_dispatcher(struck.journal)
            self._dispatcher = dispatcher
            if self._told_to_stop:
                dispatcher.stop(0)
            if self._told_to_be_quiet:
                dispatcher.quiet()
            dispatcher.start_slots()
        return dispatcher

    def _ended(self) -> None:
        self._thread = None
        if self._error is not None:
            raise self._error

    def _site(self, target: Target) -> Site:
        about = {
            "mode": self.mode,
            "workers": self.num_workers,
            "target": target.name,
            "redis": shown(self._client.connection_pool),
            "name": self.name,
        }
        return make_site(self.name, self.start_id, self.workers, self._client, about, self._settings)

    def quiet(self) -> None:
        """Take no more jobs; those taken are run. Raises `NotStartedException`."""
        with self._changing:
            self._told_to_be_quiet = True
            self._running().quiet()

    def stop(self, grace: float | None = None) -> None:
        """
        Finish what runs, give back what was not started, and leave; returns when that is done.

        A job that runs for longer than `grace` seconds (default: the manager's own) is cut off and given
        back as well. Raises `NotStartedException`, and `UsageError` for what is no number of seconds.
        """
        seconds = self._settings.grace if grace is None else check_grace(grace)
        with self._changing:
            dispatcher = self._running()
            self._told_to_stop = True
            dispatcher.stop(seconds)
        self._over.wait()
        self._ended()

    def join(self, timeout: float | None = None) -> None:
        """
        Wait until the manager has stopped, or for `timeout` seconds.

        Ctrl-C meanwhile stops the manager in good order, then raises `KeyboardInterrupt`; a second one
        cuts off what runs. Raises `NotStartedException`.
        """
        self._running()
        try:
            ended = self._over.wait(timeout)
        except KeyboardInterrupt:
            self._interrupted()
            raise
        if ended:
            self._ended()

    def _interrupted(self) -> None:
        try:
            self.stop()
        except KeyboardInterrupt:
            self.stop(0)

    def _running(self) -> Dispatcher:
        if self._dispatcher is None or self._thread is None:
            raise NotStartedException
        return self._dispatcher

    def __enter__(self) -> Manager:
        """Start, unless it is started already."""
        if self._thread is None:
            self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Stop, unless it has stopped already."""
        if self._thread is not None:
            self.stop()
