"""
What a slot may lose to its target without noticing: its process, and its descriptors.

    same_process   False in what a target has forked, which goes on with the slot's code
    same_files     False once a number has been closed, used for something else, or made to block

Both are asked after each job, and therefore ask as little as can be: a page that the kernel wipes in a child, and
a mark among the flags of an open file. Where there is neither they ask for the process's and the file's number, which
costs more, and does not tell whether a file blocks.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

#: Linux: what is in such memory is gone in a child. (mman.h; Python has no name for it.)
MADV_WIPEONFORK: Final = 18
#: Flags that mean nothing for a pipe or a socket, and that nobody else gives to one.
MARK: Final = os.O_APPEND | getattr(os, "O_NOATIME", 0)


def same_process() -> Callable[[], bool]:
    """Return what tells whether it is called in the process that it was made in."""
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        if not _grants_anything(page):
            page.madvise(MADV_WIPEONFORK)
            page[0] = 1
            return lambda: page[0] == 1
    except (AttributeError, OSError):
        pass  # another system, or an old one
    made_in = os.getpid()
    return lambda: os.getpid() == made_in


def _grants_anything(page: mmap.mmap) -> bool:
    """Tell whether the system says yes to advice that there is not, as some that only play Linux do."""
    with suppress(OSError):
        page.madvise(-1)
        return True
    return False


def same_files(first: int, second: int) -> Callable[[], bool]:
    """Return what tells whether both numbers still lead to what they lead to now, each a pipe or a socket."""
    look_first, look_second = _look(first), _look(second)
    was_first, was_second = look_first(), look_second()

    def same() -> bool:
        try:
            return look_first() == was_first and look_second() == was_second
        except OSError:
            return False

    return same


def _look(fileno: int) -> Callable[[], object]:
    """Mark a file, and return what reads its flags; or where it cannot be marked, what reads which one it is."""
    with suppress(OSError):
        fcntl.fcntl(fileno, fcntl.F_SETFL, fcntl.fcntl(fileno, fcntl.F_GETFL) | MARK)
        if fcntl.fcntl(fileno, fcntl.F_GETFL) & MARK == MARK:
            return partial(fcntl.fcntl, fileno, fcntl.F_GETFL)
    return partial(_place, fileno)


def _place(fileno: int) -> tuple[int, int]:
    found = os.fstat(fileno)
    return found.st_dev, found.st_ino
