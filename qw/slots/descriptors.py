"""
Which descriptors belong to the managing side of a process: a forked slot closes them first of all.

Each child of a fork inherits what the parent has open. A child that kept the manager's end of an
earlier slot's channel would keep that slot from ever seeing its manager go. Children of a fork
server or of spawn inherit nothing, and find this set empty.
"""

from __future__ import annotations

import contextlib
import os

_managing: set[int] = set()


def keep(*filenos: int) -> None:
    """Note that these belong to the manager."""
    _managing.update(filenos)


def forget(*filenos: int) -> None:
    """Note that these are about to be closed, and their numbers free for others."""
    _managing.difference_update(filenos)


def close_all() -> None:
    """In a child: close every descriptor that belongs to the manager."""
    for fileno in _managing:
        with contextlib.suppress(OSError):
            os.close(fileno)
    _managing.clear()
