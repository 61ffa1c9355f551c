"""`qw.wire` against redis-py's own packing and reading, and against a stream that arrives in any pieces."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Final, TypeAlias
from urllib.parse import urlsplit

import pytest
import redis
from hypothesis import example, given
from hypothesis import strategies as st
from redis.connection import Connection
from redis.exceptions import ResponseError

from qw.wire import NOTHING, Argument, Reader, pack

Value: TypeAlias = "bytes | int | str | list[Value] | None"

ARGUMENTS: Final = st.one_of(st.binary(max_size=100), st.text(max_size=100), st.integers())

#: Replies as Python values; a `str` stands for an error.
REPLIES: Final[st.SearchStrategy[Value]] = st.recursive(
    st.one_of(
        st.none(),
        st.binary(max_size=60),
        st.integers(-(2**63), 2**63 - 1),
        st.from_regex(r"[A-Z]{3,9} [ -~é]{0,30}", fullmatch=True),
    ),
    lambda inner: st.lists(inner, max_size=5),
    max_leaves=20,
)


def encoded(value: Value, *, null_array: bool = False) -> bytes:
    """Return a reply as Redis sends it."""
    if value is None:
        return b"*-1\r\n" if null_array else b"$-1\r\n"
    if isinstance(value, int):
        return b":%d\r\n" % value
    if isinstance(value, str):
        return b"-%b\r\n" % value.encode()
    if isinstance(value, bytes):
        return b"$%d\r\n%b\r\n" % (len(value), value)
    return b"*%d\r\n%b" % (len(value), b"".join(encoded(item) for item in value))


def plain(reply: object) -> object:
    """Return a reply with its errors as text, so that it can be compared."""
    if isinstance(reply, list):
        return [plain(item) for item in reply]
    return str(reply) if isinstance(reply, ResponseError) else reply


def read(pieces: Sequence[bytes]) -> list[object]:
    """Feed a reader piece by piece, as a dispatcher does, and return all that came out."""
    reader = Reader()
    out = []
    for piece in pieces:
        reader.feed(piece)
        while (reply := reader.get()) is not NOTHING:
            out.append(plain(reply))
    return out


@given(st.lists(ARGUMENTS, max_size=10))
@example(["ключ", b"\r\n$3\r\n", "", b"", 0, -1, 2**70])
def test_packs_as_redis_py_does(arguments: list[Argument]) -> None:
    """Byte for byte what redis-py would send."""
    theirs = b"".join(Connection().pack_command("SET", *arguments))

    assert pack(["SET", *arguments]) == theirs


@given(st.binary(max_size=100))
def test_packs_bytes_in_text(raw: bytes) -> None:
    """Text that stands for bytes which are not UTF-8 is sent as those bytes."""
    assert pack([raw.decode("utf-8", "surrogateescape")]) == pack([raw])


@given(st.lists(REPLIES, max_size=6), st.data())
@example([], None)
def test_reads_a_stream_cut_anywhere(replies: list[Value], data: st.DataObject | None) -> None:
    """However the bytes arrive, the same replies come out, in their order, each as soon as it is whole."""
    stream = b"".join(encoded(reply) for reply in replies)
    places = data.draw(st.lists(st.integers(0, len(stream)), max_size=10).map(sorted)) if data else []
    pieces = [stream[a:b] for a, b in zip([0, *places], [*places, len(stream)], strict=True)]

    assert read(pieces) == replies


@given(REPLIES)
def test_reads_byte_by_byte(reply: Value) -> None:
    """No reply comes out before its last byte is there."""
    stream = encoded(reply)
    reader = Reader()
    early = []
    for byte in stream[:-1]:
        reader.feed(bytes((byte,)))
        early.append(reader.get())
    reader.feed(stream[-1:])

    assert all(nothing is NOTHING for nothing in early)
    assert plain(reader.get()) == reply
    assert reader.get() is NOTHING


@pytest.mark.parametrize(
    ("stream", "reply"),
    [
        (b"+OK\r\n", b"OK"),
        (b"+\r\n", b""),
        (b":0\r\n", 0),
        (b":-1\r\n", -1),
        (b"$0\r\n\r\n", b""),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*0\r\n", []),
        (b"$4\r\n\r\n\r\n\r\n", b"\r\n\r\n"),
        (b"*2\r\n*1\r\n:1\r\n*-1\r\n", [[1], None]),
        (b"-NOSCRIPT No matching script\r\n", "NOSCRIPT No matching script"),
        (b"-ERR \xff\r\n", "ERR \\xff"),
        (b"*2\r\n-ERR a\r\n:1\r\n", ["ERR a", 1]),
    ],
)
def test_reads(stream: bytes, reply: object) -> None:
    """Every kind of reply, and errors with the code that they begin with."""
    assert read([stream]) == [reply]
    assert read([stream[:-1], stream[-1:] + stream]) == [reply, reply]


@pytest.mark.parametrize(
    "stream",
    [b"%1\r\n", b"HTTP/1.1 400\r\n", b"\r\n", b":one\r\n", b"$x\r\n", b"*\r\n", b"*1\r\n" * 100_000],
    ids=range(7),
)
def test_what_is_no_reply_is_said(stream: bytes) -> None:
    """Bytes that are not RESP2 raise instead of being taken for something."""
    reader = Reader()
    reader.feed(stream)
    with pytest.raises(ValueError):
        reader.get()


def test_a_large_reply_in_small_pieces() -> None:
    """A reply of several MiB that comes in pieces of a socket's size is whole in the end."""
    reply: Value = [b"x" * 3_000_000, [b"y" * 70_000] * 10]
    stream = encoded(reply)
    pieces = [stream[at : at + 65536] for at in range(0, len(stream), 65536)]

    assert read(pieces) == [reply]


def answer_of(client: redis.Redis, command: list[Argument]) -> object:
    """Return what redis-py reads of the answer to a command, or the text of the error that it raises."""
    try:
        reply: object = client.execute_command(*command)
    except ResponseError as error:
        return str(error)
    return reply


def test_reads_what_redis_sends(redis_url: str) -> None:
    """A real Redis understands what is packed, and what it answers is what redis-py reads."""
    commands: list[list[Argument]] = [
        ["SET", "k", "é"],
        ["GET", "k"],
        ["GET", "nothing"],
        ["LPUSH", "l", b"\r\n", b"\xff\0", 3],
        ["LRANGE", "l", 0, -1],
        ["BLPOP", "nothing", b"0.01"],
        ["EVAL", "return {1, {'a', {}}, redis.status_reply('OK'), false, 2^53}", 0],
        ["EVALSHA", "0" * 40, 0],
        ["INCR", "l"],
        ["PING"],
    ]
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        client.response_callbacks.clear()  # what is compared is what was read, not what redis-py makes of it
        theirs = [answer_of(client, command) for command in commands]
        client.flushall()
    port = int(urlsplit(redis_url).port or 0)
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw:
        raw.sendall(b"".join(pack(command) for command in commands))
        pieces: list[bytes] = []
        while len(read(pieces)) < len(commands):
            pieces.append(raw.recv(7))

    ours = read(pieces)
    assert ours[7] == "NOSCRIPT No matching script. Please use EVAL."
    assert ours[:7] + ours[8:] == theirs[:7] + theirs[8:]
