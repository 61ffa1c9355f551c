"""What happens to a manager that nobody stopped, when the interpreter exits."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Final, Protocol

#: Seconds in which such a manager is gone.
EXIT_GRACE: Final = 0.5


class Stoppable(Protocol):
    """Something that runs, and can be stopped."""

    @property
    def is_started(self) -> bool:
        """Whether it runs."""

    def stop(self, grace: float | None = None) -> None:
        """Stop it in `grace` seconds."""


def stop_at_exit(manager: Stoppable) -> None:
    """
    Have the manager stopped when the interpreter exits.

    `atexit` comes too late: concurrent.futures joins its helper threads before that, and they wait for the
    slots. So this asks for the same hook as concurrent.futures does, after it, and is called before it.
    """
    pid, reference = os.getpid(), weakref.ref(manager)

    def stop() -> None:
        left = reference()
        if left is not None and left.is_started and os.getpid() == pid:  # a forked child keeps out
            left.stop(EXIT_GRACE)

    threading._register_atexit(stop)  # type: ignore[attr-defined]  # noqa: SLF001 - there is no public one
