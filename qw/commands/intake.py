"""
Jobs out of a stream of JSON: one object, arrays of objects, JSON lines, or any mixture, in bounded memory.

    bytes ──▶ text ──▶ buffer ──▶ one object at a time      What is read is at once taken apart, and what is
     64 KiB    UTF-8     the rest of a job not yet whole    whole is handed on: a pipe that lives for days works.

Where something is wrong is said by line and column, counted from 1 over the whole stream.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final, Generic, NoReturn, Protocol, TypeVar

from qw.errors import BadJSON, JobError

J = TypeVar("J")

#: Bytes of one read: some hundred small jobs, about as many as go to Redis in one call.
READ_SIZE: Final = 65536

#: Characters of one job: a bound for the memory that a file without an end to its first job can take.
LONGEST: Final = 64 * 1024 * 1024

# A job that is not whole is tried again whenever more of it has come; from this size on only when it has
# doubled, or the work would grow with the square of its length.
_PATIENT: Final = 1024 * 1024

_NO_SPACE = re.compile(r"[^ \t\r\n]")
# What `surrogateescape` makes of a byte that is not UTF-8.
_NO_TEXT = re.compile("[\udc80-\udcff]")


class Source(Protocol):
    """Where bytes come from: a binary file."""

    def read1(self, size: int, /) -> bytes:
        """Return up to `size` bytes, those that are there; b'' only at the end."""


class Number(str):
    """A number as it is written: `1.10` and `1e400` stay what they are, which no float would do."""

    __slots__ = ()


Object = dict[str, object]


def read_jobs(source: Source, make: Callable[[Object], J], *, may_be_empty: bool = False) -> Iterator[list[J]]:
    """
    Yield what `make` returns for each object in `source`, those of one read at a time.

    The numbers in an object are `Number`. What `make` refuses with a `JobError` or a `BadJSON` is refused here with
    its place. Raises `BadJSON` for it, for what is not JSON, and for a source without any, unless it
    `may_be_empty`; all that stands before was yielded then.
    """
    parser = _Parser(make)
    for text, last in _texts(source):
        jobs: list[J] = []
        try:
            for job in parser.take(text, last=last):
                jobs.append(job)  # noqa: PERF402 - what came before an error is kept
        except BadJSON:
            if jobs:
                yield jobs
            raise
        if jobs:
            yield jobs
    if parser.empty and not may_be_empty:
        parser.refuse("there is no JSON")


def _texts(source: Source) -> Iterator[tuple[str, bool]]:
    """Yield the source as text, and whether it is the last of it; bad bytes are lone surrogates in it."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
    while piece := source.read1(READ_SIZE):
        yield decoder.decode(piece), False
    yield decoder.decode(b"", final=True), True


#: Where in the stream the parser is: outside of any array, behind `[`, behind `,`, or behind an element.
_State = str
_OUTSIDE, _OPENED, _WANTING, _BEHIND = "outside", "opened", "wanting", "behind"

#: What may come in each state, and which state follows.
_NEXT: Final[dict[_State, dict[str, _State]]] = {
    _OUTSIDE: {"{": _OUTSIDE, "[": _OPENED},
    _OPENED: {"{": _BEHIND, "]": _OUTSIDE},
    _WANTING: {"{": _BEHIND},
    _BEHIND: {",": _WANTING, "]": _OUTSIDE},
}


