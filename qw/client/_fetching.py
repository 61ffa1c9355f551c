"""
Fetching: jobs for a worker that a program runs itself, the way qw 0.1.1 did.

    own list ─┐                                 nothing there? then block on all three at once,
    manager's ├─ fetch (one script) ─▶ in hand  and what comes is fetched the same way
    all:jobs ─┘

The worker's own list is its claim. What counts is what is found in it and not in hand, so a job
that was claimed while a reply got lost comes up again by itself.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Final, TypeVar

from redis.exceptions import OutOfMemoryError, RedisError

from qw.client._access import Access
from qw.client._knocks import SLICE, knocks
from qw.client._patience import Patience
from qw.errors import UsageError
from qw.keys import check_name
from qw.logs import say
from qw.scripts import Call
from qw.scripts.client import Fetched, Knock
from qw.units import is_number, is_whole

T = TypeVar("T")

#: A job as it is handed out: its id and its data.
Fresh = tuple[str, dict[str, str]]

#: Seconds between two looks while blocking is not possible, because Redis is full.
POLL: Final = 0.25

#: Jobs that one call finishes.
_CHUNK: Final = 1000

_LOGGER = logging.getLogger("qw.client")


class Hand:
    """What one worker was handed and has not finished."""

    def __init__(self) -> None:
        self.ids: set[str] = set()
        # Two threads that fetch for one worker must not be handed the same job.
        self.lock = threading.Lock()


class Fetching:
    """
    Hands out jobs, and takes them back when they are done.

    1. Claims what there is, or waits for what comes.
    2. Remembers for each worker what it has in hand; a new client knows of nothing, and hands out all.
    3. Gives back what was claimed in excess.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._caller = access.caller
        self._scripts = access.scripts
        self._hands: dict[str, Hand] = {}

    def next(self, manager: str, worker: str, timeout: float | None) -> Fresh | None:
        """Return a job, or None after `timeout` seconds; 0 and None wait without end, as in Redis."""
        manager, worker = _checked(manager, worker)
        if timeout is not None and not (is_number(timeout) and timeout >= 0):
            raise UsageError(f"timeout {timeout!r}: seconds, or None to wait without end")
        end = time.monotonic() + timeout if timeout else float("inf")
        patience = Patience(self._caller.patience)
        came: list[Knock] = []
        while True:
            jobs = self._claim(manager, worker, 1, patience, came)
            left = end - time.monotonic()
            if jobs or left <= 0:
                return jobs[0] if jobs else None
            came = self._wait(manager, worker, min(SLICE, left), patience)

    def some(self, manager: str, worker: str, count: int) -> list[Fresh]:
        """Return up to `count` jobs without waiting."""
        manager, worker = _checked(manager, worker)
        if not is_whole(count, 1):
            raise UsageError(f"count {count!r}: use a whole number, 1 or more")
        return self._claim(manager, worker, count, Patience(self._caller.patience))

    def finish(self, ids: Sequence[str], worker: str) -> list[bool]:
        """Finish jobs; False for those that were taken away meanwhile."""
        worker = check_name(worker, "worker")
        calls = [self._scripts.finish(worker, ids[at : at + _CHUNK]) for at in range(0, len(ids), _CHUNK)]
        # A reply may get lost. What is gone at the second attempt was finished by the first one.
        attempts = 0

        def attempt() -> list[bool]:
            nonlocal attempts
            attempts += 1
            good = (1,) if attempts == 1 else (1, -1)
            return [state in good for states in self._caller.calls(calls) for state in states]

        done = self._caller.patiently(attempt) if calls else []
        self._hand(worker).ids.difference_update(ids)
        return done

    def _hand(self, worker: str) -> Hand:
        return self._hands.setdefault(worker, Hand())

    def _claim(
        self, manager: str, worker: str, count: int, patience: Patience, came: Sequence[Knock] = ()
    ) -> list[Fresh]:
        hand = self._hand(worker)
        with hand.lock:
            hand.ids.difference_update(knock.job_id for knock in came)
            while True:
                fetched = self._run(self._scripts.fetch(manager, worker, count, hand.ids, came), patience)
                _report(worker, fetched)
                hand.ids.difference_update(fetched.gone)
                # It looks at so many useless ids in one call, and there may be more of them before a job.
                if fetched.jobs or not (fetched.dropped or fetched.buried):
                    break
            ids = {job_id for job_id, _ in fetched.jobs}
            for knock in came:
                # What several lists have sent at once goes back; what was sent to this worker alone stays with it.
                if knock.job_id not in ids and knock.manager != "":
                    self._run(self._scripts.release(worker, knock.manager, [knock.job_id]), patience)
            # Last of all: should anything raise before, they are found again.
            hand.ids |= ids
        return list(fetched.jobs)

    def _run(self, call: Call[T], patience: Patience) -> T:
        return self._caller.patiently(lambda: self._caller.call(call), patience)

    def _wait(self, manager: str, worker: str, seconds: float, patience: Patience) -> list[Knock]:
        """Block until a job comes to one of the lists; returns none after a while, and when Redis is away."""
        keys = self._access.keys
        own = keys.jobs(worker)
        # The own list only while it is empty: a job in hand would come up at once, again and again.
        sources: dict[bytes, str | None] = {} if self._hand(worker).ids else {own: ""}
        sources |= {keys.jobs(manager): manager, keys.all_jobs: None}
        try:
            came = knocks(self._access.connections, own, sources, seconds)
        except OutOfMemoryError:
            # A full Redis does not let BLMOVE wait; the fetch script gets through, and drains it.
            time.sleep(min(seconds, POLL))
            return []
        except RedisError as error:
            if not patience.pause(error):
                raise
            return []
        patience.reward()
        return came


def _checked(manager: str, worker: str) -> tuple[str, str]:
    manager, worker = check_name(manager, "manager"), check_name(worker, "worker")
    if manager == worker:
        raise UsageError(f"{worker!r} is the name of the manager as well: their lists would be one and the same")
    return manager, worker


def _report(worker: str, fetched: Fetched) -> None:
    for job_id in fetched.dropped:
        say(_LOGGER, logging.WARNING, "drop", job=job_id, worker=worker, reason="it has no hash")
    for job_id in fetched.buried:
        say(_LOGGER, logging.WARNING, "bury", job=job_id, worker=worker, reason="its key is not a hash")
