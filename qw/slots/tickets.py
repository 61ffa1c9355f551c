"""
Who may start a job: one byte for each, which the kernel gives to exactly one of two readers.

The dispatcher writes a byte for each job of a batch; the slot reads one before it starts a job. To
take jobs back the dispatcher reads the rest from the slot's own end. There is no lock that a killed
process could keep, and no job that both believe to have.

The byte is the batch's generation (0 to 255, in turn). A slot that finds a later generation in its
hand than its next job has knows that those in between were taken back; at most three batches are out
at a time, so the numbers cannot be confused.
"""

from __future__ import annotations

import errno
import fcntl
import os
import struct
import termios
from multiprocessing import Pipe
from typing import Final

#: Bytes that a pipe must hold: those of all jobs that a slot may have at a time, in two pages.
MOST: Final = 8192


class Tickets:
    """The dispatcher's side of one slot's tickets."""

    def __init__(self) -> None:
        # A pipe, not a socket: to take a ticket from it costs the slot half as much.
        self.out, self._in = Pipe(duplex=False)
        if _holds(self._in.fileno()) < MOST:
            self.close()
            raise OSError(errno.ENFILE, "the system has only pipes of a page left (fs.pipe-user-pages-soft)")
        for fileno in self.filenos():
            os.set_blocking(fileno, False)
        self._issued = 0
        self._generation = 0

    def filenos(self) -> tuple[int, int]:
        """Return both descriptors: the one written to, and the one that the slot shares."""
        return self._in.fileno(), self.out.fileno()

    def issue(self, count: int) -> int:
        """Write `count` tickets of a new generation; returns the generation."""
        self._generation = (self._generation + 1) % 256
        if os.write(self._in.fileno(), bytes((self._generation,)) * count) != count:
            raise RuntimeError(f"a pipe did not take {count} tickets")
        self._issued += count
        return self._generation

    def take_back(self) -> int:
        """Read all tickets that are left; returns how many."""
        taken = 0
        # A target may have made it block: the flag is one for both ends of the way.
        os.set_blocking(self.out.fileno(), False)
        try:
            while True:
                taken += len(os.read(self.out.fileno(), 65536))
        except BlockingIOError:
            self._issued -= taken
            return taken

    def taken(self) -> int:
        """How many of the tickets issued, and not taken back, the slot has read."""
        waiting: int = struct.unpack("i", fcntl.ioctl(self.out.fileno(), termios.FIONREAD, b"\0\0\0\0"))[0]
        return self._issued - waiting

    def close(self) -> None:
        """Close both ends here; the slot keeps its own."""
        self._in.close()
        self.out.close()


def _holds(fileno: int) -> int:
    """Return how many bytes a pipe holds; where nobody says, enough."""
    try:
        return fcntl.fcntl(fileno, fcntl.F_GETPIPE_SZ)
    except (AttributeError, OSError):
        return MOST
