"""
How a process may be born: which way is safe for a target, and when.

    fork         of the manager, with all that it has imported: nothing is imported twice, and the memory is shared
    forkserver   of a small process of multiprocessing's own, which imports the target once more

A fork has one thread, and whatever lock another one held at that moment stays locked in it for ever. Python and the C
library see to most of their own; `streams` and `log_writer` to those of what is printed. Not so to what a thread holds
that looks up a name or makes a TLS connection: of 1,500 forks beside three threads that did nothing else two hung, as
soon as they did the same. Of a manager's threads only those do so that connect to Redis, and no process is born while
one has begun to do so within a second. What threads the target's module has, nobody knows: where it has any, and on
other systems than Linux, `qw-manager` has a fork server.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import Final, Literal

from qw.slots import descriptors

#: Seconds after which one that still connects is no hindrance: it waits for an answer, most of the time without a lock,
#: and a Redis that does not answer must not keep a worker without a process.
ANSWER: Final = 1.0
#: Seconds until a birth that was put off is tried again.
SOON: Final = 0.02
#: Modules that a fork server has whatever the target is.
_OURS: Final = ("qw.slots.preload", "qw.slots.child")

#: Thread → when it began to connect.
_connecting: dict[int, float] = {}


class NotNow(Exception):
    """A process cannot be born safely at this moment; soon it can."""


def safe_method() -> Literal["fork", "forkserver"]:
    """Return how a program bears processes whose threads, if it has any yet, are the target's."""
    return "fork" if _is_alone() else "forkserver"


def _is_alone() -> bool:
    """Tell whether this process has one thread, those counted that Python does not know of."""
    return sys.platform == "linux" and threading.active_count() == 1 and len([*Path("/proc/self/task").iterdir()]) == 1


def preload(module: str) -> None:
    """Have a fork server import a target's module once, for all slots; one that runs already stays as it is."""
    from multiprocessing import forkserver  # who forks does without

    forkserver.set_forkserver_preload([*_OURS, *([] if module == "__main__" else [module])])


def freeze() -> None:
    """Have the collector leave alone what lives now: to look at it, it writes to pages that processes share."""
    gc.freeze()


@contextmanager
def connecting() -> Iterator[None]:
    """Bear no process beside this thread while it connects; waits for a birth that is under way."""
    me = threading.get_ident()
    with descriptors.birth:
        _connecting[me] = time.monotonic()
    try:
        yield
    finally:
        with descriptors.birth:
            _connecting.pop(me, None)


def check(context: BaseContext) -> None:
    """Raise `NotNow` where a fork would come beside a thread that connects; the caller holds `descriptors.birth`."""
    latest = max(_connecting.values(), default=float("-inf"))
    if context.get_start_method() == "fork" and time.monotonic() - latest < ANSWER:
        raise NotNow


def insist(bear: Callable[[], None]) -> None:
    """Bear a process as soon as it can be."""
    while True:
        try:
            bear()
        except NotNow:
            time.sleep(SOON)
        else:
            return
