"""Fuzzing what reads the words of a command line: times, sizes, moments."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from qw.client._times import when_of
from qw.commands.times import moment, shown
from qw.errors import UsageError
from qw.keys import to_str
from qw.units import parse_duration, parse_size
from tests.fuzz.engine import Target
from tests.fuzz.mutation import mutated, noise

DURATIONS: Final = ("90", "1.5h", "250ms", "30d", "0.000000001s", "999999999999d", "2m")
SIZES: Final = ("65536", "512M", "1.5GiB", "64k", "2TB", "7b", "999999999999999t")
MOMENTS: Final = (
    *("2030-01-31T08:00", "2030-01-31", "2030-01-31T08:00:00.250z", "2030-01-31T08:00:00+02:00", "20300131T080000Z"),
    *("0001-01-01", "9999-12-31T23:59:59.999999-23:59", "2030-W05-4", "2030-01-31 08:00:30,5"),
)


def words(examples: Sequence[str]) -> Callable[[Random], str]:
    """Return what makes words that are like the examples, as they come from a command line in any bytes."""

    def make(chance: Random) -> str:
        raw = chance.choice(examples).encode()
        kind = chance.random()
        return to_str(noise(chance) if kind < 0.05 else raw if kind < 0.1 else mutated(chance, raw))

    return make


def duration(text: str) -> bool:
    """Read a time: seconds, 0 or more, and not for ever."""
    try:
        seconds = parse_duration(text)
    except UsageError:
        return False
    if not 0 <= seconds < math.inf:
        raise ValueError(f"{seconds} seconds")
    return True


def size(text: str) -> bool:
    """Read a size: bytes, 0 or more."""
    try:
        count = parse_size(text)
    except UsageError:
        return False
    if count < 0:
        raise ValueError(f"{count} bytes")
    return True


def at(text: str) -> bool:
    """Read a moment, and make of it what goes to Redis; that can be shown again."""
    try:
        due = float(when_of(None, moment(text)))
    except UsageError:
        return False
    shown(due / 1000)
    return True


TARGETS: Final = (
    Target("durations", words(DURATIONS), duration),
    Target("sizes", words(SIZES), size),
    Target("moments", words(MOMENTS), at),
)
