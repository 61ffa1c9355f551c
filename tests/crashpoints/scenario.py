"""The manager that is to be struck, as a process of its own, and the jobs it is given."""

from __future__ import annotations

import contextlib
import faulthandler
import inspect
import json
import logging
import multiprocessing
import os
import queue
import signal
import time
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Final

import attrs

from qw.errors import QwError
from qw.job import Job, Options, current_job
from qw.manager import Manager, _settings
from tests.conftest import Mode
from tests.support.targets import write_down

#: Whether a manager rescues the jobs of one that was killed.
RESCUES: Final = "lease" in inspect.signature(Manager).parameters
#: Seconds after which a manager that does not beat counts as dead; on one host nobody waits for it.
LEASE: Final = 1.5
#: The same for the one that recovers: it keeps the mark of a dead one for two of these.
LEASE_AFTER: Final = 0.15

#: The signal at which a manager writes into its log where each of its threads is.
TELL: Final = signal.SIGUSR1

#: What the jobs are told to do; in this order they are queued, in groups that are queued together.
GROUPS: Final[tuple[tuple[tuple[str, str], ...], ...]] = (
    (("plain", "nothing"),),
    (("result", "return"), ("failing", "raise")),
    # Short ones, so that more are fetched ahead; then one behind which the others would wait, so that they go back.
    (*((f"short{n}", "nothing") for n in range(6)), ("long", "wait"), *((f"behind{n}", "nothing") for n in range(3))),
    (("letter", "nothing"),),
    (("again", "raise once"),),
    (("delayed", "nothing"),),
    (("killer", "die"),),
)
#: The job in the hands of a manager that died before the first one starts: who comes rescues it.
ORPHAN: Final = "orphan"
#: The one that is queued for a while later, and how much later, in seconds.
DELAYED: Final = "delayed"
DELAY: Final = 0.03
#: The job that is sent to one worker alone, and the one that only a process may run.
LETTER: Final = "letter"
KILLER: Final = "killer"
#: How often a job is run when nothing else happens to it, if not once.
USUAL_RUNS: Final = {KILLER: 3, "again": 2}
#: Those that end in all:dead, and what their `qw:error` begins with.
BURIED: Final = {"failing": "ValueError", KILLER: "the worker's process"}


def groups(mode: Mode) -> list[dict[str, str]]:
    """Return what the jobs of each group are told to do, by their ids."""
    told = [dict(group) for group in GROUPS]
    return [group for group in told if mode == "processes" or KILLER not in group]


@attrs.frozen
class Task(Job[None]):
    """A job that leaves nothing."""

    ledger: str
    do: str


@attrs.frozen
class Question(Job[str]):
    """A job that leaves a result."""

    ledger: str
    do: str


@attrs.frozen
class Effort(Job[None]):
    """A job that is tried again."""

    ledger: str
    do: str
    options = Options(retries=1, backoff=0.01)


def job(do: str, ledger: str) -> Task | Question | Effort:
    """Make the job that is told to do this, and to write down in `ledger` that it did."""
    kinds: dict[str, type[Question | Effort]] = {"return": Question, "raise once": Effort}
    return kinds.get(do, Task)(ledger, do)


def target(job: Task | Question | Effort) -> str | None:
    """Write down that it begins, do what it is told, and write down that it ends."""
    mine = current_job()
    write_down(job.ledger, json.dumps(["start", mine.id, mine.worker]))
    if job.do == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if job.do == "wait":
        time.sleep(0.06)
    if job.do == "raise" or (job.do == "raise once" and mine.attempt == 1):
        raise ValueError("told to")
    write_down(job.ledger, json.dumps(["end", mine.id, mine.worker]))
    return "the result" if job.do == "return" else None


@attrs.frozen
class Place:
    """Where a manager works."""

    url: str
    name: str
    mode: Mode
    #: Where its log goes.
    log: str
    lease: float = LEASE

    def manager(self) -> Manager:
        """Make the manager."""
        # A shorter lease than is good for anybody: here nobody else is there to be taken for dead by mistake.
        vars(_settings)["SHORTEST_LEASE"] = 0.0
        options: dict[str, Any] = {"lease": self.lease} if RESCUES else {}
        return Manager(target, url=self.url, name=self.name, num_workers=1, mode=self.mode, grace=5.0, **options)


def live(place: Place) -> None:
    """Be a manager until SIGTERM."""
    # No event: a handler that sets one waits for ever if the thread that it interrupts is just looking at it.
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    signal.signal(signal.SIGTERM, lambda number, _: told.put(number))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with open(place.log, "a", 1) as log:  # noqa: PTH123 - for a stream
        faulthandler.register(TELL, log)
        logging.basicConfig(stream=log, level=logging.INFO, force=True, format="%(asctime)s %(levelname)s %(message)s")
        manager = place.manager()
        try:
            manager.start()
        except QwError as error:  # a connection was cut while it asked whether Redis is there
            logging.getLogger("qw.manager").warning("not started: %s", error)
            return
        while not _comes(told, within=0.1) and not _is_over(manager):
            pass
        with contextlib.suppress(Exception):
            manager.stop()


def _comes(told: queue.SimpleQueue[int], within: float) -> bool:
    try:
        told.get(timeout=within)
    except queue.Empty:
        return False
    return True


def _is_over(manager: Manager) -> bool:
    manager.join(timeout=0)
    return manager._thread is None  # noqa: SLF001 - it ends by itself only when something is wrong


@attrs.define
class Victim:
    """A manager's process."""

    process: ForkServerProcess

    @property
    def is_alive(self) -> bool:
        """Whether it runs."""
        return self.process.is_alive()

    def kill(self) -> None:
        """Kill it (SIGKILL)."""
        self.process.kill()

    def stop(self) -> None:
        """Ask it to leave (SIGTERM)."""
        self.process.terminate()

    def end(self, within: float) -> bool:
        """Wait for its end; returns False when it had to be killed after so many seconds: its log says where it was."""
        self.process.join(within)
        if not self.process.is_alive():
            return True
        if self.process.pid is not None:
            os.kill(self.process.pid, TELL)
        self.process.join(1)
        self.process.kill()
        self.process.join()
        return False


def forkserver() -> ForkServerContext:
    """Return what gives birth to managers in milliseconds: a process that has imported all they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__, "qw.dispatcher", "qw.slots.child", "redis.connection"])
    return context


def start(context: ForkServerContext, place: Place) -> Victim:
    """Start a manager."""
    process = context.Process(target=live, args=(place,))
    process.start()
    return Victim(process)
