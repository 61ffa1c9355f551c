"""What shares the interpreter with the dispatcher, a thread or a task, gives back sooner what it has not begun."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from qw.client import Client
from qw.dispatcher import _dispatcher
from qw.dispatcher.crew import Crew
from qw.dispatcher.pace import Pace
from qw.dispatcher.session import Session
from qw.dispatcher.wake import wait
from qw.dispatcher.workers import PATIENCE, PATIENCE_HERE
from tests.support import targets
from tests.support.managers import Gate, Managers
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


def test_it_goes_back_before_anything_is_read(
    client: Client, managers: Managers, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each read leaves the interpreter to threads, and it takes its time to come back."""
    steps: list[str] = []

    def noted(name: str, function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object) -> object:
            result = function(*args)
            steps.append(name)
            return result

        return call

    monkeypatch.setattr(_dispatcher, "wait", noted("wait", wait))
    monkeypatch.setattr(Crew, "overdue", noted("take back", Crew.overdue))
    monkeypatch.setattr(Session, "take", noted("read", Session.take))
    managers.start(targets.record)
    client.wait_jobs(client.queue_jobs([gate.fields] * 10), timeout=20)

    after = {then for step, then in pairwise(steps) if step == "wait"}
    assert after == {"take back"}
