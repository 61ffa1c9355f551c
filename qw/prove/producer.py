"""The producer: queues the planned jobs, each at its time, and notes which of them Redis has taken."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from redis.exceptions import RedisError

from qw.client import Client
from qw.errors import QueueUnsure
from qw.job import Job
from qw.prove.plan import PlannedJob
from qw.prove.work import Dawdle, Work

#: Seconds that a client waits for a Redis that is away.
PATIENCE: Final = 20.0
#: Seconds between two looks what is due.
_TURN: Final = 0.02


class Producer:
    """Queues the jobs of one trial, in a thread of its own."""

    def __init__(self, url: str, planned: Iterable[PlannedJob]) -> None:
        self._client = Client.from_url(url, patience=PATIENCE)
        self._planned = deque(planned)
        #: Ids that Redis has taken.
        self.accepted: set[str] = set()
        #: Ids of which nobody knows: the connection broke before the answer came.
        self.unsure: set[str] = set()
        #: Ids that Redis has refused.
        self.refused: set[str] = set()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="qw-prove-producer", daemon=True)

    def start(self) -> None:
        """Begin now: the plan's times count from here."""
        self._began = time.monotonic()
        self._thread.start()

    def finish(self, within: float) -> bool:
        """Wait until all is queued; returns whether it is."""
        self._thread.join(within)
        self._stopped = True
        return not self._thread.is_alive()

    def _run(self) -> None:
        while self._planned and not self._stopped:
            now = time.monotonic() - self._began
            due = []
            while self._planned and self._planned[0].at <= now:
                due.append(self._planned.popleft())
            for same, jobs in groupby(due, lambda job: (job.do == "foreign", job.manager, job.delay)):
                self._queue([*jobs], is_foreign=same[0])
            time.sleep(_TURN)

    def _queue(self, jobs: Sequence[PlannedJob], *, is_foreign: bool) -> None:
        ids = [job.job_id for job in jobs]
        try:
            if is_foreign:
                for job in jobs:
                    self._push(job)
            else:
                first = jobs[0]
                self._client.queue_jobs([_made(job) for job in jobs], first.manager, ids=ids, delay=first.delay or None)
        except QueueUnsure as error:
            self.unsure.update(error.ids)
            self.accepted.update(set(ids) - set(error.ids))
        except RedisError:
            (self.unsure if is_foreign else self.refused).update(set(ids) - self.accepted)
        else:
            self.accepted.update(ids)

    def _push(self, job: PlannedJob) -> None:
        """Queue as a program would that knows nothing of qw."""
        with self._client.pipeline(transaction=True) as commands:
            commands.hset(f"job:{job.job_id}", mapping={"qw:type": "qw.prove.Work", "do": "wait", "ms": str(job.ms)})
            commands.lpush(f"{job.manager}:jobs" if job.manager else "all:jobs", job.job_id)
            commands.execute()
        self.accepted.add(job.job_id)


def _made(job: PlannedJob) -> Job[object]:
    return Dawdle(job.ms) if job.do == "dawdle" else Work(job.do, job.ms)
