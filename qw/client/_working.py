"""What a program does that runs jobs itself, without a `Manager`: register, fetch, finish."""

from __future__ import annotations

from collections.abc import Iterable

from qw.client._base import BaseClient
from qw.client.replies import checked
from qw.keys import check_name
from qw.wire import Argument


class WorkingClient(BaseClient):
    """Registers managers and workers as qw 0.1.1 did: without beats, so that they are never taken for dead."""

    def register_manager(self, name: str) -> None:
        """Add a manager to `all:managers`. Raises `BadName`, as all of these."""
        self._do("SADD", self.key_names.all_managers, check_name(name, "manager"))

    def deregister_manager(self, name: str) -> None:
        """Take a manager out of `all:managers`; its workers and its queue stay as they are."""
        self._do("SREM", self.key_names.all_managers, check_name(name, "manager"))

    def register_worker(self, manager: str, name: str) -> None:
        """Add a worker to its manager's set. Its name must be its own, unlike that of any manager too."""
        self.register_workers(manager, [name])

    def deregister_worker(self, manager: str, name: str) -> None:
        """Take a worker out of its manager's set; what is in its list goes back to where it came from."""
        self.deregister_workers(manager, [name])

    def register_workers(self, manager: str, names: Iterable[str]) -> None:
        """Add many workers to their manager's set."""
        key = self.key_names.workers(check_name(manager, "manager"))
        workers = [check_name(name, "worker") for name in names]
        if workers:
            self._do("SADD", key, *workers)

    def deregister_workers(self, manager: str, names: Iterable[str]) -> None:
        """Take many workers out of their manager's set; what is in their lists goes back to where it came from."""
        workers = [check_name(name, "worker") for name in names]
        call = self._access.scripts.deregister_workers(check_name(manager, "manager"), workers)
        self._access.caller.patiently(lambda: self._access.caller.call(call))

    def fetch_next_job(
        self, manager: str, worker: str, timeout: float | None = 10
    ) -> tuple[str, dict[str, str]] | tuple[None, None]:
        """
        Claim a job for a worker: from its own list, else its manager's, else all:jobs; return its id and its data.

        Waits `timeout` seconds for one, then returns `(None, None)`; 0 and None wait without end, as in Redis. A job
        that comes to any of the three lists ends the wait at once, but to the own list only while this client has
        nothing of it in hand: else it is found within 5 s. A new client starts with what the own list still holds.
        An id without a hash is dropped and counted, one whose key is no hash is buried, both are logged.

        Raises `UsageError` (`BadName` for a name) and, when Redis is away for too long, redis-py's errors; a job that
        was claimed then comes with the next call.
        """
        return self._fetching.next(manager, worker, timeout) or (None, None)

    def fetch_jobs(self, manager: str, worker: str, count: int) -> list[tuple[str, dict[str, str]]]:
        """
        Claim up to `count` jobs for a worker, in the order of `fetch_next_job`, without waiting, in one round trip.

        Returns at most 1,000 jobs or a MiB of them; an empty list when there is none.
        """
        return self._fetching.some(manager, worker, count)

    def finish_job(self, job_id: str, worker_name: str) -> bool:
        """
        Take a job that is done out of its worker's list, and delete it.

        Returns False, and does nothing, when it was taken away meanwhile: then it runs, or ran, elsewhere.
        """
        return self._fetching.finish([job_id], worker_name)[0]

    def finish_jobs(self, ids: Iterable[str], worker_name: str) -> list[bool]:
        """Finish many jobs in one round trip; returns for each what `finish_job` does."""
        return self._fetching.finish(list(ids), worker_name)

    def _do(self, *command: Argument) -> None:
        """Run a command that may be run twice."""
        self._access.caller.patiently(lambda: checked(self._access.caller.commands([command])[0]))
