"""
Queueing: jobs go out in chunks, the next before the last is answered, and never twice without leave.

    chunks ──▶ waiting ──send──▶ flying (at most two) ──reply──▶ queued
                  ▲                │      │
                  │ refused for now│      │ the connection breaks
                  └────────────────┴──────┴─ if the caller accepts a second run, else QueueUnsure

What was not sent, and what Redis has refused for now, is sent again. A job whose call was sent and
not answered may be queued or not: nobody can tell once it may have run.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from functools import lru_cache

import attrs
from redis.exceptions import NoScriptError, RedisError

from qw.client._caller import Caller
from qw.client._connections import Connection
from qw.client._packing import Chunk
from qw.client._patience import Patience
from qw.errors import QueueUnsure, UnknownName, UsageError
from qw.job import JobId
from qw.scripts import Call, ClientScripts
from qw.wire import Argument, pack


@attrs.frozen(eq=False)
class Head:
    """What stands before the jobs in a call of the script, packed: by its SHA-1, and with its text."""

    by_sha: bytes
    by_text: bytes
    #: How many words that is, either way.
    words: int
    call: Call[int]

    def payload(self, chunk: Chunk, *, known: bool) -> bytes:
        """Return the call for a chunk; `known` says that Redis knows the script."""
        words, body = chunk.pack()
        return b"*%d\r\n%b%b" % (self.words + words, self.by_sha if known else self.by_text, body)


def head_of(scripts: ClientScripts, manager: str | None, worker: str | None, when: bytes) -> Head:
    """Return the head of the calls that queue to this target; `when` as in `qw.client._times`."""
    return _head(scripts, manager, worker, when) if when else _usual_head(scripts, manager, worker)


# For the few targets that a producer has; packing it takes a tenth of the time that queueing one job does.
@lru_cache(maxsize=256)
def _usual_head(scripts: ClientScripts, manager: str | None, worker: str | None) -> Head:
    return _head(scripts, manager, worker, b"")


def _head(scripts: ClientScripts, manager: str | None, worker: str | None, when: bytes) -> Head:
    call = scripts.queue((), manager, worker, when)
    by_sha, by_text = call.evalsha(), call.eval()
    return Head(_words(by_sha), _words(by_text), len(by_sha), call)


def _words(command: Iterable[Argument]) -> bytes:
    """Return a packed command without its first line, which says how many words it has."""
    return pack(command).partition(b"\r\n")[2]


def queue(caller: Caller, head: Head, chunks: Sequence[Chunk], *, retry_unsure: bool) -> list[JobId[object]]:
    """
    Queue chunks, and return the ids of their jobs; raises `QueueUnsure`, or another error: nothing was queued then.

    (What a signal handler raises meanwhile says nothing of that.)

    A single chunk goes straight to a connection that is there, as that of a producer of one job after the other: what
    `Queueing` keeps account of takes as long as the rest, in a process that has just woken. It does all else: many
    chunks, a connection that is still to be made, and what comes after an error.
    """
    begun = False
    connection = caller.connections.take_idle() if len(chunks) == 1 else None
    if connection is not None:
        (chunk,) = chunks
        try:
            connection.send(head.payload(chunk, known=True))
            begun = True
            reply = connection.receive()
            if not isinstance(reply, RedisError):
                head.call.parse(reply)
                return chunk.job_ids
            begun = False
        except RedisError as error:
            if begun and not retry_unsure:
                raise QueueUnsure(chunk.ids, str(error)) from error
        finally:
            caller.connections.take_back(connection)
    return Queueing(caller, head, chunks, retry_unsure=retry_unsure, begun=begun).run()


class Queueing:
    """
    One call of `queue_jobs`.

    1. Sends its chunks in order, over one connection as long as that holds.
    2. Sends again what was certainly not queued, as long as its patience lasts.
    3. Raises `QueueUnsure` with all that is left once anything is, or may be, queued.
    """

    def __init__(
        self, caller: Caller, head: Head, chunks: Iterable[Chunk], *, retry_unsure: bool, begun: bool = False
    ) -> None:
        self._caller = caller
        self._head = head
        self._retry_unsure = retry_unsure
        self._chunks = list(chunks)
        self._waiting = deque(self._chunks)
        self._flying: deque[Chunk] = deque()
        self._refused: list[Chunk] = []
        # Whether Redis knows the script, as far as is known.
        self._known = True
        # Whether any job is, or may be, queued.
        self._begun = begun

    def run(self) -> list[JobId[object]]:
        """Queue all of it, and return the ids; raises `QueueUnsure`, or another error: nothing was queued then."""
        patience = Patience(self._caller.patience)
        while self._waiting:
            try:
                with self._caller.connections.lend() as (connection,):
                    self._stream(connection, patience)
            except (RedisError, UnknownName, UsageError) as error:
                unsure = self._land(error)
                self._begun = self._begun or unsure
                again = self._retry_unsure or not unsure
                if again and isinstance(error, RedisError) and patience.pause(error):
                    continue
                if self._begun:
                    unsure_ids = [job_id for chunk in self._waiting for job_id in chunk.ids]
                    raise QueueUnsure(unsure_ids, str(error)) from error
                raise
        # In their own order: one that was refused for now may have been queued after the next.
        return [job_id for chunk in self._chunks for job_id in chunk.job_ids]

    def _stream(self, connection: Connection, patience: Patience) -> None:
        # The first chunk goes alone: its reply shows that Redis takes writes here, and knows the script.
        at_once = 1
        while self._waiting or self._flying:
            while self._waiting and len(self._flying) < at_once:
                # Noted when it is sent, not before: while this raises, the kernel has not taken its last byte,
                # so Redis has no whole command of it.
                connection.send(self._payload(self._waiting[0]))
                self._flying.append(self._waiting.popleft())
            is_packed = self._pack_next()
            at_once = 2 if self._receive(connection) and is_packed else 1
            patience.reward()

    def _payload(self, chunk: Chunk) -> bytes:
        try:
            return self._head.payload(chunk, known=self._known)
        except UsageError:
            raise
        except Exception as error:
            raise UsageError(f"a job has changed since it was checked: {error}") from error

    def _pack_next(self) -> bool:
        """Pack the next chunk while Redis is at work; returns False when that is told later: first come the replies."""
        try:
            if self._waiting:
                self._waiting[0].pack()
        except Exception:  # noqa: BLE001 - it is raised again when its turn comes
            return False
        return True

    def _receive(self, connection: Connection) -> bool:
        """Read one reply; returns False when the chunk is to be sent again."""
        reply = connection.receive()
        if isinstance(reply, RedisError):
            self._refused.append(self._flying.popleft())
            while self._flying:
                self._receive(connection)
            self._put_back()
            self._known = not isinstance(reply, NoScriptError)
            if self._known:
                raise reply
            return False
        self._head.call.parse(reply)
        self._flying.popleft().forget()
        self._known = self._begun = True
        return True

    def _land(self, error: Exception) -> bool:
        """Put back what has no good reply; returns whether any of it may be queued nevertheless."""
        unsure = len(self._flying) > (1 if isinstance(error, UnknownName) else 0)
        self._put_back()
        return unsure

    def _put_back(self) -> None:
        self._waiting.extendleft(reversed((*self._refused, *self._flying)))
        self._refused.clear()
        self._flying.clear()
