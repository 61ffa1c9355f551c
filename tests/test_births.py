"""Births of worker processes that go wrong: each is tried again, and no manager ends of it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from multiprocessing import forkserver
from pathlib import Path
from typing import Literal

import psutil
import pytest
import redis
from redis.connection import AbstractConnection

from qw.dispatcher.crew import FIRST_PAUSE, Crew
from qw.slots import births
from qw.slots.inline import InlineSlot
from qw.slots.process import ProcessSlot
from qw.target import Target
from tests.support import targets
from tests.support.embedded import is_gone
from tests.support.links import Place, nobody_connects
from tests.support.managers import Gate, descriptors, push
from tests.support.network import Network
from tests.support.programs import ROOT, run_python
from tests.support.running import Running
from tests.support.server import RedisServer
from tests.support.targets import write_down
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


def test_what_a_process_shares_stays_shared(gate: Gate) -> None:
    """Its collector leaves alone what was there before it: to look at it is to write to it."""
    assert gc.get_freeze_count() == 0
    context = multiprocessing.get_context("fork")
    slot = ProcessSlot("web.0", Target.load(note_frozen), context, lambda: None)
    slot.start()
    hand(slot, ("one", gate.fields))
    gate.await_runs(1)
    slot.kill()
    assert slot.join(5)

    assert int(gate.runs[0]) > 1000


def note_frozen(_job_id: str, job_data: Mapping[str, str]) -> None:
    """Write down how many objects the collector leaves alone."""
    write_down(job_data["file"], f"{gc.get_freeze_count()}")


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


# -- Beside threads that connect ---------------------------------------------------------------------------------------


class Dialler:
    """A thread that connects, until it is let go."""

    def __init__(self) -> None:
        self._answered, begun = threading.Event(), threading.Event()

        def connect() -> None:
            with births.connecting():
                begun.set()
                self._answered.wait(20)

        self._thread = threading.Thread(target=connect)
        self._thread.start()
        begun.wait()

    @property
    def connects(self) -> bool:
        """Whether it does so still."""
        return self._thread.is_alive()

    def answer(self) -> None:
        """Let it go, and wait until it is gone."""
        self._answered.set()
        self._thread.join()


@pytest.fixture
def dialler() -> Iterator[Dialler]:
    """Return one that connects."""
    one = Dialler()
    yield one
    one.answer()


def a_slot(method: Literal["fork", "spawn"]) -> ProcessSlot:
    """Return a slot that is not born yet."""
    return ProcessSlot("web.0", Target.load(targets.obey), multiprocessing.get_context(method), lambda: None)


def test_none_is_forked_while_a_thread_connects(dialler: Dialler) -> None:
    """What locks that thread holds nobody would ever give back in the new process. Nothing is left open."""
    slot, before = a_slot("fork"), descriptors()
    with pytest.raises(births.NotNow):
        slot.start()
    assert (slot.alive, descriptors()) == (False, before)
    dialler.answer()
    slot.start()

    assert slot.alive
    slot.kill()
    assert slot.join(5)


def test_others_need_not_wait(dialler: Dialler) -> None:
    """A process that is no fork of this one has its own locks."""
    slot = a_slot("spawn")
    slot.start()

    assert slot.alive
    slot.kill()
    assert slot.join(5)


def test_one_that_waits_for_an_answer_is_no_hindrance(dialler: Dialler, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or a Redis that does not answer would keep a worker from having a process."""
    monkeypatch.setattr(births, "ANSWER", 0.05)
    slot = a_slot("fork")
    births.insist(slot.start)

    assert (slot.alive, dialler.connects) == (True, True)
    slot.kill()
    assert slot.join(5)


def test_a_birth_that_is_put_off_is_no_failure() -> None:
    """It comes soon, and no death is counted; the first ones are waited for."""
    reasons: list[Exception] = [births.NotNow(), births.NotNow()]
    crew = Crew(["w1"], lambda name: Reluctant(name, reasons))
    crew.start()
    assert (crew["w1"].slot.alive, reasons) == (True, [])
    crew["w1"].slot.kill()
    deaths = [crew["w1"].deaths for _ in crew.died(1.0)]
    reasons.append(births.NotNow())
    crew.revive(1.0)
    again = crew["w1"].reborn_at
    assert (crew["w1"].slot.alive, [crew["w1"].deaths]) == (False, deaths)
    assert 1.0 < again < 1.0 + FIRST_PAUSE
    crew.revive(again)

    assert crew["w1"].slot.alive


def test_a_link_connects_as_one_of_those() -> None:
    """All connections of a dispatcher are made by links, each in a thread of its own."""
    context, seen = multiprocessing.get_context("fork"), []

    def connect() -> AbstractConnection:
        with pytest.raises(births.NotNow):
            births.check(context)
        seen.append(1)
        raise OSError("that was all")

    link = Place("redis://127.0.0.1:1/0").link
    link._connect = connect  # noqa: SLF001 - in place of redis-py
    link.open()
    wait_until(lambda: len(seen) > 1, why="a second attempt")
    link.close()
    wait_until(nobody_connects)

    births.check(context)


def test_a_process_can_print_though_another_thread_was_at_it(tmp_path: Path) -> None:
    """And nobody reads what that one prints: the lock of its stream is not the new process's."""
    (tmp_path / "program.py").write_text(PRINTS)
    done = run_python(
        str(tmp_path / "program.py"), environment={"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": ""}, within=20
    )

    assert (done.returncode, done.stdout) == (0, "ended with 0\n")


PRINTS = """
import os, sys, threading, time, warnings
from qw.slots import streams

warnings.simplefilter("ignore")  # Python 3.12 and newer would tell of the fork, in vain
reading, writing = os.pipe()
os.dup2(writing, 2)
os.set_blocking(2, False)
try:
    while True: os.write(2, b"." * 4096)
except BlockingIOError: pass
os.set_blocking(2, True)
printing = threading.Thread(target=lambda: print("never read", file=sys.stderr), daemon=True)
printing.start()
place = f"/proc/self/task/{printing.native_id}/syscall"
while open(place).read().split()[1:2] != ["0x2"]: time.sleep(0.01)
with streams.replaced():
    pid = os.fork()
    if not pid:
        sys.stderr.buffer.write(b"kept for later")
        os._exit(0)
until = time.monotonic() + 10
while not (ended := os.waitpid(pid, os.WNOHANG))[0] and time.monotonic() < until: time.sleep(0.01)
print("ended with", ended[1] if ended[0] else "nothing", flush=True)
os.kill(pid, 9) if not ended[0] else None
os._exit(0)
"""


@pytest.mark.slow
def test_a_process_is_born_though_nobody_answers(plain: redis.Redis, redis_server: RedisServer, gate: Gate) -> None:
    """While the manager waits for Redis, which is a second or more for each of its connections."""
    with Network(redis_server.port) as network, closing(Running(network.url, "tests.support.targets:obey")) as running:
        push(plain, "a", gate.fields)
        running.line("finish")
        network.swallow()
        manager = psutil.Process(running.process.pid)
        (first,) = manager.children()
        first.kill()

        wait_until(lambda: [child for child in manager.children() if child != first], within=20)
