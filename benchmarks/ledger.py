"""
What ran when, kept outside of any queue: each job leaves a record in a file.

    number of the job · who ran it · when it began · when it ended

Every contender's jobs write the same 24 bytes in the same way, so that all pay alike for being watched. This module
needs nothing but Python: it is imported in the environments of other queues as well.
"""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

#: Names the file, for processes that are to write into it.
VARIABLE: Final = "QW_BENCH_LEDGER"

_RECORD: Final = struct.Struct("=IIdd")


class Mark(NamedTuple):
    """One run of one job; times are in seconds, by the monotonic clock that all processes of a machine share."""

    number: int
    #: The thread that ran it, of whatever process.
    who: int
    began: float
    ended: float


class _Pen:
    """The file of this process, opened when it is first written to: a process that was forked writes to the same."""

    def __init__(self) -> None:
        self._file = -1

    def write(self, record: bytes) -> None:
        """Append a record; those of other processes are never torn by it."""
        if self._file < 0:
            self._file = os.open(os.environ[VARIABLE], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(self._file, record)


_pen = _Pen()


def note(number: int, began: float, ended: float) -> None:
    """Write down that a job ran, from when to when."""
    _pen.write(_RECORD.pack(number, threading.get_native_id(), began, ended))


class Ledger:
    """The file, for who reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    @property
    def environment(self) -> dict[str, str]:
        """What the processes that write into it need in their environment."""
        return {VARIABLE: str(self.path)}

    def count(self) -> int:
        """Return how many jobs have ended."""
        return self.path.stat().st_size // _RECORD.size

    def clear(self) -> None:
        """Forget all records."""
        os.truncate(self.path, 0)

    def marks(self) -> Sequence[Mark]:
        """Return all records, in the order in which the jobs ended."""
        data = self.path.read_bytes()
        return [Mark(*fields) for fields in _RECORD.iter_unpack(data[: len(data) // _RECORD.size * _RECORD.size])]

    def expect(self, jobs: int) -> None:
        """Raise `RuntimeError` unless each job, numbered from 0, ran exactly once."""
        ran = sorted(mark.number for mark in self.marks())
        if ran != list(range(jobs)):
            missing, twice = jobs - len(set(ran)), len(ran) - len(set(ran))
            raise RuntimeError(f"of {jobs:,} jobs {missing:,} did not run, and {twice:,} ran more than once")
