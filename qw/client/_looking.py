"""What one who looks at a queue does: managers, workers, lists, jobs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from qw.client._base import BaseClient
from qw.client._info import JobInfo
from qw.client._reading import Reading
from qw.keys import check_name


class LookingClient(BaseClient):
    """
    Reads, and changes nothing.

    Long lists are read in chunks, newest first. A job that comes in meanwhile shifts the others, so that one may be
    yielded twice; none that stays is missed. What Redis holds may be anything: see `qw.logs.safe` before it
    is shown.
    """

    def get_all_managers(self) -> list[str]:
        """Return the names of all managers, sorted."""
        return self._reading.managers()

    def get_manager_workers(self, manager_name: str) -> list[str]:
        """Return the names of a manager's workers, sorted."""
        return self._reading.workers([check_name(manager_name, "manager")])[0]

    def get_worker_pending_jobs(self, worker_name: str) -> Iterator[str]:
        """Yield the ids of what a worker has claimed, and of what was sent to it alone."""
        return self._list(check_name(worker_name, "worker"))

    def get_manager_queued_jobs(self, manager_name: str) -> Iterator[str]:
        """Yield the ids of the jobs that wait for one manager."""
        return self._list(check_name(manager_name, "manager"))

    def get_all_queued_jobs(self) -> Iterator[tuple[str | None, str]]:
        """
        Yield (manager, id) of all jobs that wait; None as manager for those that anyone may take.

        Round trips are as many as the longest list has thousands, and one more.
        """
        names: list[str | None] = [None, *self._reading.managers()]
        keys = self.key_names
        yield from self._reading.lists((name, keys.all_jobs if name is None else keys.jobs(name)) for name in names)

    def get_all_pending_jobs(self) -> Iterator[tuple[str, str]]:
        """
        Yield (worker, id) of all jobs that a worker has.

        Round trips are as many as the longest list has thousands, and two more.
        """
        of_managers = self._reading.workers(self._reading.managers())
        workers = sorted({worker for workers in of_managers for worker in workers})
        yield from self._reading.lists((worker, self.key_names.jobs(worker)) for worker in workers)

    def get_all_scheduled_jobs(self) -> Iterator[tuple[str, float]]:
        """
        Yield (id, when it is due as seconds since 1970) of all delayed jobs, the next one first.

        One that is due already is a moment away from its queue, or there is no manager to move it there.
        """
        return self._reading.scheduled()

    def get_dead_jobs(self) -> Iterator[str]:
        """Yield the ids of the jobs that were buried, the oldest first."""
        return self._reading.dead()

    def get_job(self, job_id: str) -> JobInfo | None:
        """Return what Redis knows of a job; None for an id without a hash."""
        return self.get_jobs([job_id])[0]

    def get_jobs(self, ids: Iterable[str]) -> list[JobInfo | None]:
        """Return what Redis knows of many jobs, in the same order, a thousand to a round trip."""
        return list(self._reading.jobs(ids))

    def get_stats(self) -> dict[str, int]:
        """Return the counters of `all:stats`: finished, dropped, buried, released."""
        return self._reading.stats()

    def _list(self, name: str) -> Iterator[str]:
        return (job_id for _, job_id in self._reading.lists([(name, self.key_names.jobs(name))]))

    @property
    def _reading(self) -> Reading:
        return Reading(self._access)
