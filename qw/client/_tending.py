"""What one who tends the buried jobs does: queue them again, or delete them."""

from __future__ import annotations

from collections.abc import Iterable

from qw.client._base import BaseClient
from qw.client._reading import chunked


class TendingClient(BaseClient):
    """
    Takes jobs out of all:dead. `get_dead_jobs` and `get_jobs` show them.

    Each of these is done once: when the connection breaks before Redis has answered, redis-py's error is raised, and
    `get_dead_jobs` tells which of the jobs are still there.
    """

    def requeue_dead_job(self, job_id: str) -> bool:
        """
        Queue a buried job again, as if that were done just now: it has all of its tries before it.

        It goes to the manager it was queued for, or to all. Returns False, and queues nothing, when it is not buried,
        or no job: then its id is forgotten, unless another program's key stands where the job should.
        """
        return self.requeue_dead_jobs([job_id])[0]

    def requeue_dead_jobs(self, ids: Iterable[str]) -> list[bool]:
        """Queue many buried jobs again, a thousand to a round trip; returns for each what `requeue_dead_job` does."""
        scripts = self._access.scripts
        return [said == 1 for chunk in chunked(ids) for said in self.call(scripts.requeue(chunk))]

    def delete_dead_job(self, job_id: str) -> bool:
        """Delete a buried job for good, with its result; returns False, and deletes nothing, when it is not buried."""
        return self.delete_dead_jobs([job_id])[0]

    def delete_dead_jobs(self, ids: Iterable[str]) -> list[bool]:
        """Delete many buried jobs, a thousand to a round trip; returns for each whether it was buried."""
        scripts = self._access.scripts
        return [was_there for chunk in chunked(ids) for was_there in self.call(scripts.delete(chunk))]
