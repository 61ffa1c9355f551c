"""What shares the interpreter with the dispatcher, a thread or a task, gives back sooner what it has not begun."""

from __future__ import annotations

import pytest

from qw.dispatcher.crew import Crew
from qw.dispatcher.pace import Pace
from qw.dispatcher.workers import PATIENCE, PATIENCE_HERE
from tests.support.slots import Idle, batch


class Apart(Idle):
    """A slot as of a process: it has a descriptor."""

    def fileno(self) -> int:
        """Return one that is open."""
        return 0


@pytest.mark.parametrize(("slot", "patience"), [(Idle, PATIENCE_HERE), (Apart, PATIENCE)])
def test_patience(slot: type[Idle], patience: float) -> None:
    """It takes the dispatcher some time to have the interpreter, and to take back what was not begun."""
    crew = Crew(["w"], slot)
    crew["w"].hand(batch("w", ["a", "b"]), 5.0, unasked=False, keep_lines=False)

    assert crew["w"].due(5.0) == 5.0 + patience


@pytest.mark.parametrize(("slot", "room"), [(Idle, 2), (Apart, 3)])
def test_what_goes_back_sooner_has_to_begin_sooner(slot: type[Idle], room: int) -> None:
    """Jobs of 7 ms, for an empty slot: the third one would begin after 14 ms."""
    pace = Pace()
    pace.note([0.007], 0.0)

    assert Crew(["w"], slot)["w"].room(pace, 0.0) == room
