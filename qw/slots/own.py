"""
What a slot may lose to its target without noticing: its process, and its descriptors.

    same_process   False in what a target has forked, which goes on with the slot's code
    same_file      False once a number has been closed, or used for something else

Both are asked for each job, and therefore ask as little as can be: a page that the kernel wipes in a child, and
a mark that it keeps with an open file. Where it does neither they cost a system call or two more.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import signal
from collections.abc import Callable
from functools import partial
from typing import Final

#: Linux: what is in such memory is gone in a child. (mman.h; Python has no name for it.)
MADV_WIPEONFORK: Final = 18


def same_process() -> Callable[[], bool]:
    """Return what tells whether it is called in the process that it was made in."""
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        page.madvise(MADV_WIPEONFORK)
    except (AttributeError, OSError, ValueError):
        made_in = os.getpid()
        return lambda: os.getpid() == made_in
    page[0] = 1
    return lambda: page[0] == 1


def same_file(fileno: int) -> Callable[[], bool]:
    """
    Return what tells whether this number still leads to the file that is open under it now.

    On Linux a file carries the number of the signal that it would send, if it were asked to. It is not asked to:
    the highest one, which nobody else chooses, marks it.
    """
    try:
        fcntl.fcntl(fileno, fcntl.F_SETSIG, signal.SIGRTMAX)
        look: Callable[[], object] = partial(fcntl.fcntl, fileno, fcntl.F_GETSIG)
    except (AttributeError, OSError):
        look = partial(_place, fileno)
    expected = look()

    def same() -> bool:
        try:
            return look() == expected
        except OSError:
            return False

    return same


def _place(fileno: int) -> tuple[int, int]:
    found = os.fstat(fileno)
    return found.st_dev, found.st_ino
