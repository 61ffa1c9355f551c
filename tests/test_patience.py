"""A thread or a task that runs short jobs gives back sooner what it has not begun: it shares the interpreter."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Final

import pytest

from qw.client import Client
from qw.dispatcher import _dispatcher
from qw.dispatcher.crew import Crew
from qw.dispatcher.pace import LEISURELY, Pace
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


def pace(seconds: float) -> Pace:
    """Return the pace after a job that took so long."""
    known = Pace()
    known.note([seconds], 0.0)
    return known


CASES: Final = {
    "short jobs of a thread": (Idle, LEISURELY * 0.9, PATIENCE_HERE),
    "jobs of a thread that wait": (Idle, LEISURELY, PATIENCE),
    "short jobs of a process": (Apart, LEISURELY * 0.9, PATIENCE),
}


@pytest.mark.parametrize(("slot", "seconds", "patience"), CASES.values(), ids=CASES.keys())
def test_patience(slot: type[Idle], seconds: float, patience: float) -> None:
    """Those who want the interpreter keep the dispatcher from taking back, so that begins sooner."""
    state = Crew(["w"], slot)["w"]
    state.room(pace(seconds), 0.0)
    state.hand(batch("w", ["a", "b"]), 5.0, unasked=False, keep_lines=False)

    assert state.due(5.0) == 5.0 + patience


@pytest.mark.parametrize(("slot", "room"), [(Idle, 7), (Apart, 8)])
def test_what_goes_back_sooner_has_to_begin_sooner(slot: type[Idle], room: int) -> None:
    """Jobs of 1.99 ms, for an empty slot: the eighth one would begin after 13.9 ms."""
    assert Crew(["w"], slot)["w"].room(pace(0.00199), 0.0) == room


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
