"""
Standard input of a process that is born by a fork.

`multiprocessing` closes the inherited one first of all, for which it takes the lock of its buffer. A thread of
the program that waits in `sys.stdin.read()` holds that lock, and does not exist in the child: it would wait
for ever. So the child gets another one, on /dev/null, before anything looks at it.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_state = threading.local()
#: Kept, since to let go of one is to close it.
_inherited: list[object] = []


@contextmanager
def replaced() -> Iterator[None]:
    """Give whatever this thread forks in the block a standard input of its own."""
    _state.bearing = True
    try:
        yield
    finally:
        _state.bearing = False


def _in_child() -> None:
    if not getattr(_state, "bearing", False):
        return
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDONLY)
        if nowhere:
            os.dup2(nowhere, 0)
            os.close(nowhere)
        _inherited.append(sys.stdin)
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a descriptor, for as long as it lives


os.register_at_fork(after_in_child=_in_child)
