"""What there is to see of a process from outside: its memory, its descriptors, its threads."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Literal, TypeAlias

import attrs

from qw.prove.fleet import members

#: `full` is the memory of a Redis with jobs in it, `empty` that of one without any.
What: TypeAlias = Literal["memory", "descriptors", "threads", "connections", "full", "empty"]

#: How many jobs were done, and what was measured then.
Point: TypeAlias = tuple[int, float]

_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_THREADS: Final = re.compile(r"^Threads:\s*(\d+)$", re.MULTILINE)


@attrs.frozen(order=True)
class Quantity:
    """Something that is measured again and again: what, of whom."""

    who: str
    what: What


class Samples:
    """What was measured in the course of a run: for each quantity a point at each look."""

    def __init__(self) -> None:
        self._points: defaultdict[Quantity, list[Point]] = defaultdict(list)

    @property
    def series(self) -> Mapping[Quantity, Sequence[Point]]:
        """All of it, in the order of the looks."""
        return self._points

    def note(self, done: int, who: str, values: Mapping[What, float]) -> None:
        """Note what was measured of one, when so many jobs were done."""
        for what, value in values.items():
            self._points[Quantity(who, what)].append((done, value))


def look_at(pid: int) -> dict[What, float]:
    """Return what there is to see of a process; raises `OSError` when it is gone."""
    process = Path("/proc") / str(pid)
    return {
        "memory": int((process / "statm").read_text("ascii").split()[1]) * _PAGE,
        "descriptors": len(os.listdir(process / "fd")),  # noqa: PTH208 - names, and nothing else
        "threads": int(_THREADS.findall((process / "status").read_text("utf-8", "replace"))[0]),
    }


def processes_of(manager: int) -> dict[str, int]:
    """Return the processes of the session that a manager leads, by what they are in it."""
    found = {"manager": manager}
    others = [pid for pid in sorted(members(manager)) if pid != manager]
    # A worker process leads a group of its own.
    workers = [pid for pid in others if _leads(pid)]
    helpers = [pid for pid in others if pid not in workers]
    found |= {f"worker {number}": pid for number, pid in enumerate(workers, 1)}
    return found | {f"helper {number}": pid for number, pid in enumerate(helpers, 1)}


def _leads(pid: int) -> bool:
    try:
        return os.getpgid(pid) == pid
    except ProcessLookupError:
        return False


def is_worker(who: str) -> bool:
    """Tell whether a name of `processes_of` is that of a worker process."""
    return who.startswith("worker")