class _Parser(Generic[J]):
    """Keeps what was read and not yet taken apart, and knows where in the stream that stands."""

    def __init__(self, make: Callable[[Object], J]) -> None:
        self._make = make
        self._state = _OUTSIDE
        self._buffer = ""
        self._at = 0
        self._line = self._column = 1  # of the buffer's first character
        self._pieces: list[str] = []  # what came while a long job is waited for
        self._size = 0  # characters of all of them
        self._enough = 0  # and how many it takes to try again
        self.empty = True

    def take(self, text: str, *, last: bool) -> Iterator[J]:
        """Yield the jobs that are whole now; raises `BadJSON`."""
        bad = _NO_TEXT.search(text)
        self._pieces.append(text[: bad.start()] if bad else text)
        self._size += len(text)
        if self._size >= self._enough or last or bad:
            yield from self._take(last=last)
        if bad:
            self.refuse("this byte is not UTF-8", len(self._buffer))

    def _take(self, *, last: bool) -> Iterator[J]:
        self._buffer = "".join((self._buffer, *self._pieces))
        self._pieces.clear()
        while found := _NO_SPACE.search(self._buffer, self._at):
            self.empty = False
            self._at = found.start()
            state = _NEXT[self._state].get(found[0])
            if state is None:
                self.refuse(f"expected {' or '.join(map(repr, _NEXT[self._state]))}")
            if found[0] != "{":
                self._at += 1
            elif not (parsed := self._parse(last=last)):
                break
            else:
                yield self._made(*parsed)
            self._state = state
        else:
            self._at = len(self._buffer)
        self._forget()
        if last and self._state != _OUTSIDE:
            self.refuse("the array has no end")

    def _parse(self, *, last: bool) -> tuple[Object, int] | None:
        """Return the object that starts here and where it ends, or None when it is not whole."""
        try:
            value, end = _DECODER.raw_decode(self._buffer, self._at)
        except json.JSONDecodeError as error:
            # No token goes over the end of a line: what is wrong before one will not be mended by what follows.
            if last or self._buffer.find("\n", error.pos) >= 0:
                # The place is said before it.
                why = error.msg.removesuffix(" at").removesuffix(" starting")
                self.refuse(why[:1].lower() + why[1:], error.pos)
            if len(self._buffer) - self._at > LONGEST:
                self.refuse(f"a job of more than {LONGEST >> 20} MiB")
            return None
        except RecursionError:
            self.refuse("nested too deep")
        except ValueError as error:
            self.refuse(str(error))
        return value, end

    def _made(self, value: Object, end: int) -> J:
        try:
            job = self._make(value)
        except (JobError, BadJSON) as error:
            self.refuse(error.message)
        except RecursionError:
            self.refuse("nested too deep")
        self._at = end
        return job

    def _forget(self) -> None:
        """Drop what is done with, and note how much must come before another try is worth it."""
        self._line, self._column = self._place(self._at)
        self._buffer = self._buffer[self._at :]
        self._at = 0
        self._size = len(self._buffer)
        self._enough = 2 * self._size if self._size > _PATIENT else 0

    def _place(self, at: int) -> tuple[int, int]:
        lines = self._buffer.count("\n", 0, at)
        column = at - self._buffer.rfind("\n", 0, at) if lines else self._column + at
        return self._line + lines, column

    def refuse(self, why: str, at: int | None = None) -> NoReturn:
        """Raise `BadJSON` for what stands at an index of the buffer, by default where the parser is."""
        line, column = self._place(self._at if at is None else at)
        raise BadJSON(f"line {line}, column {column}: {why}")


def _object(pairs: list[tuple[str, object]]) -> Object:
    value = dict(pairs)
    if len(value) != len(pairs):
        counts = Counter(name for name, _ in pairs)
        twice = next(name for name, count in counts.items() if count > 1)
        raise ValueError(f"the field {twice!r} is there twice")
    return value


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(
    parse_float=Number, parse_int=Number, parse_constant=_no_number, object_pairs_hook=_object
)


def plain(value: Object) -> dict[str, str]:
    """
    Return the fields of a plain job, all of them strings: a string as it is, anything else as its JSON.

    Raises `BadJSON` for a field that qw keeps for itself, and for text that no encoding has.
    """
    fields = {name: text if isinstance(text, str) else to_json(text) for name, text in value.items()}
    for name, text in fields.items():
        check_text(name, name)
        check_text(name, text)
    return fields


def check_text(name: str, text: str) -> None:
    """Raise `BadJSON` for a name that is qw's own, and for half of a surrogate pair."""
    if name.startswith("qw:"):
        raise BadJSON(f"the field {name!r}: names that start with 'qw:' are qw's own")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadJSON(f"the field {name!r} holds half of a surrogate pair") from None


def to_json(value: object) -> str:
    """Return what was read as JSON again, numbers as they were written."""
    if isinstance(value, Number):
        return value
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {to_json(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_json, value)) + "]"
    return json.dumps(value)
