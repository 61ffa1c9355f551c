"""Whether the system lets a manager open what it needs; better said at the start than by a slot that cannot be born."""

from __future__ import annotations

import resource
from typing import Final

from qw.errors import UsageError

#: Descriptors of one process slot: its sockets and memory, and the executor's pipes and semaphores.
EACH: Final = 15
#: Descriptors of the rest: four connections, and what a program has open anyway.
REST: Final = 64


def check_descriptors(processes: int) -> None:
    """
    Raise this process's limit of open files as far as need be and may be.

    Raises `UsageError` when even the hard limit is too low for so many process slots.
    """
    need = processes * EACH + REST
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= need:
        return
    if hard != resource.RLIM_INFINITY and hard < need:
        raise UsageError(
            f"{processes} worker processes want {need} open files, and {hard} are allowed: see `ulimit -n`"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))
