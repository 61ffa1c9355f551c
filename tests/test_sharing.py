"""Slots that share an interpreter are given no more in all than they get through; those with one of their own are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

import pytest

from qw.dispatcher.crew import Crew
from qw.dispatcher.pace import LEISURELY, Pace
from qw.dispatcher.workers import PATIENCE, PATIENCE_HERE
from tests.support.slots import Idle, batch

NAMES: Final = ("w1", "w2", "w3")
#: Seconds of a short job: 149 of them take 15 ms.
SHORT: Final = 0.0001005


class Apart(Idle):
    """A slot as of a process: it has a descriptor."""

    def fileno(self) -> int:
        """Return one that is open."""
        return 0


class Case(NamedTuple):
    """What slots have, and what they may be given."""

    slot: type[Idle]
    seconds: float
    #: How many jobs each of them holds.
    held: tuple[int, int, int]
    #: How many each of them is to get.
    wanted: Mapping[str, int]


CASES: Final = {
    "all are empty": Case(Idle, SHORT, (0, 0, 0), {"w1": 49, "w2": 49, "w3": 49}),
    "one has some": Case(Idle, SHORT, (0, 60, 0), {"w1": 35, "w2": 18, "w3": 35}),
    "one has enough": Case(Idle, SHORT, (0, 99, 0), {"w1": 25, "w3": 25}),
    "one has it all": Case(Idle, SHORT, (0, 149, 0), {"w1": 1, "w3": 1}),
    "one has more than that": Case(Idle, SHORT, (0, 200, 0), {"w1": 1, "w3": 1}),
    "all have enough": Case(Idle, SHORT, (99, 99, 99), {}),
    "jobs wait": Case(Idle, LEISURELY, (0, 0, 0), {"w1": 7, "w2": 7, "w3": 7}),
    "each has its own": Case(Apart, SHORT, (0, 200, 0), {"w1": 150, "w3": 150}),
}


def pace(seconds: float) -> Pace:
    """Return the pace after one job that took so long."""
    known = Pace()
    known.note([seconds], 0.0)
    return known


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wanted_in_all(case: Case) -> None:
    """Each that has room gets one at least."""
    crew = Crew(NAMES, case.slot)
    for name, count in zip(NAMES, case.held, strict=True):
        if count:
            crew[name].hand(batch(name, [str(n) for n in range(count)]), 0.0, unasked=False, keep_lines=False)

    assert dict(crew.wants(pace(case.seconds), 0.0)) == case.wanted


@pytest.mark.parametrize(("slot", "patience"), [(Idle, PATIENCE_HERE), (Apart, PATIENCE)])
def test_what_shares_one_goes_back_sooner(slot: type[Idle], patience: float) -> None:
    """It takes the dispatcher some time to have the interpreter, and to take back what was not begun."""
    crew = Crew(NAMES, slot)
    crew["w1"].hand(batch("w1", ["a", "b"]), 5.0, unasked=False, keep_lines=False)

    assert crew["w1"].due(5.0) == 5.0 + patience


@pytest.mark.parametrize(("slot", "room"), [(Idle, 2), (Apart, 3)])
def test_what_goes_back_sooner_has_to_begin_sooner(slot: type[Idle], room: int) -> None:
    """Jobs of 7 ms, for an empty slot: the third one would begin after 14 ms."""
    crew = Crew(NAMES, slot)

    assert crew["w1"].room(pace(0.007), 0.0) == room
