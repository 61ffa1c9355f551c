"""What a producer does: queue jobs, and wait for what comes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar, cast, overload

from qw.client._base import BaseClient
from qw.client._durability import Durability
from qw.client._packing import chunks
from qw.client._queueing import head_of, queue
from qw.client._times import Delay, Moment, when_of
from qw.client._waiting import Waiting
from qw.client.payload import AnyJob, Value
from qw.errors import UsageError
from qw.job import Job, JobId
from qw.keys import check_id, check_name

R = TypeVar("R")


class ProducingClient(BaseClient):
    """Queues typed and plain jobs, each once, and returns their results in their types."""

    @overload
    def queue_job(
        self,
        job_data: Job[R],
        manager: str | None = None,
        worker: str | None = None,
        *,
        id: str | None = None,
        delay: Delay | None = None,
        at: Moment | None = None,
        retry_unsure: bool = False,
        durable: bool = False,
    ) -> JobId[R]: ...

    @overload
    def queue_job(
        self,
        job_data: Mapping[str, Value],
        manager: str | None = None,
        worker: str | None = None,
        *,
        id: str | None = None,
        delay: Delay | None = None,
        at: Moment | None = None,
        retry_unsure: bool = False,
        durable: bool = False,
    ) -> JobId[None]: ...

    def queue_job(
        self,
        job_data: Job[R] | Mapping[str, Value],
        manager: str | None = None,
        worker: str | None = None,
        *,
        id: str | None = None,  # noqa: A002 - an id is called so everywhere
        delay: Delay | None = None,
        at: Moment | None = None,
        retry_unsure: bool = False,
        durable: bool = False,
    ) -> JobId[R] | JobId[None]:
        """
        Queue a job: a typed one, or a plain one as a mapping of fields to str, bytes, int or float.

        It goes to `worker` alone, which must be registered (with `manager`, if that is given too); else to
        `manager`, which may start later; else to whoever is first. Under an `id` that is still there nothing is
        queued.

        It may be run when `delay` (seconds or a timedelta) has gone by, or from the moment `at` on (a datetime, one
        without a time zone being local, or seconds since 1970), by the clock of Redis; what is past is now. Until
        then it waits in all:scheduled. One for a worker that is gone by then goes to that worker's manager.

        `durable=True` returns only when it would outlive the Redis that has it: when the append-only file (of Redis
        7.2 or newer, or one with `appendfsync always`) or a replica has it too. Raises `NotDurable` when that is not
        to be had, and nothing is queued; or when it is not reached within the client's patience, and the job is queued.

        Raises `UsageError` for what cannot be queued (`PayloadTooLarge` is one), `UnknownName` for a worker that is
        not registered, and redis-py's errors: nothing is queued then. Raises `QueueUnsure` when the connection breaks
        before Redis has answered: the job may be queued or not. `retry_unsure=True` sends it again, and it may run
        twice.
        """
        ids = None if id is None else [id]
        when = when_of(delay, at)
        (job_id,) = self._queue([job_data], manager, worker, ids, when, retry_unsure=retry_unsure, durable=durable)
        return cast("JobId[R]", job_id)

    @overload
    def queue_jobs(
        self,
        jobs: Iterable[Job[R]],
        manager: str | None = None,
        worker: str | None = None,
        *,
        ids: Iterable[str] | None = None,
        delay: Delay | None = None,
        at: Moment | None = None,
        retry_unsure: bool = False,
        durable: bool = False,
    ) -> list[JobId[R]]: ...

    @overload
    def queue_jobs(
        self,
        jobs: Iterable[Mapping[str, Value]],
        manager: str | None = None,
        worker: str | None = None,
        *,
        ids: Iterable[str] | None = None,
        delay: Delay | None = None,
        at: Moment | None = None,
        retry_unsure: bool = False,
        durable: bool = False,
    ) -> list[JobId[None]]: ...

    @overload
    def queue_jobs(
        self,
        jobs: Iterable[AnyJob],
        manager: str | None = None,
        worker: str | None = None,
        *,
        ids: Iterable[str] | None = None,
        delay: Delay | None = None,
        at: Moment | None = None,
        retry_unsure: bool = False,
        durable: bool = False,
    ) -> list[JobId[object]]: ...

    def queue_jobs(
        self,
        jobs: Iterable[AnyJob],
        manager: str | None = None,
        worker: str | None = None,
        *,
        ids: Iterable[str] | None = None,
        delay: Delay | None = None,
        at: Moment | None = None,
        retry_unsure: bool = False,
        durable: bool = False,
    ) -> list[JobId[R]] | list[JobId[None]] | list[JobId[object]]:
        """
        Queue many jobs, a thousand (or a MiB) to a call of Redis, and return their ids in the same order.

        All of them are checked before the first is sent. `delay` and `at` are for all of them; everything else is as
        in `queue_job`. The ids in `QueueUnsure` are those of the last jobs, in order: the jobs before them are queued.
        """
        when = when_of(delay, at)
        return self._queue(jobs, manager, worker, ids, when, retry_unsure=retry_unsure, durable=durable)

    def _queue(
        self,
        jobs: Iterable[AnyJob],
        manager: str | None,
        worker: str | None,
        ids: Iterable[str] | None,
        when: bytes,
        *,
        retry_unsure: bool,
        durable: bool,
    ) -> list[JobId[object]]:
        if manager is not None:
            manager = check_name(manager, "manager")
        if worker is not None:
            worker = check_name(worker, "worker")
        jobs = list(jobs)
        texts = None if ids is None else [*map(check_id, ids)]
        if texts is not None and len(texts) != len(jobs):
            raise UsageError(f"{len(texts)} ids for {len(jobs)} jobs: give one for each, or none")
        elsewhere = manager is not None or worker is not None
        checked = chunks(texts, jobs, elsewhere=elsewhere, most=self.max_payload)
        head = head_of(self._access.scripts, manager, worker, when)
        durability = Durability(self._access) if durable and jobs else None
        job_ids = queue(self._access.caller, head, checked, retry_unsure=retry_unsure)
        if durability:
            durability.wait(job_ids)
        return job_ids

    @overload
    def wait_job(self, job_id: JobId[R], timeout: float | None = None) -> R: ...

    @overload
    def wait_job(self, job_id: str, timeout: float | None = None) -> object: ...

    def wait_job(self, job_id: str, timeout: float | None = None) -> object:
        """
        Wait until a job is done, and return its result; None when its type has none.

        Any number of waiters get it, as long as it is kept. For an id that is a plain `str` it comes as the
        JSON says. Raises `JobFailed` with the remote error, `ResultGone` when it has expired, `UnknownJob` for an id
        of which nothing is left or was ever there, and Python's `TimeoutError` after `timeout` seconds.
        """
        return self._wait([job_id], timeout)[0]

    @overload
    def wait_jobs(self, ids: Iterable[JobId[R]], timeout: float | None = None) -> list[R]: ...

    @overload
    def wait_jobs(self, ids: Iterable[str], timeout: float | None = None) -> list[object]: ...

    def wait_jobs(self, ids: Iterable[str], timeout: float | None = None) -> list[R] | list[object]:
        """
        Wait until all of many jobs are done, and return their results in the same order.

        Raises what `wait_job` does, for the first job that is found without a result; the others go on.
        """
        return self._wait(list(ids), timeout)

    def _wait(self, ids: list[str], timeout: float | None) -> list[object]:
        return Waiting(self._access, ids, timeout).run()
