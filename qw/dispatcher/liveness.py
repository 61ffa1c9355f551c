"""
Who is dead: a start that shows the same beat for a whole lease, to somebody who kept looking.

No clock of another host decides, nor Redis's: what counts is the time between this dispatcher's own
looks. One that fails or comes late starts all counts again, or the first manager back after an outage of
Redis would take all the others for dead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import attrs

#: Seconds without a beat after which a start is dead.
LEASE: Final = 15.0
#: Beats in a lease.
BEATS: Final = 3
#: Beats that may be missing between two looks before the later one counts as late.
LATE: Final = 2
#: What a beat that is none begins with: its start was struck off.
MARK: Final = "struck"


@attrs.frozen
class Suspect:
    """A start whose jobs are to be rescued."""

    #: `<manager>.<start>`
    start: str
    #: The beat or mark that was seen last: if it shows another, it lives, or somebody else was faster.
    seen: str
    #: Whether to forget it after this sweep.
    forget: bool = False


class Liveness:
    """What one dispatcher has seen of the beats of all others."""

    def __init__(self, me: str, lease: float) -> None:
        self._me = me
        self._lease = lease
        self._patience = LATE * lease / BEATS
        self._last = float("-inf")
        #: Start → what it showed last, and since when (`time.monotonic`) it has shown nothing else.
        self._seen: dict[str, tuple[str, float]] = {}

    @property
    def known(self) -> frozenset[str]:
        """All other starts that showed something when it looked last."""
        return frozenset(self._seen)

    def look(self, now: float, beats: Mapping[str, str]) -> list[Suspect]:
        """Note all beats; returns the starts that are dead, and those struck off already, to be swept again."""
        if now - self._last > self._patience:
            self.forget()
        self._last = now
        self._seen = {
            start: (shown, self._since(start, shown, now)) for start, shown in beats.items() if start != self._me
        }
        return [
            Suspect(start, shown, forget=_is_mark(shown) and now - since >= 2 * self._lease)
            for start, (shown, since) in self._seen.items()
            if _is_mark(shown) or now - since >= self._lease
        ]

    def _since(self, start: str, shown: str, now: float) -> float:
        before, since = self._seen.get(start, ("", now))
        return since if before == shown else now

    def forget(self) -> None:
        """Start all counts again: a look failed, or the connection is new."""
        self._seen.clear()


def _is_mark(shown: str) -> bool:
    return shown.startswith(MARK)
