"""What a slot asks after each job: whether it is still the slot, and its descriptors its own."""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import tempfile
from collections.abc import Iterator

import pytest

from qw.slots import own
from qw.slots.own import same_file, same_process


@pytest.fixture(params=["as the system does it", "as other systems do"])
def _system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on this system, and on one that neither wipes memory nor marks files."""
    if request.param == "as other systems do":
        monkeypatch.delattr(fcntl, "F_SETSIG")
        monkeypatch.setattr(own, "MADV_WIPEONFORK", -1)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Return both ends of a pipe, which a test may close."""
    ends = os.pipe()
    yield ends
    for end in ends:
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
class TestSameFile:
    """A descriptor whose number a target has closed, and used again."""

    def test_open(self, pipe: tuple[int, int]) -> None:
        """As often as it is asked, and after it was used."""
        is_same = same_file(pipe[0])

        assert is_same()
        os.write(pipe[1], b"x")
        os.read(pipe[0], 1)
        assert is_same()

    def test_closed(self, pipe: tuple[int, int]) -> None:
        """A number without a file."""
        is_same = same_file(pipe[0])
        os.close(pipe[0])

        assert not is_same()

    def test_another_one_of_the_kind(self, pipe: tuple[int, int]) -> None:
        """A number that leads to another pipe by now."""
        is_same = same_file(pipe[0])
        others = os.pipe()
        os.dup2(others[0], pipe[0])
        for end in others:
            os.close(end)

        assert not is_same()

    def test_another_kind(self, pipe: tuple[int, int]) -> None:
        """A number that leads to a file on a disk by now."""
        is_same = same_file(pipe[0])
        with tempfile.TemporaryFile() as file:
            os.dup2(file.fileno(), pipe[0])

        assert not is_same()


@pytest.mark.skipif(not hasattr(mmap, "MADV_DONTFORK"), reason="memory is not wiped on other systems than Linux")
def test_asks_the_system_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each job: so the process is known by a page of its memory."""
    is_same = same_process()
    monkeypatch.delattr(os, "getpid")

    assert is_same()
