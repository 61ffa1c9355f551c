"""
Redis's protocol (RESP2) in pieces that never wait: pack a command into bytes, read replies from bytes as they come.

redis-py's own reader blocks in the middle of a reply that has not wholly arrived. A dispatcher may not
block, so it takes from redis-py what is hard (addresses, TLS, passwords) and does this part itself.
https://redis.io/docs/latest/develop/reference/protocol-spec/
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from redis.exceptions import ResponseError

Argument = bytes | str | int

_CRLF: Final = b"\r\n"


def pack(command: Iterable[Argument]) -> bytes:
    """Pack one command; a `str` is encoded as UTF-8, with lone surrogates as the bytes they stand for."""
    parts: list[bytes] = []
    for argument in command:
        # Not by str(): a member of an enum of either may show itself as anything.
        text = int.__repr__(argument) if isinstance(argument, int) else argument
        raw = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
        parts.append(b"$%d\r\n%b\r\n" % (len(raw), raw))
    return b"*%d\r\n%b" % (len(parts), b"".join(parts))


class Nothing:
    """The type of `NOTHING`: no whole reply is there yet."""


NOTHING: Final = Nothing()


class Reader:
    """
    Cuts a stream of bytes into replies: `feed` it what has arrived, then `get` until it returns `NOTHING`.

    A reply is bytes, int, None, a list of replies, or a `ResponseError` (returned, not raised).
    Raises `ValueError` for bytes that are not RESP2: the connection is then of no more use.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._at = 0

    def feed(self, data: bytes) -> None:
        """Add bytes from the socket."""
        self._buffer += data

    def get(self) -> object:
        """Return the next whole reply, or `NOTHING`."""
        self._at = 0
        try:
            reply = self._next()
        except RecursionError:
            raise ValueError("not a reply of Redis: arrays in arrays without an end") from None
        if reply is not NOTHING:
            del self._buffer[: self._at]
        return reply

    def _next(self) -> object:
        end = self._buffer.find(_CRLF, self._at)
        if end < 0:
            return NOTHING
        kind, head = self._buffer[self._at], bytes(self._buffer[self._at + 1 : end])
        self._at = end + 2
        if kind == ord(":"):
            return int(head)
        if kind == ord("+"):
            return head
        if kind == ord("-"):
            return ResponseError(head.decode("utf-8", "backslashreplace"))
        if kind == ord("$"):
            return self._bulk(int(head))
        if kind == ord("*"):
            return self._array(int(head))
        raise ValueError(f"not a reply of Redis: {bytes(self._buffer[:40])!r}")

    def _bulk(self, length: int) -> object:
        if length < 0:
            return None
        end = self._at + length
        if len(self._buffer) < end + 2:
            return NOTHING
        raw = bytes(self._buffer[self._at : end])
        self._at = end + 2
        return raw

    def _array(self, length: int) -> object:
        if length < 0:
            return None
        items: list[object] = []
        for _ in range(length):
            item = self._next()
            if item is NOTHING:
                return NOTHING
            items.append(item)
        return items
