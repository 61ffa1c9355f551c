"""How many jobs a slot is given ahead: those that will begin within 15 ms, by the running mean of durations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

#: Seconds within which a job is to begin that is fetched now. What has not begun after them goes back, counted from
#: when the slot has it (`workers.PATIENCE`; where that is less, so is what is fetched).
AHEAD: Final = 0.015
#: Seconds of work that a slot may hold where jobs differ, so that nobody knows when one begins.
UNSURE: Final = 0.010
#: A longer job counts as this long (s): one of an hour must not slow down the next thousand short ones.
CLIP: Final = 0.020
#: From this mean on (s) nothing is fetched ahead: the next job would have to be handed back in most cases.
ALONE: Final = 0.015
#: Seconds that a job takes, from which on it most probably waits for something, and leaves the interpreter meanwhile.
LEISURELY: Final = 0.002
#: Jobs in a slot, at most. No-ops take 7 to 8 µs each: so many last while Redis deals the next ones.
DEEPEST: Final = 600
#: Weight of one job in the running mean.
WEIGHT: Final = 0.05
#: Seconds without the end of any job after which the mean is forgotten: what comes next may be of another kind.
STALE: Final = 0.050


class Pace:
    """The running mean of one manager's jobs."""

    def __init__(self) -> None:
        self._mean: float | None = None
        #: Seconds by which a job takes longer or shorter than the mean: the running mean of that.
        self._spread = 0.0
        #: When a job ended last (`time.monotonic`), as far as is known.
        self._noted = float("-inf")
        self._settle()

    def rest(self, now: float) -> None:
        """
        Forget the mean when no job has ended for a while.

        Of many that come at once to several managers at rest the first one would take all, should those before have
        been short, and the slots of the others would have nothing to do until they are handed back.
        """
        if self._mean is not None and now - self._noted > STALE:
            self._mean, self._spread = None, 0.0
            self._settle()

    def note(self, durations: Sequence[float], now: float) -> None:
        """Take these durations (s) into the mean."""
        if not durations:
            return
        self._noted = now
        clipped = [min(seconds, CLIP) for seconds in durations] if max(durations) > CLIP else durations
        mean = sum(clipped) / len(clipped)
        keep = (1 - WEIGHT) ** len(clipped)
        known = self._mean = mean if self._mean is None else self._mean * keep + mean * (1 - keep)
        apart = sum([abs(seconds - known) for seconds in clipped]) / len(clipped)
        self._spread = self._spread * keep + apart * (1 - keep)
        self._settle()

    def _settle(self) -> None:
        """Work out what follows from the mean: it is asked more often than it changes, for each of dozens of slots."""
        #: Seconds that a job takes, 20 ms at most; 0 when none has ended yet.
        self.mean = self._mean or 0.0
        #: Whether each job takes about as long as the others, so that it is known when one will end.
        self.even = self._spread < self.mean / 4
        self._one_by_one = self._mean is None or self._mean >= ALONE
        self._full = 1 if self._one_by_one else min(DEEPEST, 1 + max(1, int(UNSURE / max(self.mean, 1e-6))))
        #: A slot that has more jobs than so many is given none.
        self.enough = 2 * self._full // 3

    def room(self, held: int, rest: float) -> int:
        """
        How many more jobs a slot may be given that has so many, which will take so many seconds (`rest`).

        None until a third of the jobs that are 10 ms of work has been run, so that batches stay whole.
        """
        if held > self.enough:
            return 0
        if self._one_by_one or not self.even:
            return self._full - held
        return min(DEEPEST - held, 1 + int((AHEAD - rest) / max(self.mean, 1e-6))) if rest <= AHEAD else 0
