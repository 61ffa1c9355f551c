"""
Looking at what is in Redis: sets whole, lists in chunks, hashes many at a time.

A list is read from its head on, where jobs come in, while workers take from its tail. A job that comes in
meanwhile moves the others on, so one that is passed already may be seen again; none that stays is missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Final, TypeVar, cast

from qw.client._access import Access
from qw.client._caller import Command
from qw.client._info import JobInfo, info_of
from qw.client.replies import checked
from qw.keys import number_of, to_str

N = TypeVar("N")
T = TypeVar("T")

#: Ids, or hashes, that are read at a time.
CHUNK: Final = 1000


def chunked(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield items by the thousand."""
    iterator = iter(items)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk


class Reading:
    """Reads for one client, under the names of one namespace; an outage is waited for."""

    def __init__(self, access: Access) -> None:
        self._caller = access.caller
        self._keys = access.keys

    def managers(self) -> list[str]:
        """Return the names of the managers, sorted."""
        return self._sets([self._keys.all_managers])[0]

    def workers(self, managers: Sequence[str]) -> list[list[str]]:
        """Return the names of each manager's workers, sorted; one round trip for all."""
        return self._sets([self._keys.workers(manager) for manager in managers])

    def lists(self, keys: Iterable[tuple[N, bytes]]) -> Iterator[tuple[N, str]]:
        """Yield (name, id) of several lists; one round trip takes a chunk of every list."""
        left, at = list(keys), 0
        while left:
            replies = self._read([("LRANGE", key, at, at + CHUNK - 1) for _, key in left])
            chunks = [cast("list[bytes]", reply) for reply in replies]
            for (name, _), ids in zip(left, chunks, strict=True):
                for job_id in ids:
                    yield name, to_str(job_id)
            left = [pair for pair, ids in zip(left, chunks, strict=True) if len(ids) == CHUNK]
            at += CHUNK

    def dead(self) -> Iterator[str]:
        """Yield the ids of buried jobs, the oldest first."""
        return (job_id for job_id, _ in self._by_score(self._keys.all_dead))

    def scheduled(self) -> Iterator[tuple[str, float]]:
        """Yield (id, when it is due as seconds since 1970) of delayed jobs, the next one first."""
        return ((job_id, score / 1000) for job_id, score in self._by_score(self._keys.all_scheduled))

    def _by_score(self, key: bytes) -> Iterator[tuple[str, float]]:
        since, passed = b"-inf", 0
        while True:
            command = ("ZRANGEBYSCORE", key, since, "+inf", "WITHSCORES", "LIMIT", passed, CHUNK)
            (reply,) = self._read([command])
            words = iter(cast("list[bytes]", reply))
            pairs = list(zip(words, words, strict=True))
            for job_id, score in pairs:
                yield to_str(job_id), float(score)
            if len(pairs) < CHUNK:
                return
            # On from the last moment, past those of that moment: nobody's leaving can shift the rest.
            last = pairs[-1][1]
            passed = sum(score == last for _, score in pairs) + (passed if since == last else 0)
            since = last

    def jobs(self, ids: Iterable[str]) -> Iterator[JobInfo | None]:
        """Yield what is known of jobs; None for an id without a hash."""
        for chunk in chunked(ids):
            replies = self._attempt([("HGETALL", self._keys.job(job_id)) for job_id in chunk])
            for job_id, reply in zip(chunk, replies, strict=True):
                fields = {} if isinstance(reply, Exception) else _fields(reply)
                yield info_of(job_id, fields) if fields else None

    def stats(self) -> dict[str, int]:
        """Return the counters; what is none is left out."""
        (reply,) = self._read([("HGETALL", self._keys.all_stats)])
        counts = ((name, number_of(value)) for name, value in _fields(reply).items())
        return {name: count for name, count in counts if count is not None}

    def _sets(self, keys: Sequence[bytes]) -> list[list[str]]:
        replies = self._read([("SMEMBERS", key) for key in keys])
        return [sorted(map(to_str, cast("Iterable[bytes]", reply))) for reply in replies]

    def _read(self, commands: Sequence[Command]) -> list[object]:
        return self._caller.patiently(lambda: [checked(reply) for reply in self._caller.commands(commands)])

    def _attempt(self, commands: Sequence[Command]) -> list[object]:
        """As `_read`, but the error of one command stands in its place."""
        return self._caller.patiently(lambda: self._caller.commands(commands))


def _fields(reply: object) -> dict[str, str]:
    words = iter(map(to_str, cast("list[bytes]", reply)))
    return dict(zip(words, words, strict=True))
