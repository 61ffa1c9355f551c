"""A start of a manager that died with a job in hand, before anybody who is struck comes: it is there to be rescued."""

from __future__ import annotations

import secrets
from pathlib import Path

import redis

from qw.dispatcher.liveness import MARK
from qw.dispatcher.neighbours import SUFFIX, directory
from tests.support.keyspace import text


class Dead:
    """
    All that is left of it: its beat, its worker, that worker's list, and a file of which nobody holds the lock.

    By the file whoever starts next on this host knows at once that it is dead, and nobody waits for a lease.
    """

    def __init__(self, manager: str) -> None:
        self._manager = manager
        # The files of all trials are in one directory, and those of other managers on this host are there as well.
        self._start = f"{manager}.{secrets.token_hex(4)}"
        self._worker = f"{self._start}.0"
        self.file: Path = directory() / f"{self._start}{SUFFIX}"

    def claims(self, plain: redis.Redis, job_id: str) -> None:
        """Die with the job that was queued last for all in hand."""
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.file.touch(mode=0o600)
        plain.sadd("all:managers", self._manager)
        plain.hset("all:beats", self._start, "7")
        plain.sadd(f"{self._manager}:workers", self._worker)
        claimed = plain.lmove("all:jobs", f"{self._worker}:jobs", "LEFT", "LEFT")
        assert claimed == job_id.encode()

    def is_forgotten(self, plain: redis.Redis) -> None:
        """
        Remove the mark, if it was struck off and nothing is in its list: it stays for two leases of those who work.

        To wait for that after each trial would take most of the time. One that recovers has a short lease, and
        when there is one it forgets this start as it does any other.
        """
        mark = text(plain.hget("all:beats", self._start))
        if not mark.startswith(MARK) or plain.exists(f"{self._worker}:jobs"):
            return
        plain.hdel("all:beats", self._start)
        plain.srem(f"{self._manager}:workers", self._worker)
        if not plain.exists(f"{self._manager}:workers"):
            plain.srem("all:managers", self._manager)
