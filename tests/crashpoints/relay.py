"""
A relay between one manager and its Redis that knows whole commands and whole replies, and strikes at one of them.

    before     the command has not been passed on
    withheld   Redis has answered, and the answer has not been passed on
    torn       half of the answer has been passed on
    after      the answer has been passed on

It notes every command, and of which jobs Redis has taken the outcome, whatever became of the reply.
"""

from __future__ import annotations

import selectors
import socket
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Literal

import attrs

from qw.wire import NOTHING, Reader
from tests.crashpoints.commands import Sent

Phase = Literal["before", "withheld", "torn", "after"]
Fault = Literal["kill", "cut"]


@attrs.frozen
class Point:
    """A moment in a manager's life: the n-th command of this name, and what is done to it."""

    name: str
    number: int
    phase: Phase
    fault: Fault

    def __str__(self) -> str:
        return f"{self.fault} {self.phase} {self.name} #{self.number}"


class _Stream(Reader):
    """A reader that also returns the bytes of what it has read."""

    def take(self) -> tuple[bytes, object] | None:
        before = bytes(self._buffer)
        value = self.get()
        return None if value is NOTHING else (before[: len(before) - len(self._buffer)], value)


class _Pair:
    """A connection of the manager, and ours to Redis for it."""

    def __init__(self, manager: socket.socket, server: socket.socket) -> None:
        self.manager, self.server = manager, server
        self.commands, self.replies = _Stream(), _Stream()
        #: Commands passed on and not answered, with the point that each is, if it is one.
        self.waiting: deque[tuple[Sent, bool]] = deque()
        #: Set when the manager's side is gone: what Redis still answers is only noted.
        self.is_cut = False

    def close_manager(self) -> None:
        """End the manager's side."""
        self.is_cut = True
        self.manager.close()

    @property
    def is_over(self) -> bool:
        """Whether nothing is to come any more that would have to be noted."""
        return self.is_cut and all(sent.blocks for sent, _ in self.waiting)


class Relay:
    """
    Listens on a free port for one manager, and strikes at `points`, one after the other.

    Each point but the first counts its commands from the strike before it.
    """

    def __init__(self, redis_port: int, points: Iterable[Point], kill: Callable[[], None]) -> None:
        self._redis_port = redis_port
        self._points = deque(points)
        self._kill = kill
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        #: Names of all commands that came, in their order.
        self.names: list[str] = []
        #: How often Redis has taken an outcome of each job.
        self.applied: Counter[str] = Counter()
        #: How many commands are blocked.
        self.armed = 0
        self._counts: Counter[str] = Counter()
        #: How many of the points came.
        self.struck = 0
        self._ended = False
        self._wake, self._rung = socket.socketpair()
        self._selector = selectors.DefaultSelector()
        self._pairs: set[_Pair] = set()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it when all that was passed on is answered."""
        self._wake.send(b"!")
        self._thread.join(10)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _run(self) -> None:
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._rung, selectors.EVENT_READ)
        while not self._ended or self._pairs:
            for key, _ in self._selector.select():
                if key.fileobj is self._listener:
                    self._accept()
                elif key.fileobj is self._rung:
                    self._end()
                elif key.data in self._pairs:
                    self._move(key.data, from_manager=key.fileobj is key.data.manager)
        self._selector.close()
        for each in (self._listener, self._wake, self._rung):
            each.close()

    def _end(self) -> None:
        self._rung.recv(10)
        self._ended = True
        for pair in list(self._pairs):
            self._cut(pair)

    def _accept(self) -> None:
        manager, _ = self._listener.accept()
        pair = _Pair(manager, socket.create_connection(("127.0.0.1", self._redis_port)))
        for each in (pair.manager, pair.server):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(each, selectors.EVENT_READ, pair)
        self._pairs.add(pair)

    def _move(self, pair: _Pair, *, from_manager: bool) -> None:
        if from_manager and pair.is_cut:
            return
        try:
            data = (pair.manager if from_manager else pair.server).recv(1 << 18)
        except OSError:
            data = b""
        if not data:
            self._cut(pair) if from_manager else self._drop(pair)
        elif from_manager:
            self._pass_commands(pair, data)
        else:
            self._pass_replies(pair, data)

    def _pass_commands(self, pair: _Pair, data: bytes) -> None:
        pair.commands.feed(data)
        while not pair.is_cut and (taken := pair.commands.take()):
            raw, words = taken
            assert isinstance(words, list)
            sent = Sent.of(words)
            self.names.append(sent.name)
            self._counts[sent.name] += 1
            is_it = self._is_point(sent.name)
            if is_it and self._strikes("before"):
                self._strike(pair)
                return
            pair.waiting.append((sent, is_it))
            self.armed += sent.blocks
            pair.server.sendall(raw)

    def _is_point(self, name: str) -> bool:
        return bool(self._points) and (name, self._counts[name]) == (self._points[0].name, self._points[0].number)

    def _strikes(self, phase: Phase) -> bool:
        return bool(self._points) and self._points[0].phase == phase

    def _pass_replies(self, pair: _Pair, data: bytes) -> None:
        pair.replies.feed(data)
        while taken := pair.replies.take():
            raw, reply = taken
            # What comes unasked is a message of a channel.
            sent, is_it = pair.waiting.popleft() if pair.waiting else (Sent("a message"), False)
            self.applied.update(sent.taken(reply))
            self.armed -= sent.blocks
            if is_it and self._strikes("withheld"):
                self._strike(pair)
            is_torn = is_it and self._strikes("torn")
            if not pair.is_cut:
                with suppress(OSError):
                    pair.manager.sendall(raw[: len(raw) // 2] if is_torn else raw)
            if is_torn or (is_it and self._strikes("after")):
                self._strike(pair)
        if pair.is_over:
            self._drop(pair)

    def _strike(self, pair: _Pair) -> None:
        self.struck += 1
        self._counts.clear()
        if self._points.popleft().fault == "kill":
            self._points.clear()
            self._kill()
            for each in list(self._pairs):
                self._cut(each)
        else:
            self._cut(pair)

    def _cut(self, pair: _Pair) -> None:
        if not pair.is_cut:
            self._selector.unregister(pair.manager)
            pair.close_manager()
        if pair.is_over:
            self._drop(pair)

    def _drop(self, pair: _Pair) -> None:
        if pair not in self._pairs:
            return
        self._pairs.discard(pair)
        self.armed -= sum(sent.blocks for sent, _ in pair.waiting)
        self._selector.unregister(pair.server)
        pair.server.close()
        if not pair.is_cut:
            self._selector.unregister(pair.manager)
            pair.close_manager()
