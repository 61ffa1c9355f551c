"""
What a slot's process inherits of the other slots by a fork, and lets go of first of all.

Each slot has some fifteen descriptors open in its manager. With 64 workers the last process would begin with 900 of
them, which leaves few to its target, and `select.select` takes none above 1023. What does harm when it stays open,
`descriptors` has made lead nowhere; here the numbers become free. It is their objects that close them: these would
do so later otherwise, when the number is another file's.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Final

import attrs

#: Where an executor keeps its pipes; they are its own affair, and so are these names. Those it has not are passed over.
_PIPES: Final = ("_call_queue", "_result_queue", "_executor_manager_thread_wakeup")
_ENDS: Final = ("_reader", "_writer")


@attrs.frozen
class _Belongings:
    """What one slot has open in its manager."""

    close: tuple[Callable[[], object], ...]
    #: Ends of pipes, and which pipes these are: the executor's own thread may be closing them at any time.
    pipes: tuple[tuple[Connection, tuple[int, int]], ...]


_slots: dict[int, _Belongings] = {}


def note(slot: object, executor: ProcessPoolExecutor, *close: Callable[[], object]) -> None:
    """Note how to close what a slot that is born has open here; the caller holds `descriptors.birth`."""
    _slots[id(slot)] = _Belongings(close, tuple(_pipes(executor)))


def forget(slot: object) -> None:
    """Note that it has nothing open any more; the caller holds `descriptors.birth`."""
    _slots.pop(id(slot), None)


def let_go() -> None:
    """In the process of a new slot: close what it has of others."""
    for slot in _slots.values():
        for close in slot.close:
            with suppress(OSError):
                close()
        for end, which in slot.pipes:
            # When the fork came between the end of a descriptor and its object's knowing, the number is another's.
            with suppress(OSError, ValueError):
                if _identity(end.fileno()) == which:
                    end.close()
    _slots.clear()
    _be_main()


def _be_main() -> None:
    """Be a main thread like any other, though it was the manager's dispatcher that forked, a daemon."""
    me: Any = threading.current_thread()
    me.name = "MainThread"
    # There is no public way once it runs; threads that the target starts would be daemons as well.
    me._daemonic = False  # noqa: SLF001


def _pipes(executor: ProcessPoolExecutor) -> Iterator[tuple[Connection, tuple[int, int]]]:
    for end in _ends(executor):
        with suppress(OSError, ValueError):
            yield end, _identity(end.fileno())


def _ends(executor: ProcessPoolExecutor) -> Iterable[Connection]:
    found = (getattr(getattr(executor, pipe, None), end, None) for pipe in _PIPES for end in _ENDS)
    return (end for end in found if isinstance(end, Connection))


def _identity(fileno: int) -> tuple[int, int]:
    status = os.fstat(fileno)
    return status.st_dev, status.st_ino
