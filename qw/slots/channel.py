"""
The frames between a dispatcher and a process slot, and the dispatcher's end of them.

    down, a batch:    length (u32) · generation (u8) · lines (JSON, one job a line)
    up, first of all: b'R'                                                       ready
    up, a report:     b'D' · seconds (f32)                                       finished, nothing to keep
                      b'O' · seconds (f32) · length (u32) · JSON of an Outcome   all else
    up, in between:   b'T' · seconds (f32) · length (u32) · JSON of an Outcome   that, unless the job reports in time
                      b'E' · 0 · 0                                               no more: it wants to be replaced

A slot writes each report before it takes its next ticket, so what a killed process had done is
still in the socket. That costs the slot a microsecond a job; the dispatcher does not wake for each,
since it looks at a busy slot once in a while only.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Final

from qw.slots._slot import Outcome, Report

DOWN: Final = struct.Struct("<IB")
DONE: Final = struct.Struct("<cf")
OTHER: Final = struct.Struct("<cfI")
READY: Final = b"R"
#: Bytes of frames looked at in one go: a run of `D` longer than that is taken in parts.
LONGEST_RUN: Final = 4096 * DONE.size
#: Bytes of socket buffer asked for, each way: some hundred reports, each of which the kernel counts as about 800.
BUFFER: Final = 1 << 20


def pair() -> tuple[socket.socket, socket.socket]:
    """Make a connected pair of stream sockets with roomy buffers."""
    ends = socket.socketpair()
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
    return ends


def pack_report(seconds: float, outcome: Outcome | None) -> bytes:
    """Pack one report for the way up."""
    return DONE.pack(b"D", seconds) if outcome is None else _pack(b"O", seconds, outcome)


def pack_limit(seconds: float, outcome: Outcome) -> bytes:
    """Pack what is to become of the job that begins now, should it not report within these seconds."""
    return _pack(b"T", seconds, outcome)


def pack_end() -> bytes:
    """Pack the last word of a slot that wants to be replaced."""
    return OTHER.pack(b"E", 0.0, 0)


def _pack(tag: bytes, seconds: float, outcome: Outcome) -> bytes:
    body = json.dumps([outcome.kind, outcome.ttl, outcome.body, outcome.fields]).encode()
    return OTHER.pack(tag, seconds, len(body)) + body


class Channel:
    """The dispatcher's end of a process slot's channel; nothing here blocks."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
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

    def reports(self) -> list[Report]:
        """Return the reports that have arrived."""
        try:
            while not self.ended:
                data = self._socket.recv(65536)
                if not data:
                    self.ended = True
                self._in += data
                if len(data) < 65536:
                    break
        except BlockingIOError:
            pass
        except OSError:
            self.ended = True
        if self._in and not self.ready:
            self.ready = True
            del self._in[: len(READY)]
        return self._cut() if self._in else []

    def _cut(self) -> list[Report]:
        out: list[Report] = []
        data, at = self._in, 0
        try:
            while len(data) - at >= DONE.size:
                # Whole frames that begin with D: most often all there is, so many are taken at a time.
                tags = data[at : at + LONGEST_RUN : DONE.size]
                run = min(len(tags) - len(tags.lstrip(b"D")), (len(data) - at) // DONE.size)
                end = at + run * DONE.size if run else _end(data, at)
                if end > len(data):
                    break
                if run:
                    self.limit = None
                    out += [(seconds, None) for _, seconds in DONE.iter_unpack(data[at:end])]
                else:
                    out += self._take(data, at, end)
                at = end
        except (ValueError, TypeError):
            self.ended = True  # a target has written to a descriptor that is not its own
        del data[:at]
        return out

    def _take(self, data: bytearray, at: int, end: int) -> list[Report]:
        tag, seconds, _ = OTHER.unpack_from(data, at)
        if tag == b"E":
            self.retired = self.ended = True
            return []
        kind, ttl, body, fields = json.loads(data[at + OTHER.size : end])
        outcome = Outcome(kind, ttl, body, fields)
        if tag == b"T":
            self.limit = (time.monotonic() + seconds, outcome)
            return []
        self.limit = None
        return [(seconds, outcome)]

    def close(self) -> None:
        """Close this end: the slot ends when it has run what it holds."""
        self._socket.close()


def _end(data: bytearray, at: int) -> int:
    """Return where a longer frame ends, as far as is known; raises `ValueError` when none begins there."""
    if data[at] not in b"OTE":
        raise ValueError("not a report")
    end = at + OTHER.size
    return end + OTHER.unpack_from(data, at)[2] if len(data) >= end else end
