"""What a program and all that it has started cost: CPU and memory, by psutil."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil


def family(pid: int) -> Iterator[psutil.Process]:
    """Yield a process and all its descendants."""
    with suppress(psutil.NoSuchProcess):
        first = psutil.Process(pid)
        yield first
        yield from first.children(recursive=True)


def cpu(pid: int) -> float:
    """Return the seconds of CPU that a process, its descendants, and those of them that have ended, have used."""
    return _sum(pid, lambda process: sum(process.cpu_times()[:4]))


def of_thread(thread: int) -> int:
    """Return the process that a thread is in, or the thread's own number when it has ended; needs Linux."""
    with suppress(OSError):
        found = re.search(r"^Tgid:\s*(\d+)$", Path(f"/proc/{thread}/status").read_text("utf-8"), re.MULTILINE)
        if found:
            return int(found[1])
    return thread


def memory(pid: int) -> float:
    """
    Return the megabytes (10⁶ bytes) that a process and its descendants take together (PSS).

    What several processes share counts once.
    """
    return _sum(pid, lambda process: process.memory_full_info().pss) / 1e6


def _sum(pid: int, ask: Callable[[psutil.Process], float]) -> float:
    """Return the sum over a family; one that ends meanwhile takes nothing, and its parent has what it has used."""
    total = 0.0
    for process in family(pid):
        with suppress(psutil.NoSuchProcess):
            total += ask(process)
    return total
