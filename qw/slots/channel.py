"""
The frames between a dispatcher and a process slot, and the dispatcher's end of them.

    down, a batch:         length (u32) · generation (u8) · lines (JSON, one job a line)
    up, nothing to run:    b'R'                                                               at first, and again
    up, what a job left:   b'O' · seconds (f32) · number (u64) · length (u32) · JSON of an Outcome
    up, before it begins:  b'T' · seconds (f32) · number (u64) · length (u32) · JSON: that, unless it ends in time
    up, last of all:       b'E' · 0 · 0 · 0                                                   it wants to be replaced

The number is the job's among all that the slot has run, from 0. A job that left nothing stands in the tally
alone (`tally`), which costs the slot no system call; what others leave is written before they are counted
there, and all of it before the next ticket is taken. So whatever a killed process had done is known. The slot
says that it has nothing to run when it has ended jobs since it said anything; before, the dispatcher looks at
the tally once in a while.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Final

from qw.slots._slot import Outcome, Report
from qw.slots.tally import RING, Tally

DOWN: Final = struct.Struct("<IB")
UP: Final = struct.Struct("<cfQI")
READY: Final = b"R"
#: Bytes of socket buffer asked for, each way: some hundred reports, each of which the kernel counts as about 800.
BUFFER: Final = 1 << 20


def pair() -> tuple[socket.socket, socket.socket]:
    """Make a connected pair of stream sockets with roomy buffers."""
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return ends


def pack_outcome(seconds: float, number: int, outcome: Outcome) -> bytes:
    """Pack what the job of this number left."""
    return _pack(b"O", seconds, number, outcome)


def pack_limit(seconds: float, number: int, outcome: Outcome) -> bytes:
    """Pack what is to become of the job of this number, which begins now, should it not end within these seconds."""
    return _pack(b"T", seconds, number, outcome)


def pack_end() -> bytes:
    """Pack the last word of a slot that wants to be replaced."""
    return UP.pack(b"E", 0.0, 0, 0)


def _pack(tag: bytes, seconds: float, number: int, outcome: Outcome) -> bytes:
    body = json.dumps([outcome.kind, outcome.ttl, outcome.body, outcome.fields]).encode()
    return UP.pack(tag, seconds, number, len(body)) + body


class Channel:
    """The dispatcher's end of a process slot's channel; nothing here blocks."""

    def __init__(self, end: socket.socket, tally: Tally) -> None:
        end.setblocking(False)
        self._socket = end
        self._tally = tally
        #: How many jobs have been told of by `reports`.
        self._told = 0
        self._out = bytearray()
        self._in = bytearray()
        #: Set when the other side has said that it is ready.
        self.ready = False
        #: Set when the other side has closed, or died: what it wrote before has all been read then.
        self.ended = False
        #: Set when the other side has said that it wants to be replaced.
        self.retired = False
        #: When the job that runs is to be cut off (`time.monotonic`), and how it ended then; None: it has no limit.
        self.limit: tuple[float, Outcome] | None = None
        self._limited = 0

    def fileno(self) -> int:
        """Return the descriptor for `select`, -1 when closed."""
        return self._socket.fileno()

    def wants_to_write(self) -> bool:
        """Whether bytes wait for the socket to take them."""
        return bool(self._out)

    def send(self, generation: int, lines: bytes) -> None:
        """Send a batch, as far as the socket takes it now."""
        self._out += DOWN.pack(len(lines), generation)
        self._out += lines
        self.write()

    def write(self) -> None:
        """Send what waits."""
        try:
            while self._out:
                sent = self._socket.send(self._out)
                del self._out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self._out.clear()  # the other side is gone; reading will say so, after its last reports

    @property
    def untold(self) -> int:
        """How many jobs have ended that `reports` has not told of; to ask costs no system call."""
        return self._tally.ended() - self._told

    def reports(self, *, dead: bool = False) -> list[Report]:
        """Return the reports that have arrived, in order; `dead`: what is not whole by now never will be."""
        # In this order: what any of these left is in the socket by now, so that each report gets its place.
        count = self._tally.ended()
        self._read()
        if self._in and not self.ready:
            self.ready = True
        out = self._cut()
        self.ended = self.ended or dead
        if self.ended:
            count = self._tally.ended()
        elif self._in:
            count = min(count, self._number_of_first())
        out += self._plain(count)
        if self._limited < self._told:
            self.limit = None
        return out

    def _read(self) -> None:
        try:
            while not self.ended:
                data = self._socket.recv(65536)
                if not data:
                    self.ended = True
                self._in += data
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True

    def _cut(self) -> list[Report]:
        """Take the whole frames, and with each the jobs before it that left nothing."""
        out: list[Report] = []
        data, at = self._in, 0
        try:
            while at < len(data) and (end := _end(data, at)) <= len(data):
                if end - at > len(READY):
                    out += self._take(data, at, end)
                at = end
        except (ValueError, TypeError):
            self.ended = True  # a target has written to a descriptor that is not its own
        del data[:at]
        return out

    def _take(self, data: bytearray, at: int, end: int) -> list[Report]:
        tag, seconds, number, _ = UP.unpack_from(data, at)
        if tag == b"E":
            self.retired = self.ended = True
            return []
        kind, ttl, body, fields = json.loads(data[at + UP.size : end])
        outcome = Outcome(kind, ttl, body, fields)
        if not self._told <= number <= self._tally.ended():
            raise ValueError("not a report")
        out = self._plain(number)
        if tag == b"T":
            self.limit, self._limited = (time.monotonic() + seconds, outcome), number
            return out
        self._told = number + 1
        return [*out, (seconds, outcome)]

    def _plain(self, count: int) -> list[Report]:
        """Return the reports of jobs that left nothing, up to so many jobs in all."""
        first, self._told = self._told, max(self._told, count)
        if self._told - first >= RING:
            self.ended = True  # no slot has so many in hand: a target has written into its memory
            return []
        return [(seconds, None) for seconds in self._tally.seconds(first, self._told)]

    def _number_of_first(self) -> int:
        """Return which job the frame is about of which a part has come; the first not told of if that is not known."""
        data = self._in
        return UP.unpack_from(data)[2] if len(data) >= UP.size else self._told

    def close(self) -> None:
        """Close this end: the slot ends when it has run what it holds."""
        self._socket.close()


def _end(data: bytearray, at: int) -> int:
    """Return where a frame ends, as far as is known; raises `ValueError` when none begins there."""
    if data[at] in READY:
        return at + len(READY)
    if data[at] not in b"OTE":
        raise ValueError("not a report")
    end = at + UP.size
    return end + UP.unpack_from(data, at)[3] if len(data) >= end else end
