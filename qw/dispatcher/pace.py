"""How many jobs a slot is given ahead: about 10 ms of work, by the running mean of durations."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Seconds of work that a slot may hold.
AHEAD: Final = 0.010
#: A longer job counts as this long (s): one of an hour must not slow down the next thousand short ones.
CLIP: Final = 0.020
#: From this mean on (s) nothing is fetched ahead: the next job would have to be handed back in most cases.
ALONE: Final = 0.015
#: Jobs in a slot, at most. No-ops take 8 to 13 µs each: so many last while Redis deals the next ones.
DEEPEST: Final = 600
#: Weight of one job in the running mean.
WEIGHT: Final = 0.05


class Pace:
    """The running mean of one manager's jobs."""

    def __init__(self) -> None:
        self._mean: float | None = None

    def note(self, durations: Iterable[float]) -> None:
        """Take these durations (s) into the mean."""
        clipped = [min(seconds, CLIP) for seconds in durations]
        if not clipped:
            return
        mean = sum(clipped) / len(clipped)
        keep = (1 - WEIGHT) ** len(clipped)
        self._mean = mean if self._mean is None else self._mean * keep + mean * (1 - keep)

    @property
    def mean(self) -> float:
        """Seconds that a job takes, 20 ms at most; 0 when none has ended yet."""
        return self._mean or 0.0

    def depth(self) -> int:
        """How many jobs a slot may hold, the one that runs included."""
        if self._mean is None or self._mean >= ALONE:
            return 1
        return min(DEEPEST, 1 + max(1, int(AHEAD / max(self._mean, 1e-6))))
