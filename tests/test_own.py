"""What a slot asks after each job: whether it is still the slot, and its descriptors its own."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator

import pytest

from qw.slots import own
from qw.slots.channel import DOWN, pair
from qw.slots.child import NOT_OURS, Setup, _Server
from qw.slots.limits import Limits
from qw.slots.own import same_files, same_process
from qw.slots.tally import Tally
from qw.slots.tickets import Tickets
from qw.target import Target
from tests.support.slots import batch
from tests.support.targets import succeed


class Obliging(mmap.mmap):
    """Memory of a system that says yes to all advice, and takes none."""

    def madvise(self, _option: int, _start: int = 0, _length: int = 0) -> None:
        """Say yes."""


def refuse(*_: object) -> int:
    """Be a system that marks no files."""
    raise OSError


@pytest.fixture(params=["as here", "without advice", "with advice in vain", "without marks"])
def _system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on this system, and on others."""
    if request.param == "without advice":
        monkeypatch.setattr(own, "MADV_WIPEONFORK", -2)
    elif request.param == "with advice in vain":
        monkeypatch.setattr(mmap, "mmap", Obliging)
    elif request.param == "without marks":
        monkeypatch.setattr(fcntl, "fcntl", refuse)


def sockets() -> tuple[int, int]:
    """Return the numbers of two sockets."""
    one, other = socket.socketpair()
    return one.detach(), other.detach()


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """Return a socket and the reading end of a pipe; a test may close them."""
    made = (*sockets(), *os.pipe())
    yield made[0], made[2]
    for end in made:
        with contextlib.suppress(OSError):
            os.close(end)


@pytest.mark.usefixtures("_system")
class TestSameProcess:
    """A process that was forked from a slot must not go on as one."""

    def test_here(self) -> None:
        """As often as it is asked."""
        is_same = same_process()

        assert is_same()
        assert is_same()

    def test_in_a_child(self) -> None:
        """Not in a child, nor in a child of that; and here still."""
        is_same = same_process()
        child = os.fork()
        if child == 0:
            grandchild = os.fork()
            if grandchild == 0:
                os._exit(is_same())
            os._exit(is_same() or os.waitstatus_to_exitcode(os.waitpid(grandchild, 0)[1]))

        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert is_same()


@pytest.mark.usefixtures("_system")
def test_nothing_was_done_to_the_files(ends: tuple[int, int]) -> None:
    """As often as it is asked."""
    is_same = same_files(*ends)

    assert is_same()
    assert is_same()


@pytest.mark.usefixtures("_system")
@pytest.mark.parametrize("which", [0, 1], ids=["the first", "the second"])
class TestSameFiles:
    """Descriptors whose number a target has closed, and used again."""

    def test_closed(self, ends: tuple[int, int], which: int) -> None:
        """A number without a file."""
        is_same = same_files(*ends)
        os.close(ends[which])

        assert not is_same()

    @pytest.mark.parametrize("make", [os.pipe, sockets])
    def test_another_one_of_the_kind(
        self, ends: tuple[int, int], which: int, make: Callable[[], tuple[int, int]]
    ) -> None:
        """A number that leads to another pipe or socket by now."""
        is_same = same_files(*ends)
        others = make()
        os.dup2(others[0], ends[which])
        for end in others:
            os.close(end)

        assert not is_same()

    def test_a_file(self, ends: tuple[int, int], which: int) -> None:
        """A number that leads to a file on a disk by now, which is appended to as our marked ones are."""
        is_same = same_files(*ends)
        with tempfile.TemporaryFile("a+") as file:
            os.dup2(file.fileno(), ends[which])

        assert not is_same()


def test_one_that_would_block(ends: tuple[int, int]) -> None:
    """A target may not make tickets block either: the slot would wait there for ever."""
    os.set_blocking(ends[1], False)
    is_same = same_files(*ends)
    os.set_blocking(ends[1], True)

    assert not is_same()


def can_wipe() -> bool:
    """Tell whether this system wipes memory in a child."""
    try:
        mmap.mmap(-1, mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).madvise(own.MADV_WIPEONFORK)
    except (AttributeError, OSError):
        return False
    return True


@pytest.mark.skipif(not can_wipe(), reason="memory is not wiped in a child on this system")
def test_asks_the_system_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each job: so the process is known by a page of its memory."""
    is_same = same_process()
    monkeypatch.delattr(os, "getpid")

    assert is_same()


@pytest.mark.parametrize("taken", ["channel", "tickets"])
def test_the_job_that_took_it_is_the_last(taken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot one of whose numbers was given to a socket of the target's neither writes nor waits there."""
    ended: list[int] = []

    def end(code: int) -> None:
        ended.append(code)
        raise SystemExit

    def take(_line: str) -> None:
        os.dup2(theirs[0].fileno(), its.fileno() if taken == "channel" else tickets.out.fileno())

    monkeypatch.setattr(os, "_exit", end)
    mine, its = pair()
    theirs = socket.socketpair()
    tally, tickets = Tally.make(mine), Tickets()
    with mine, its, theirs[0], theirs[1], contextlib.closing(tickets):
        lines = batch("w1", "ab").lines
        mine.sendall(DOWN.pack(len(lines), tickets.issue(2)) + lines)
        setup = Setup("w1", Target.load(succeed), Limits(), its, tickets.out, its)
        server = _Server(setup, Tally.receive(its), take)

        def serve() -> None:
            with contextlib.suppress(SystemExit):
                server.serve()

        slot = threading.Thread(target=serve, daemon=True)
        slot.start()
        slot.join(10)

        assert not slot.is_alive()
        assert (ended, tally.ended()) == ([NOT_OURS], 0)
        with pytest.raises(BlockingIOError):
            theirs[1].recv(1, socket.MSG_DONTWAIT)
