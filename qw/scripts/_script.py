"""
What a Lua script is to Python: a file with a contract on top, and a call of it that says how to read its reply.

A `Call` does no input or output. The client sends it and waits; the dispatcher sends it and
goes on: both take the reply through `Call.parse`, so each script is described once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Generic, TypeVar

import attrs
from redis.exceptions import ResponseError

T = TypeVar("T")

_KEY = re.compile(rb"KEYS\[(\d+)\]")
_COMMAND = re.compile(rb"redis\.p?call\('(\w+)'")
_NOT_PERMITTED = re.compile(r"The user executing the script can't.*@user_script: ?(\d+)")
_INCLUDE = re.compile(rb"^--@include (\w+)$", re.MULTILINE)


def _read(name: str) -> bytes:
    return resources.files("qw.lua").joinpath(f"{name}.lua").read_bytes()


@attrs.frozen(eq=False)
class Script:
    """A Lua script: its text, its SHA-1, and how many keys its header promises."""

    name: str
    source: bytes
    sha: str
    num_keys: int

    @classmethod
    def load(cls, name: str) -> Script:
        """Read `qw/lua/<name>.lua`, and for each line `--@include _piece` the piece of that name beside it."""
        source = _INCLUDE.sub(lambda match: _read(match[1].decode()).rstrip(), _read(name))
        numbers = [int(n) for n in _KEY.findall(source)]
        return cls(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest(), max(numbers, default=0))


@attrs.frozen(eq=False)
class Call(Generic[T]):
    """
    One call of a script: `parse(reply)` makes a `T` of what Redis answers.

    Redis may have forgotten the script (a restart, SCRIPT FLUSH, a failover): who sends `evalsha` and
    gets NOSCRIPT sends `eval`, which does the same and teaches it to Redis again.
    """

    script: Script
    keys: Sequence[bytes]
    args: Sequence[bytes]
    parse: Callable[[object], T]

    def explained(self, error: ResponseError) -> ResponseError:
        """
        Return the error, with the command that the user may not run within the script, where it is that.

        Redis tells only the line.
        """
        found = _NOT_PERMITTED.search(str(error))
        line = self.script.source.splitlines()[int(found[1]) - 1] if found else b""
        command = _COMMAND.search(line)
        if command is None:
            return error
        return ResponseError(f"NOPERM this user may not run {command[1].decode()}, or not on that key: {error}")

    def evalsha(self) -> tuple[str | bytes | int, ...]:
        """Return the command by its SHA-1: what is sent first."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)

    def eval(self) -> tuple[str | bytes | int, ...]:
        """Return the command with its text: for a Redis that does not know the script."""
        return ("EVAL", self.script.source, len(self.keys), *self.keys, *self.args)
