"""The engine: makes one input after the other, feeds it to a target, and keeps what should not have come of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from random import Random
from typing import Final, Generic, TypeVar

import attrs

T = TypeVar("T")

#: Seconds of CPU that reading one input may take. What seems to take longer is tried again: the machine may be busy.
LIMIT: Final = 0.1
TRIES: Final = 3
#: Finds after which a target is left alone: more of them would tell nothing new.
ENOUGH: Final = 5


@attrs.frozen
class Target(Generic[T]):
    """
    What is fuzzed: how an input is made, and what reads it.

    `feed` returns whether it was accepted. It catches the documented error, and raises for all else that is wrong.
    """

    name: str
    make: Callable[[Random], T]
    feed: Callable[[T], bool]
    #: How often `feed` reads an input.
    readings: int = 1


@attrs.frozen
class Find:
    """An input that something is wrong with, and by which number it is made again."""

    target: str
    seed: int
    number: int
    input: object
    #: What went wrong.
    wrong: str
    error: Exception | None = None


@attrs.define
class Report:
    """What came of fuzzing one target."""

    name: str
    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    #: Seconds of CPU.
    slowest: float = 0.0
    finds: list[Find] = attrs.field(factory=list)

    @property
    def is_enough(self) -> bool:
        """Whether so much was found that it makes no sense to go on."""
        return len(self.finds) >= ENOUGH


def make(target: Target[T], seed: int, number: int) -> T:
    """Return one input; the same one for the same seed and number, whatever was made before."""
    return target.make(Random(f"{seed} {target.name} {number}"))


def fuzz(target: Target[T], seed: int, first: int, count: int, report: Report) -> None:
    """Feed a target its inputs from number `first` on, and add to its report what came of them."""
    for number in range(first, first + count):
        if report.is_enough:
            return
        _feed_one(target, seed, number, report)


def _feed_one(target: Target[T], seed: int, number: int, report: Report) -> None:
    thing = make(target, seed, number)
    report.inputs += 1
    began = time.process_time()
    try:
        accepted = target.feed(thing)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a find
        wrong = f"{type(error).__name__}: {error}"
        report.finds.append(Find(target.name, seed, number, thing, wrong, error))
        return
    took = time.process_time() - began
    limit = target.readings * LIMIT
    for _ in range(TRIES - 1):
        if took > limit:
            took = min(took, _time(target, thing))
    report.slowest = max(report.slowest, took)
    if accepted:
        report.accepted += 1
    else:
        report.refused += 1
    if took > limit:
        report.finds.append(Find(target.name, seed, number, thing, f"took {took * 1000:.0f} ms of CPU"))


def _time(target: Target[T], thing: T) -> float:
    began = time.process_time()
    target.feed(thing)
    return time.process_time() - began
