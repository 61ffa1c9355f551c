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

#: The most rounds of a comparison that does not say fewer.
MOST_ROUNDS = 1000


class NotMeasured(Exception):
    """A contender cannot be measured here, and why: it is named in the table all the same."""


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
    """One measurement: its figures by table and column, and what is worth saying of it."""

    figures: Mapping[str, Mapping[str, float]]
    note: str = ""
    #: How much was done for a table, where that is not the work that the contender was told to do.
    work: Mapping[str, int] = attrs.field(factory=dict)


def rates(unit: str, work: int, laps: Mapping[str, Lap], note: str = "") -> Measured:
    """Return what laps say of so much work: a table for each, with its rate and what Redis spent."""
    figures = {
        title: {f"{unit}/s": work / lap.seconds, "Redis CPU, µs each": lap.redis / work * 1e6}
        for title, lap in laps.items()
    }
    return Measured(figures, note)


@attrs.frozen
class Contender:
    """One of those that are compared: `run` does the work so many times, checks that, and says what it measured."""

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
    #: For what takes long, or is the same each time.
    most_rounds: int = MOST_ROUNDS


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
    """What one contender showed: of each column a figure for each round; none when it could not be measured."""

    name: str
    work: int
    figures: Mapping[str, Sequence[float]]
    #: How often the first column's figure is the first contender's of the same round.
    ratios: Sequence[float]
    note: str


@attrs.frozen
class Table:
    """One comparison of one thing that was measured."""

    title: str
    unit: str
    columns: Sequence[str]
    rows: Sequence[Row]


def measure(comparison: Comparison, rounds: int, done: Callable[[], None]) -> list[Table]:
    """Let the contenders take turns, so many times, and return a table for each thing they measured; `done` counts."""
    absent: dict[str, str] = {}
    taken: dict[str, list[Measured]] = {contender.name: [] for contender in comparison.contenders}

    def take(contender: Contender, work: int) -> Measured | None:
        if contender.name in absent:
            return None
        try:
            return contender.run(work)
        except NotMeasured as error:
            absent[contender.name] = str(error)
            return None

    for contender in comparison.contenders if comparison.warm_up else ():
        take(contender, max(1, contender.work // WARM_UP))
    for _ in range(rounds):
        for contender in comparison.contenders:
            measured = take(contender, contender.work)
            taken[contender.name] += [measured] if measured else []
            done()
    titles = dict.fromkeys(title for of in taken.values() for measured in of for title in measured.figures)
    return [_table(title, comparison, taken, absent) for title in titles]


def _table(
    title: str, comparison: Comparison, taken: Mapping[str, Sequence[Measured]], absent: Mapping[str, str]
) -> Table:
    rows: list[Row] = []
    columns: dict[str, None] = {}
    for contender in comparison.contenders:
        # One that fell out after some rounds has no figures: they would be compared with other rounds.
        of = [] if contender.name in absent else [one.figures.get(title, {}) for one in taken[contender.name]]
        names = dict.fromkeys(name for figures in of for name in figures)
        columns |= names
        figures = {name: [one[name] for one in of] for name in names}
        note = absent.get(contender.name) or next((one.note for one in reversed(taken[contender.name])), "")
        work = next((one.work[title] for one in taken[contender.name] if title in one.work), contender.work)
        rows.append(Row(contender.name, work, figures, [], note))
    key = next(iter(columns), "")
    first = rows[0].figures.get(key, ())
    rows = [attrs.evolve(row, ratios=_ratios(row.figures.get(key, ()), first)) for row in rows]
    return Table(title, comparison.unit, list(columns), rows)


def _ratios(figures: Sequence[float], first: Sequence[float]) -> list[float]:
    if len(figures) != len(first) or not all(first):
        return []
    return [figure / base for figure, base in zip(figures, first, strict=True)]
