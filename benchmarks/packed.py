"""
The bytes that qw sends to Redis, made before the time runs, and a sender that does nothing else.

    queue_calls       what `queue_jobs` sends, a chunk of jobs each
    exchange_calls    what a manager with two busy workers sends: each finishes what the one before has dealt
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterable, Sequence
from typing import cast

from redis.exceptions import ResponseError

from benchmarks.jobs import typed
from benchmarks.setting import MANAGER
from qw.client._packing import chunks
from qw.client._queueing import head_of
from qw.keys import Keys
from qw.scripts import ClientScripts, DispatcherScripts, Plan
from qw.wire import NOTHING, Reader, pack

START = "packed"
WORKERS = (f"{MANAGER}.{START}.1", f"{MANAGER}.{START}.2")
READ = 1 << 18
#: More than any chunk has.
NO_LIMIT = 1 << 40

_KEYS = Keys()
_DISPATCHER = DispatcherScripts(_KEYS, MANAGER, START, WORKERS)


def queue_calls(ids: Iterable[str]) -> list[bytes]:
    """Return the calls that queue typed jobs under these ids, up to a thousand each."""
    names = list(ids)
    head = head_of(ClientScripts(_KEYS), None, None, b"")
    jobs = list(typed(len(names)))
    return [head.payload(chunk, known=True) for chunk in chunks(names, jobs, elsewhere=False, most=NO_LIMIT)]


def words_of(call: bytes) -> list[str]:
    """Return the words of a packed command."""
    reader = Reader()
    reader.feed(call)
    return [word.decode() for word in cast("list[bytes]", reader.get())]


def register_call() -> bytes:
    """Return the call that makes the start known which the exchanges are of."""
    return pack(_DISPATCHER.register().eval())


def leave_call() -> bytes:
    """Return the call that takes it out again."""
    return pack(_DISPATCHER.leave().eval())


def exchange_calls(ids: Sequence[str], at_once: int) -> list[bytes]:
    """
    Return the calls that fetch and finish these jobs, so many in each, when they wait in this order.

    A script deals the oldest jobs to the two workers by turns, so it is known beforehand who gets which.
    """
    calls: list[bytes] = []
    done: list[tuple[str, Sequence[str]]] = []
    for at in range(0, len(ids) + at_once, at_once):
        dealt = ids[at : at + at_once]
        want = [(worker, at_once // len(WORKERS)) for worker in WORKERS] if dealt else []
        calls.append(pack(_DISPATCHER.exchange(Plan(done=done, want=want, number=len(calls))).evalsha()))
        done = [(worker, dealt[turn :: len(WORKERS)]) for turn, worker in enumerate(WORKERS)]
    return calls


class Sender:
    """A connection that sends packed commands, and looks at the answers only to see where they end."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reader = Reader()

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *error: object) -> None:
        self._socket.close()

    def send(self, calls: Iterable[bytes], under_way: int = 1) -> None:
        """Send commands, at most so many of them unanswered; raises redis-py's error when Redis answers with one."""
        waiting: deque[None] = deque()
        for call in calls:
            while len(waiting) >= under_way:
                self._receive()
                waiting.popleft()
            self._socket.sendall(call)
            waiting.append(None)
        for _ in waiting:
            self._receive()

    def _receive(self) -> None:
        while (reply := self._reader.get()) is NOTHING:
            self._reader.feed(self._socket.recv(READ))
        if isinstance(reply, ResponseError):
            raise reply
