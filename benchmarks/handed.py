"""
A `qw-manager` that writes down what its slots are given, and what is taken back from them.

    python -m benchmarks.handed … = python -m qw.manager … + a file of events at the end

Promise 4 is about jobs that wait in a slot, not in a queue, and where they are nobody outside can tell at each moment.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

from qw.manager.__main__ import main as manage
from qw.slots.process import ProcessSlot
from qw.slots.thread import ThreadSlot

#: Names the directory in which each manager leaves its file.
VARIABLE: Final = "QW_BENCH_HANDED"


class Event(NamedTuple):
    """A slot was given jobs, or some that it had not started were taken back."""

    #: In seconds, by the clock of the ledger.
    at: float
    worker: str
    #: Numbers of the jobs that it was given.
    given: Sequence[int]
    #: How many were taken back, counted from the last one that it was given.
    taken: int


def read(directory: Path, since: float) -> list[Event]:
    """Return what all managers wrote down that happened since then, in that order."""
    events = [Event(*event) for path in directory.iterdir() for event in json.loads(path.read_text())]
    return sorted((event for event in events if event.at >= since), key=lambda event: event.at)


def main() -> int:
    """Run `qw-manager` with what the command line says, and return its exit code."""
    #: Read at the end: meanwhile it is to cost next to nothing.
    noted: list[tuple[float, str, bytes, int]] = []
    _watch(ThreadSlot, noted)
    _watch(ProcessSlot, noted)
    try:
        return manage()
    finally:
        events = [Event(at, who, [*map(_number, lines.splitlines())], taken) for at, who, lines, taken in noted]
        Path(os.environ[VARIABLE], str(os.getpid())).write_text(json.dumps(events))


def _watch(kind: type[ThreadSlot | ProcessSlot], noted: list[tuple[float, str, bytes, int]]) -> None:
    """Have all slots of a kind write down what they are given, and what is taken back."""
    hand, take_back = kind.hand, kind.take_back

    def noting_hand(slot: ThreadSlot | ProcessSlot, lines: bytes, count: int) -> None:
        noted.append((time.monotonic(), slot.worker, lines, 0))
        hand(slot, lines, count)  # type: ignore[arg-type] # it is of this kind

    def noting_take_back(slot: ThreadSlot | ProcessSlot) -> int:
        taken = take_back(slot)  # type: ignore[arg-type] # as above
        if taken:
            noted.append((time.monotonic(), slot.worker, b"", taken))
        return taken

    kind.hand = noting_hand  # type: ignore[method-assign,assignment]
    kind.take_back = noting_take_back  # type: ignore[method-assign,assignment]


def _number(line: bytes) -> int:
    """Return the number of a `Numbered` job, from the line a slot is given: fields and values in turn, then the id."""
    fields = json.loads(line)
    return int(fields[fields.index("number") + 1])


if __name__ == "__main__":
    sys.exit(main())
