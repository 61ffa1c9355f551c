"""What a program and all that it has started cost: CPU and memory, by psutil."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import psutil


def family(pid: int) -> Iterator[psutil.Process]:
    """Yield a process and all its descendants."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        yield first
        yield from first.children(recursive=True)


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process, its descendants, and those of them that have ended, have used."""
    return sum(sum(process.cpu_times()[:4]) for process in family(pid))


def memory(pid: int) -> float:
    """
    Return the megabytes (10⁶ bytes) that a process and its descendants take together (PSS).

    What several processes share counts once.
    """
    return sum(process.memory_full_info().pss for process in family(pid)) / 1e6
