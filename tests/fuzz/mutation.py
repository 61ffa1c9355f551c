"""Mutations of bytes: what is right becomes a little wrong, or very long, or holds what nobody expects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

#: Bytes of an input.
LONGEST: Final = 64 * 1024

#: What readers of text stumble over.
TOKENS: Final[Sequence[bytes]] = (
    *(b"\0", b"\x1b]0;x\x07", b"\x1b]52;c;cm0=\x1b\\", b"\x1b[2J", b"\x7f", b"\x85", b"\x9b31m", b"\xff", b"\xc3"),
    *(b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xef\xbb\xbf", b"\\ud800", b"\\udc00", b"\\u0000", b"\\x", b"\\"),
    *(text.encode() for text in ("\u202e", "\u2066", "\u200b", "\u2028", "\x9b2J", "\U000e0041", "\u0663", "İ", "😀")),
    *(b"NaN", b"-Infinity", b"1e999999", b"1E-999999", b"-0", b"0.1e1", b"9" * 5000, b"1" * 20, b"1_0", b"+1", b"0x10"),
    *(
        b"null",
        b"true",
        b"{}",
        b"[]",
        b'""',
        b'{"a":',
        b"[",
        b"]",
        b"{",
        b"}",
        b'"',
        b",",
        b":",
        b"'",
        b"=",
        b"%s",
        b"@",
    ),
    *(b"\r\n", b"\n", b"\r", b"\t", b" ", b"$-1\r\n", b"*-1\r\n", b"*1\r\n", b"*9999999999\r\n", b"$3\r\n", b":1\r\n"),
    *(b"qw:type", b"Z", b"T", b"-", b"+00:00", b"24:00", b"60", b"0000", b"9999-12-31", b"ms", b"h", b"KiB", b"t"),
)

Mutation = Callable[[Random, bytes], bytes]


def mutated(chance: Random, data: bytes) -> bytes:
    """Return the bytes after one mutation or several."""
    for _ in range(chance.choice((1, 1, 1, 2, 2, 4, 8))):
        data = chance.choice(_MUTATIONS)(chance, data)[:LONGEST]
    return data


def noise(chance: Random, most: int = 40) -> bytes:
    """Return random bytes, few of them as a rule."""
    return chance.randbytes(chance.randint(0, most))


def cut(chance: Random, data: bytes, most: int = 6) -> list[bytes]:
    """Return the bytes in pieces, none of them empty."""
    places = sorted({chance.randint(1, len(data)) for _ in range(chance.randint(0, most))}) if data else []
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    return [piece for piece in pieces if piece]


def _span(chance: Random, data: bytes) -> tuple[int, int]:
    start = chance.randint(0, len(data))
    # Mostly a few bytes, sometimes up to all of them.
    return start, min(len(data), start + chance.choice((1, 2, 8, 64, len(data))))


def _flip(chance: Random, data: bytes) -> bytes:
    if not data:
        return data
    at = chance.randrange(len(data))
    return b"%b%c%b" % (data[:at], data[at] ^ 1 << chance.randrange(8), data[at + 1 :])


def _drop(chance: Random, data: bytes) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + data[end:]


def _end(chance: Random, data: bytes) -> bytes:
    return data[: chance.randint(0, len(data))]


def _times(piece: bytes, count: int) -> bytes:
    return piece * min(count, LONGEST // (len(piece) or 1))


def _repeat(chance: Random, data: bytes) -> bytes:
    start, end = _span(chance, data)
    return data[:end] + _times(data[start:end], chance.choice((1, 2, 16, 256, LONGEST))) + data[end:]


def _move(chance: Random, data: bytes) -> bytes:
    start, end = _span(chance, data)
    at = chance.randint(0, len(data))
    return data[:at] + data[start:end] + data[at:]


def _insert(chance: Random, data: bytes) -> bytes:
    at = chance.randint(0, len(data))
    return data[:at] + _times(chance.choice(TOKENS), chance.choice((1, 1, 1, 3, 100, LONGEST))) + data[at:]


def _replace(chance: Random, data: bytes) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + chance.choice(TOKENS) + data[end:]


def _scatter(chance: Random, data: bytes) -> bytes:
    start, end = _span(chance, data)
    return data[:start] + noise(chance) + data[end:]


_MUTATIONS: Final[Sequence[Mutation]] = (_flip, _drop, _end, _repeat, _move, _insert, _replace, _scatter)
