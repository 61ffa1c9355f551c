"""
Measuring side by side on a machine that is never quiet.

    round 1: A B C   round 2: A B C   …        in turn, never two at once

What disturbs the machine for longer than one measurement disturbs all contenders, so each is compared
with the first one of the *same* round: a ratio is the median of those, with the lowest and the highest.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import attrs

#: The share of the work that each contender does once, unmeasured, so that scripts and modules are loaded.
WARM_UP = 10


@attrs.frozen
class Lap:
    """How long something took, and what Redis spent on it; both in seconds."""

    seconds: float
    redis: float

    def __add__(self, other: Lap) -> Lap:
        return Lap(self.seconds + other.seconds, self.redis + other.redis)


class Stopwatch:
    """Times a block of code into `lap`; `cpu` says how much CPU Redis has used."""

    def __init__(self, cpu: Callable[[], float]) -> None:
        self._cpu = cpu
        self._began = self._spent = 0.0
        self.lap = Lap(0.0, 0.0)

    def __enter__(self) -> Stopwatch:
        gc.collect()  # what the setting up has left is not to be paid for in here
        self._spent, self._began = self._cpu(), time.perf_counter()
        return self

    def __exit__(self, *error: object) -> None:
        seconds = time.perf_counter() - self._began
        self.lap = Lap(seconds, self._cpu() - self._spent)


@attrs.frozen
class Measured:
    """One measurement: what it timed, by name (of each a table is made), and what is worth saying of it."""

    laps: Mapping[str, Lap]
    note: str = ""


@attrs.frozen
class Contender:
    """One of those that are compared: `run` does the work so many times, checks that, and says how long it took."""

    name: str
    work: int
    run: Callable[[int], Measured]


@attrs.frozen
class Comparison:
    """Contenders for the same work, counted in `unit`; the first one is what the others are compared with."""

    unit: str
    contenders: Sequence[Contender]
    #: Not for those whose processes are new in each round: theirs would be gone before the first.
    warm_up: bool = True


@attrs.frozen
class Spread:
    """The middle of some figures, and how far they lie apart."""

    median: float
    lowest: float
    highest: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Return the spread of one figure or more."""
        return cls(median(figures), min(figures), max(figures))


@attrs.frozen
class Row:
    """What one contender showed: a figure for each round."""

    name: str
    work: int
    #: Units of work a second.
    rates: Sequence[float]
    #: How often that is the first contender's rate of the same round.
    ratios: Sequence[float]
    #: Microseconds of Redis's CPU for a unit of work.
    redis: Sequence[float]
    note: str


@attrs.frozen
class Table:
    """One comparison of one thing that was timed."""

    title: str
    unit: str
    rows: Sequence[Row]


def measure(comparison: Comparison, rounds: int, done: Callable[[], None]) -> list[Table]:
    """Let the contenders take turns, so many times, and return a table for each thing they timed; `done` counts."""
    for contender in comparison.contenders if comparison.warm_up else ():
        contender.run(max(1, contender.work // WARM_UP))
    taken: list[list[Measured]] = []
    for _ in range(rounds):
        taken.append([])
        for contender in comparison.contenders:
            taken[-1].append(contender.run(contender.work))
            done()
    return [_table(title, comparison, taken) for title in taken[0][0].laps]


def _table(title: str, comparison: Comparison, taken: Sequence[Sequence[Measured]]) -> Table:
    rows: list[Row] = []
    for contender, measured in zip(comparison.contenders, zip(*taken, strict=True), strict=True):
        laps = [one.laps[title] for one in measured]
        rates = [contender.work / lap.seconds for lap in laps]
        ratios = [rate / first for rate, first in zip(rates, rows[0].rates if rows else rates, strict=True)]
        spent = [lap.redis / contender.work * 1e6 for lap in laps]
        rows.append(Row(contender.name, contender.work, rates, ratios, spent, measured[-1].note))
    return Table(title, comparison.unit, rows)
