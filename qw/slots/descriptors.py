"""
Which descriptors belong to the managing side of a process: whatever is forked from it lets go of them first of all.

Each child of a fork inherits what the parent has open. A child that kept the manager's end of a slot's
lifeline would keep that slot from ever seeing its manager go, and one that kept a connection to Redis
would keep Redis from it. That holds for slots, and for whatever else a program forks.
Children of a fork server or of spawn inherit nothing.
"""

from __future__ import annotations

import contextlib
import os
import threading

_managing: set[int] = set()

#: Held while descriptors of a slot are made, handed on, or closed: a fork in another thread must not come between.
birth = threading.RLock()


def keep(*filenos: int) -> None:
    """Note that these belong to the manager."""
    _managing.update(filenos)


def forget(*filenos: int) -> None:
    """Note that these are about to be closed, and their numbers free for others."""
    _managing.difference_update(filenos)


def _let_go() -> None:
    """In a child: make every descriptor of the manager's lead nowhere. The numbers stay taken by their objects."""
    with contextlib.suppress(OSError):
        nowhere = os.open(os.devnull, os.O_RDWR)
        for fileno in _managing:
            os.dup2(nowhere, fileno, inheritable=False)
        os.close(nowhere)
    _managing.clear()


def _before_fork() -> None:
    birth.acquire()


def _in_parent() -> None:
    birth.release()


def _in_child() -> None:
    global birth  # noqa: PLW0603 - the parent's one may be held here by a thread that does not exist
    birth = threading.RLock()
    _let_go()


# A fork in another thread waits for a birth to be over, or its child would hold what is not noted yet.
os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
