"""
What a process slot has done, in memory that it shares with its dispatcher: so many jobs ended, the next began then.

    count (u64) · began (f64, by the clock of `time.monotonic`) · seconds of the last jobs (f32 each, in a ring)

One side writes, the other reads, and neither waits or calls the system: to say that a job has ended costs a tenth of
a microsecond, and what a killed process had done stays here. (A message would cost the process more than all else that
it does for a job that does nothing.) The count is written last. A processor that orders writes less strictly than x86
may show it before the seconds: then one duration in the log is an old one, and nothing else depends on them but
how many jobs are fetched ahead.
"""

from __future__ import annotations

import mmap
import os
import socket
from contextlib import suppress
from typing import Final

#: Durations kept: more than a slot may have in hand at a time, and whoever reads looks before that many have ended.
RING: Final = 4096
_COUNT: Final = 8
_BEGAN: Final = 8
_SIZE: Final = _COUNT + _BEGAN + 4 * RING


class Tally:
    """One side's view of the memory of one slot."""

    def __init__(self, fileno: int) -> None:
        # It lives as long as somebody has it mapped, whatever becomes of the descriptor.
        self._map = mmap.mmap(fileno, _SIZE)
        memory = memoryview(self._map)
        began, seconds = memory[_COUNT : _COUNT + _BEGAN], memory[_COUNT + _BEGAN :]
        self._views = memory[:_COUNT].cast("Q"), began.cast("d"), seconds.cast("f")
        self._count: memoryview[int] | list[int] = self._views[0]
        self._began: memoryview[float] | list[float] = self._views[1]
        self._seconds: memoryview[float] | list[float] = self._views[2]

    @classmethod
    def make(cls, channel: socket.socket) -> Tally:
        """Make one, and send it through this socket to whoever has the other end. Raises `OSError` if none is left."""
        fileno = _memory()
        try:
            os.ftruncate(fileno, _SIZE)
            socket.send_fds(channel, [b"M"], [fileno])
            return cls(fileno)
        finally:
            os.close(fileno)

    @classmethod
    def receive(cls, channel: socket.socket) -> Tally:
        """Take the one that comes first of all through this socket. Raises `OSError` when its maker is gone."""
        _, filenos, _, _ = socket.recv_fds(channel, 1, 1)
        if not filenos:
            raise ConnectionError("the manager is gone")
        try:
            return cls(filenos[0])
        finally:
            os.close(filenos[0])

    def begin(self, now: float) -> None:
        """Say that the next job begins (`time.monotonic`)."""
        self._began[0] = now

    def note(self, seconds: float) -> None:
        """Say that the next job has ended, which took so long."""
        count = self._count[0]
        self._seconds[count % RING] = seconds
        self._count[0] = count + 1

    def ended(self) -> int:
        """How many jobs have ended; after `close`, when that was called."""
        return self._count[0]

    def began(self) -> float:
        """When the last job began that has begun (`time.monotonic`); 0.0 when none has."""
        return self._began[0]

    def seconds(self, first: int, end: int) -> list[float]:
        """Return how long each took of the jobs from number `first`, counted from 0, up to before `end`."""
        at, to = first % RING, end % RING
        ring = self._seconds
        return [*ring[at:to]] if at <= to else [*ring[at:], *ring[:to]]

    def close(self) -> None:
        """Let go of the memory, and of the descriptor that Python keeps of it."""
        if not self._map.closed:
            self._count, self._began, self._seconds = [*self._count], [0.0], [0.0] * RING
            for view in self._views:
                view.release()
            self._map.close()


def _memory() -> int:
    """Return a descriptor of memory without a name, or of a file without one where the system has no such thing."""
    with suppress(AttributeError, OSError):
        return os.memfd_create("qw")
    import tempfile  # half a megabyte, in each manager: hardly any system needs it

    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
