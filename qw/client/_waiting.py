"""
Waiting for results: block on `result:<id>` for a while, then ask where the job is, and so on.

BLMOVE from that list to itself wakes all who wait, leaves the result there for them, and its time to live.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Final

from redis.exceptions import OutOfMemoryError, RedisError

from qw.client._access import Access
from qw.client._knocks import SHORTEST
from qw.client._packing import PlainId
from qw.client._patience import Patience
from qw.client.replies import checked
from qw.errors import JobFailed, ResultGone, UndecodableJob, UnknownJob, UsageError
from qw.job import JobId
from qw.scripts.client import Place
from qw.units import is_number
from qw.wire import pack

#: Seconds that one BLMOVE blocks when a result is sure to come.
LONG: Final = 1.0
#: Where none may come: how long it blocks at first; it doubles up to `LONG`.
SHORT: Final = 0.02

#: Jobs that are asked for at a time.
WINDOW: Final = 1000

_PENDING = object()


class Waiting:
    """
    One wait for one or more jobs.

    1. Asks where they are, and notes the results of those that are done.
    2. Blocks on one that is not, and asks again; an outage of Redis is waited for.
    3. Raises the error of the first job that it finds to have none.
    """

    def __init__(self, access: Access, ids: Sequence[str], timeout: float | None) -> None:
        if timeout is not None and not (is_number(timeout) and timeout >= 0):
            raise UsageError(f"timeout {timeout!r}: seconds, or None to wait without end")
        self._access = access
        self._ids = ids
        self._timeout = timeout
        self._end = float("inf") if timeout is None else time.monotonic() + timeout
        self._patience = Patience(access.caller.patience)
        self._results: list[object] = [_PENDING] * len(ids)
        # What was learnt of jobs while they were alive: whether a result is to come.
        self._alive: dict[str, bool] = {}
        self._pause = SHORT

    def run(self) -> list[object]:
        """Return the results in the order of the ids."""
        left = list(range(len(self._ids)))
        while left:
            window, later = left[:WINDOW], left[WINDOW:]
            self._look(window)
            pending = [i for i in window if self._results[i] is _PENDING]
            left = pending + later
            if pending:
                # The last of them: by the time it is done the others mostly are.
                self._block(pending[-1], len(left))
        return self._results

    def _look(self, window: Sequence[int]) -> None:
        call = self._access.scripts.locate([self._ids[i] for i in window])
        places = self._access.caller.patiently(lambda: self._access.caller.call(call), self._patience)
        for i, place in zip(window, places, strict=True):
            if place.state == "alive":
                self._alive[self._ids[i]] = place.has_result
            else:
                self._results[i] = self._result(self._ids[i], place)

    def _result(self, job_id: str, place: Place) -> object:
        if place.state == "result":
            return _decoded(job_id, place.content)
        if place.state == "dead":
            raise JobFailed(job_id, place.error or "it was buried without a reason", place.traceback)
        if self._has_result(job_id):
            raise ResultGone(f"job {job_id} has run, and its result has expired or was deleted")
        return None

    def _has_result(self, job_id: str) -> bool:
        """Tell whether a job that is gone must have had a result; raises `UnknownJob` when nothing is known of it."""
        if isinstance(job_id, JobId) and job_id.job_type is not None:
            return bool(job_id.job_type.has_result)
        if isinstance(job_id, PlainId):
            return False
        if job_id not in self._alive:
            raise UnknownJob(f"there is no job {job_id}, and nothing of it is left: it was never queued, or is done")
        return self._alive[job_id]

    def _block(self, i: int, left: int) -> None:
        job_id = self._ids[i]
        seconds = min(self._slice(job_id), self._end - time.monotonic())
        if seconds <= 0:
            which = f"job {job_id} is" if left == 1 else f"{left} of {len(self._ids)} jobs are"
            raise TimeoutError(f"{which} not done after {self._timeout:g} s")
        key = self._access.keys.result(job_id)
        try:
            with self._access.connections.lend() as (connection,):
                connection.send(pack(("BLMOVE", key, key, "LEFT", "LEFT", f"{max(seconds, SHORTEST):.3f}")))
                checked(connection.await_reply(seconds))
        except OutOfMemoryError:
            # A full Redis does not let BLMOVE wait.
            time.sleep(min(seconds, SHORT * 5))
        except RedisError as error:
            if not self._patience.pause(error):
                raise
        else:
            self._patience.reward()

    def _slice(self, job_id: str) -> float:
        """Return for how long to block: without a result there is nothing that wakes."""
        if self._alive.get(job_id):
            return LONG
        self._pause = min(LONG, self._pause * 2)
        return self._pause


def _decoded(job_id: str, content: str) -> object:
    """Return the result, in its type when that is known; raises `JobFailed` when it is an error."""
    try:
        told: object = json.loads(content)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or not told.keys() & {"result", "error"}:
        raise UndecodableJob(f"the key result:{job_id} holds something that is no result")
    if "error" in told:
        raise JobFailed(job_id, str(told["error"]), str(told.get("traceback", "")))
    known = job_id.job_type if isinstance(job_id, JobId) else None
    if known is None:
        return told["result"]
    return known.decode_result(json.dumps(told["result"]))
