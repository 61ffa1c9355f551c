"""
The name of every key, and the rules for the names in them: the one place that spells them.

A key is `bytes`, since an id that a foreign producer made may be any bytes. In Python an id
is a `str`; bytes that are not UTF-8 become lone surrogates (PEP 383) and come back as what
they were: `to_str` and `to_bytes` are each other's inverse.
"""

from __future__ import annotations

import re
from typing import Final

from qw.errors import BadName

#: The name of the sorted set of delayed jobs; on the bell it says that the next one is due earlier than was known.
SCHEDULED: Final = b"all:scheduled"

#: Prefix of the fields of `job:<id>` that are qw's own; a target never sees them.
OWN: Final = "qw:"

#: Names whose keys would be taken for qw's own.
RESERVED: Final = frozenset(("all", "job", "result"))
#: Characters that a name may have.
LONGEST: Final = 255

#: Digits of the longest number that counts as one: a time in ms.
DIGITS: Final = 15

# Halves of surrogate pairs that stand for no byte.
_NO_TEXT = r"\ud800-\udc7f\udd00-\udfff"
_NAME = re.compile(rf"[^\s\x00-\x1f\x7f-\x9f{{}}:{_NO_TEXT}]{{1,{LONGEST}}}\Z")


def to_bytes(text: str) -> bytes:
    """Encode an id or a name as it stands in Redis; raises `BadName` for what is no `str`, or has no encoding."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except AttributeError:
        raise _no_text("id or name", text) from None
    except UnicodeEncodeError:
        raise BadName(f"id or name {text!r} holds half of a surrogate pair, which no encoding has") from None


def to_str(raw: bytes) -> str:
    """Decode an id or a name; bytes that are not UTF-8 become lone surrogates."""
    return raw.decode("utf-8", "surrogateescape")


def number_of(text: object, digits: int = DIGITS) -> int | None:
    """
    Return the whole number that a field of qw's own holds; None when it holds none, or one that nobody can mean.

    A foreign program may have written anything there, and the bell bring what is no text.
    """
    if not isinstance(text, str) or not 0 < len(text) <= digits:
        return None
    return int(text) if text.isascii() and text.isdecimal() else None


def check_name(name: str, what: str = "name") -> str:
    """
    Return `name` when it can stand in a key.

    Raises `BadName`: for white space, control characters, braces and `:`, for more than 255
    characters, for `all`, `job` and `result`, whose keys would be taken for qw's own, and for what is no `str`.
    """
    name = _checked(name, what)
    if name in RESERVED:
        raise BadName(f"{what} {name!r} is taken by qw's own keys: choose another one")
    return name


def check_id(job_id: str) -> str:
    """Return `job_id` when a client may queue under it; raises `BadName` as `check_name` does."""
    return _checked(job_id, "job id")


def _checked(text: str, what: str) -> str:
    if not isinstance(text, str):
        raise _no_text(what, text)
    if not _NAME.match(text):
        raise BadName(f"{what} {text!r}: no white space, control characters, braces or ':', and 1 to 255 characters")
    # A member of a StrEnum is a str as well, whose own __str__ may say anything.
    return str.__str__(text)


def _no_text(what: str, given: object) -> BadName:
    return BadName(f"{what} {given!r}: give it as a str, not as {type(given).__name__}")


class Keys:
    """The key names of one namespace (None: the seed's own names, without a prefix)."""

    def __init__(self, namespace: str | None = None) -> None:
        if namespace is not None:
            check_name(namespace, "namespace")
        self.namespace = namespace
        self.prefix: bytes = b"" if namespace is None else b"{%b}:" % to_bytes(namespace)
        p = self.prefix
        #: set: names of managers
        self.all_managers: bytes = p + b"all:managers"
        #: list: ids any worker may take; pushed left, taken right
        self.all_jobs: bytes = p + b"all:jobs"
        #: hash: `<manager>.<start>` → a counter its dispatcher raises, or the mark of one struck off
        self.all_beats: bytes = p + b"all:beats"
        #: zset: id → when it is due, ms
        self.all_scheduled: bytes = p + SCHEDULED
        #: zset: id → when it was buried, ms
        self.all_dead: bytes = p + b"all:dead"
        #: hash: counters
        self.all_stats: bytes = p + b"all:stats"
        #: channel: rung when a dispatcher must look; the message is `SCHEDULED`, or a worker's name;
        #: or three lines: that, and the id and the words of a small job for it
        self.all_bell: bytes = p + b"all:bell"

    def job(self, job_id: str) -> bytes:
        """Hash: the job's fields, and qw's own under `qw:`."""
        return b"%bjob:%b" % (self.prefix, to_bytes(job_id))

    def result(self, job_id: str) -> bytes:
        """List of one, with a TTL: the result as JSON."""
        return b"%bresult:%b" % (self.prefix, to_bytes(job_id))

    def workers(self, manager: str) -> bytes:
        """Set: names of the manager's workers."""
        return b"%b%b:workers" % (self.prefix, to_bytes(manager))

    def jobs(self, name: str) -> bytes:
        """List: ids for one manager, or what one worker has claimed."""
        return b"%b%b:jobs" % (self.prefix, to_bytes(name))
