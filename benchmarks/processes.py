"""What a program and all that it has started cost: CPU and memory, by psutil."""

from __future__ import annotations

import re
from collections.abc import Iterator
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
    return sum(map(_spent, family(pid)))


def _spent(process: psutil.Process) -> float:
    try:
        return sum(process.cpu_times()[:4])
    except psutil.NoSuchProcess:  # its parent has what it has used
        return 0.0


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
    return sum(process.memory_full_info().pss for process in family(pid)) / 1e6
