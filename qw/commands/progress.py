"""A line that tells how far a long run is: on a terminal, and nowhere else."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Final

#: Seconds between two looks of the line: often enough to be seen to move.
_PAUSE: Final = 0.1

_WIDTH: Final = 30


class Progress:
    """
    Counts up to a `total` (None: nobody knows it), and shows that on standard error while it is entered.

    Shows nothing where standard error is not a terminal, and where it is not `wanted`.
    """

    def __init__(self, what: str, total: int | None, *, wanted: bool = True) -> None:
        self._what = what
        self._total = total
        self._due = 0.0
        #: Whether there is anything to see.
        self.shown = wanted and is_terminal(sys.stderr)

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.shown:
            self._write("")

    def show(self, done: int) -> None:
        """Show that so many are done, unless that was shown a moment ago."""
        now = time.monotonic()
        if self.shown and now >= self._due:
            self._due = now + _PAUSE
            self._write(self._bar(done))

    def _bar(self, done: int) -> str:
        if not self._total:
            return f"{done:,} {self._what}"
        full = "#" * (_WIDTH * done // self._total)
        return f"[{full:.<{_WIDTH}}] {done:,} of {self._total:,} {self._what}"

    def _write(self, text: str) -> None:
        try:
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.shown = False


def is_terminal(stream: object) -> bool:
    """Tell whether a standard stream is a terminal; it may be None, or closed."""
    isatty = getattr(stream, "isatty", None)
    try:
        return isatty is not None and bool(isatty())
    except ValueError:  # it is closed
        return False
