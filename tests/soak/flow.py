"""The flow of jobs through a soak: queued so that some always wait, buried ones deleted, all of them accounted for."""

from __future__ import annotations

import time
from typing import Final, cast

import redis

from qw.client import Client
from tests.soak.work import Doomed, Flaky, job_of

#: Jobs that may wait at a time: the manager is never without work, Redis never full.
MOST_WAITING: Final = 10_000
#: Jobs that are queued in one turn, at most; of a short run only a small part, or it would be over after a few turns.
BATCH: Final = 2_000
SHARE: Final = 0.01
#: Of a hundred jobs so many are queued with a delay, of so many seconds.
DELAYED: Final = 2
DELAY: Final = 0.3


class Flow:
    """
    Queues jobs and looks what has become of them, a turn at a time.

    1. `turn` until all are queued, or `stop` was called, and all are `done`.
    2. `accounts` then says what does not add up.
    """

    def __init__(self, plain: redis.Redis, client: Client, jobs: int) -> None:
        self._plain = plain
        self._client = client
        #: How many are to be queued.
        self.jobs = jobs
        self._batch = max(1, min(BATCH, round(jobs * SHARE)))
        self.queued = 0
        #: How many have come to their end, one way or the other.
        self.done = 0
        self._flaky = self._doomed = 0
        self._deleted = 0
        #: Seconds, `time.monotonic`: when one came to its end last.
        self._moved = time.monotonic()

    @property
    def is_over(self) -> bool:
        """Whether all jobs are queued, and at their end."""
        return self.queued == self.jobs == self.done

    @property
    def stands_still_for(self) -> float:
        """For how many seconds no job has come to its end."""
        return time.monotonic() - self._moved

    def stop(self) -> None:
        """Queue no more."""
        self.jobs = self.queued

    def turn(self) -> None:
        """Queue what there is room for, delete what is buried, and look how many are done."""
        waiting = self._plain.llen("all:jobs") + self._plain.zcard("all:scheduled")
        count = min(self._batch, self.jobs - self.queued, MOST_WAITING - waiting)
        if count > 0:
            self._queue(count)
        self._delete_buried()
        finished = cast("str | None", self._plain.hget("all:stats", "finished"))
        done = int(finished or 0) + self._deleted
        if done != self.done:
            self.done, self._moved = done, time.monotonic()

    def accounts(self) -> list[str]:
        """Return what does not add up, once all is over."""
        stats = cast("dict[str, str]", self._plain.hgetall("all:stats"))
        expected = {"finished": self.queued - self._doomed, "buried": self._doomed, "retried": self._flaky}
        # To be handed back because it would have had to wait is no event in the life of a job.
        names = sorted((stats.keys() | expected) - {"released"})
        return [
            f"{name}: {stats.get(name, 0)} instead of {expected.get(name, 0)}"
            for name in names
            if int(stats.get(name, 0)) != expected.get(name, 0)
        ]

    def _queue(self, count: int) -> None:
        jobs = [job_of(number) for number in range(self.queued, self.queued + count)]
        late = count * DELAYED // 100
        self._client.queue_jobs(jobs[late:])
        self._client.queue_jobs(jobs[:late], delay=DELAY)
        self._flaky += sum(isinstance(job, Flaky) for job in jobs)
        self._doomed += sum(isinstance(job, Doomed) for job in jobs)
        self.queued += count

    def _delete_buried(self) -> None:
        buried = cast("list[str]", self._plain.zrange("all:dead", 0, 999))
        if buried:
            with self._plain.pipeline() as pipeline:
                pipeline.zrem("all:dead", *buried)
                pipeline.delete(*(f"job:{job_id}" for job_id in buried))
                self._deleted += int(pipeline.execute()[0])
