"""
Standard input, output and error of a process that is born by a fork.

`multiprocessing` closes the inherited input first of all, for which it takes the lock of its buffer. A thread of
the program that waits in `sys.stdin.read()` holds that lock, and does not exist in the child: it would wait
for ever. So the child gets another one, on /dev/null, before anything looks at it. In the same way a thread
that is just printing holds the lock of standard output or error: the child gets those anew as well.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_state = threading.local()
#: Kept, since to let go of one is to close it, or to write what the program has in it.
_inherited: list[object] = []
#: Those that are written to, by name, and their descriptors.
_WRITTEN: Final = {"stdout": 1, "stderr": 2}


@contextmanager
def replaced() -> Iterator[None]:
    """Give whatever this thread forks in the block streams of its own."""
    _state.bearing = True
    try:
        yield
    finally:
        _state.bearing = False


def _in_child() -> None:
    if not getattr(_state, "bearing", False):
        return
    _state.bearing = False  # what a target forks later on has its streams from there
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDONLY)
        if nowhere:
            os.dup2(nowhere, 0)
            os.close(nowhere)
        _inherited.append(sys.stdin)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor, for as long as it lives
    for name, fileno in _WRITTEN.items():
        with contextlib.suppress(OSError, ValueError):
            _renew(name, fileno)


def _renew(name: str, fileno: int) -> None:
    """Put a stream in the place of one that is still what Python has made of this descriptor."""
    old = getattr(sys, name)
    if old is not getattr(sys, f"__{name}__") or not isinstance(old, io.TextIOWrapper) or old.fileno() != fileno:
        return
    if not isinstance(old.buffer, io.BufferedWriter):
        return  # unbuffered, and without a lock
    buffer = io.BufferedWriter(io.FileIO(fileno, "w", closefd=False))
    new = io.TextIOWrapper(buffer, old.encoding, old.errors, line_buffering=old.line_buffering)
    _inherited.append(old)
    for each in (name, f"__{name}__"):
        setattr(sys, each, new)


os.register_at_fork(after_in_child=_in_child)
