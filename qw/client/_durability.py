"""
What `durable=True` stands for: the jobs would outlive the Redis process that has taken them.

    Redis                                  what is waited for
    append-only file, 7.2 or newer         WAITAOF: they are on the disk
    append-only file, appendfsync always   nothing: its reply comes when they are on the disk
    a replica                              WAIT: it has them as well
    none of these                          it is refused before anything is queued
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, cast

from redis.exceptions import RedisError

from qw.client._access import Access
from qw.client.replies import checked
from qw.client.server import info_fields, version_of
from qw.errors import NotDurable
from qw.wire import Argument, pack

#: The first version with WAITAOF.
_WITH_WAITAOF: Final = (7, 2)

_QUESTIONS: Final = (("INFO", "server"), ("INFO", "persistence"), ("INFO", "replication"))
_NO_WAY: Final = (
    "this Redis has neither an append-only file that can be waited for nor a replica: nothing was queued. "
    "Set appendonly yes (before Redis 7.2 with appendfsync always), or leave durable out"
)


class Durability:
    """
    One call of `queue_jobs` that is to be durable.

    It finds out what can be waited for, and waits for it when the jobs are queued. Raises `NotDurable`.
    """

    def __init__(self, access: Access) -> None:
        self._access = access
        self._run_id, self._command = access.caller.patiently(self._way)

    def _way(self) -> tuple[str, Sequence[Argument] | None]:
        """Return which Redis this is, and the command that waits, without the time; None: its reply is enough."""
        *infos, config = self._access.caller.commands([*_QUESTIONS, ("CONFIG", "GET", "appendfsync")])
        about: dict[str, str] = {}
        for info in infos:
            about.update(info_fields(checked(info)))
        run_id = about.get("run_id", "")
        if about.get("aof_enabled") == "1":
            if version_of(about) >= _WITH_WAITAOF:
                return run_id, ("WAITAOF", 1, 0)
            if isinstance(config, list) and b"always" in config:
                return run_id, None
        if about.get("connected_slaves", "0") != "0":
            return run_id, ("WAIT", 1)
        raise NotDurable((), _NO_WAY)

    def wait(self, ids: Sequence[str]) -> None:
        """Wait until the jobs that were just queued are safe, at most as long as the client's patience."""
        try:
            run_id, reached = self._reached(self._access.caller.patience)
        except RedisError as error:
            raise NotDurable(ids, f"Redis does not tell whether they would outlive it: {error}") from error
        if run_id != self._run_id:
            raise NotDurable(ids, "another Redis has taken over meanwhile, or it was restarted")
        if not reached:
            raise NotDurable(ids, "the append-only file, or a replica, did not follow in time")

    def _reached(self, seconds: float) -> tuple[str, bool]:
        # What is waited for is all that this Redis wrote before the last write of the same connection. One that has
        # queued nothing, since these jobs were there already, would wait for nothing: so this writes something.
        note = ("HINCRBY", self._access.keys.all_stats, "durable", 1)
        wait = () if self._command is None else pack((*self._command, int(1000 * seconds)))
        with self._access.connections.lend() as (connection,):
            connection.send(pack(("INFO", "server")) + pack(note) + bytes(wait), 3 if wait else 2)
            info, _ = connection.receive(), checked(connection.receive())
            said = checked(connection.await_reply(seconds)) if wait else 1
        # WAITAOF tells of its own file first, WAIT of how many replicas.
        count = cast("list[int]", said)[0] if isinstance(said, list) else cast("int", said)
        return info_fields(info).get("run_id", ""), count >= 1
