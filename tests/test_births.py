"""Births of worker processes that go wrong: each is tried again, and no manager ends of it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import forkserver
from pathlib import Path

import pytest
import redis

from qw.dispatcher.crew import Crew
from qw.slots.inline import InlineSlot
from qw.slots.process import ProcessSlot
from qw.target import Target
from tests.support import targets
from tests.support.embedded import is_gone
from tests.support.managers import Gate, left_in, push
from tests.support.running import Running
from tests.support.wait import wait_until
from tests.test_slots_process import hand, pid_of


class Reluctant(InlineSlot):
    """A slot that cannot be born as long as there is a reason."""

    def __init__(self, name: str, reasons: list[Exception]) -> None:
        super().__init__(name, Target.load(targets.succeed), lambda: None)
        self._reasons = reasons

    def start(self) -> None:
        """Fail for the next reason."""
        if self._reasons:
            raise self._reasons.pop()


REASONS = [
    OSError("the fork server died"),
    BlockingIOError("no process left"),
    BrokenProcessPool("a child was gone at once"),
    RuntimeError("no thread left"),
]


@pytest.mark.parametrize("reason", REASONS, ids=lambda reason: type(reason).__name__)
def test_a_birth_that_fails_is_tried_again(reason: Exception) -> None:
    """Later, with the worker dead until then; and at once no more often than that."""
    reasons: list[Exception] = []
    crew = Crew(["w1"], lambda name: Reluctant(name, reasons))
    crew["w1"].slot.kill()
    assert [death.worker for death in crew.died(1.0)] == ["w1"]

    reasons.append(reason)
    crew.revive(1.0)
    again = crew["w1"].reborn_at
    assert (reasons, crew["w1"].slot.alive, again > 1.0) == ([], False, True)
    crew.revive(again)

    assert (crew["w1"].slot.alive, crew["w1"].reborn_at) == (True, 0.0)


@pytest.mark.parametrize(
    ("reason", "counted"),
    [(BrokenPipeError("it is gone"), 1), (BrokenProcessPool("it is gone"), 1), (BlockingIOError("no process left"), 0)],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_one_that_dies_before_it_is_told_what_for_is_stillborn(reason: Exception, counted: int) -> None:
    """It may be the target's module that ends it; a system that has no process left may have one again."""
    crew = Crew(["w1"], lambda name: Reluctant(name, [reason]))
    crew["w1"].slot.kill()
    before = [crew["w1"].stillborn for _ in crew.died(1.0)]
    crew.revive(1.0)

    assert crew["w1"].stillborn - before[0] == counted


@pytest.fixture
def slots() -> Iterator[list[ProcessSlot]]:
    """Return three slots whose processes a fork server bears."""
    context = multiprocessing.get_context("forkserver")
    made = [ProcessSlot(f"web.{n}", Target.load(targets.obey), context, lambda: None) for n in range(3)]
    yield made
    for slot in made:
        slot.kill()
        assert slot.join(5)


def test_one_that_has_said_that_it_is_ready_is_born(slots: list[ProcessSlot]) -> None:
    """Not before, and for good: whoever buries it wants to know."""
    slot = slots[0]
    assert not slot.born
    slot.start()
    assert not slot.born, "nothing is read yet"
    wait_until(lambda: slot.reports() == [] and slot.born)
    slot.kill()
    wait_until(lambda: slot.reports() == [] and not slot.alive)

    assert slot.born


def parent_of(pid: int) -> int:
    """Return the process that bore this one."""
    return int(Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[1])


def test_a_fork_server_that_dies_at_a_birth(
    slots: list[ProcessSlot], gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error of the system's, as others of a birth are, and the next birth has another server."""
    slots[0].start()
    hand(slots[0], ("one", {**gate.fields, "do": "hold"}))
    gate.await_runs(1)
    server = parent_of(pid_of(gate))
    os.kill(server, signal.SIGSTOP)
    read = forkserver.read_signed

    def read_in_vain(fd: int) -> object:
        os.kill(server, signal.SIGKILL)
        return read(fd)

    monkeypatch.setattr(forkserver, "read_signed", read_in_vain)
    with pytest.raises(OSError, match=r"the fork server died at the birth of a process for web\.1"):
        slots[1].start()
    monkeypatch.undo()
    assert not slots[1].alive
    # A moment ago it had no socket any more, and was no dead child yet: then a birth is refused, to be tried again.
    wait_until(lambda: is_gone(server), why="an end of the fork server")

    slots[2].start()
    wait_until(lambda: slots[2].reports() == [] and slots[2].ready)


@pytest.mark.slow
@pytest.mark.parametrize("halted", [False, True], ids=["before a birth", "at a birth"])
def test_a_manager_outlives_its_fork_server(plain: redis.Redis, redis_url: str, gate: Gate, *, halted: bool) -> None:
    """The next job is run by a process of another one."""
    with closing(Running(redis_url, "tests.support.targets:obey")) as running:
        push(plain, "a", gate.fields)
        running.line("finish")
        server = parent_of(pid_of(gate))
        os.kill(server, signal.SIGSTOP if halted else signal.SIGKILL)
        os.kill(pid_of(gate), signal.SIGKILL)
        running.line("crash")
        if halted:
            os.kill(server, signal.SIGKILL)
        push(plain, "b", gate.fields)
        gate.await_runs(2)

        assert parent_of(pid_of(gate)) != server
        running.send(signal.SIGTERM)
        assert running.end() == 0
    assert left_in(plain) == {}
