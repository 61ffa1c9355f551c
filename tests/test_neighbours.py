"""The files by which starts on one host know of each other's death: with real processes, killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from qw.dispatcher.neighbours import Neighbours, directory
from qw.keys import to_str
from tests.support.programs import ROOT

PROGRAM: Final = """
import pathlib, sys, time
from qw.dispatcher.neighbours import Neighbours
Neighbours(sys.argv[2], pathlib.Path(sys.argv[1])).open()
print("open", flush=True)
time.sleep(60)
"""

#: Starts as a foreign program may name them: as no file can be called, as one elsewhere is, or hardly at all.
HOSTILE: Final = (b"a\0b", b"\0", b"", b"nodot", b".", b"..", b"/", b"../../x", b"w/b.a", b"\xff\x1b[2J", b"x" * 300)

Start = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a process which holds the file of this start."""
    made = []

    def begin(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", PROGRAM, str(tmp_path), name]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        made.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        return process

    yield begin
    for process in made:
        process.kill()
        process.communicate()


def test_one_that_was_killed_is_dead(start: Start, tmp_path: Path) -> None:
    """As soon as it is gone, and only then: a stopped one lives."""
    other, me = start("web.a"), Neighbours("web.me", tmp_path)
    me.open()
    assert me.dead_among(["web.a"]) == []
    os.kill(other.pid, signal.SIGSTOP)
    assert me.dead_among(["web.a"]) == []

    other.kill()
    other.wait()

    assert me.dead_among(["web.b", "web.a"]) == ["web.a"]
    me.forget("web.a")
    assert me.dead_among(["web.a"]) == []
    me.close()


def test_one_that_has_left_is_not_dead(tmp_path: Path) -> None:
    """It takes its file along."""
    other, me = Neighbours("web.a", tmp_path), Neighbours("web.me", tmp_path)
    other.open()
    other.close()

    assert me.dead_among(["web.a"]) == []
    assert list(tmp_path.iterdir()) == []


def test_starts_in_one_process_live_as_long_as_it(start: Start, tmp_path: Path) -> None:
    """To look at each other must not give up the lock: closing any descriptor of the file would."""
    one, two = Neighbours("web.1", tmp_path), Neighbours("web.2", tmp_path)
    one.open()
    two.open()

    assert two.dead_among(["web.1", "web.2"]) == []

    script = (
        f"import pathlib; from qw.dispatcher.neighbours import Neighbours as N; p = pathlib.Path({str(tmp_path)!r})"
    )
    command = [sys.executable, "-c", f"{script}; print(N('web.3', p).dead_among(['web.1', 'web.2']))"]
    assert subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout == "[]\n"
    one.close()
    two.close()


def test_a_forked_child_is_nobody(tmp_path: Path) -> None:
    """What is forked from a manager holds no lock of it, and takes none along when it ends."""
    me = Neighbours("web.me", tmp_path)
    me.open()
    child = os.fork()
    if not child:
        os._exit(0 if Neighbours("web.x", tmp_path).dead_among(["web.me"]) == [] else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    me.close()


@pytest.mark.parametrize("name", ["web." + "x" * 250, "wéb.a", "w/b.a"])
def test_any_name(name: str, start: Start, tmp_path: Path) -> None:
    """A manager's name may be longer than a file's, and need not be one."""
    start(name).kill()
    me = Neighbours("web.me", tmp_path)

    while not me.dead_among([name]):
        pass


@pytest.mark.parametrize("raw", HOSTILE, ids=lambda raw: repr(raw[:20]))
def test_a_start_of_any_bytes(raw: bytes, tmp_path: Path) -> None:
    """Whatever stands in Redis as a name, its file is one of the directory's, and is looked for, found and removed."""
    name, place = to_str(raw), tmp_path / "place"
    me, other = Neighbours("web.me", place), Neighbours(name, place)
    assert me.dead_among([name]) == []
    me.forget(name)
    me.open()
    assert me.dead_among([name]) == []

    other.open()
    assert len(list(place.iterdir())) == 2
    assert me.dead_among([name]) == []
    other.close()
    assert [path.name for path in tmp_path.iterdir()] == ["place"]
    assert [path.name for path in place.iterdir()] == ["web.me.start"]
    me.close()


def test_where_no_file_can_be(tmp_path: Path) -> None:
    """It finds out nothing, and harms nobody."""
    (tmp_path / "file").write_text("")
    me = Neighbours("web.me", tmp_path / "file")
    me.open()

    assert me.dead_among(["web.a"]) == []
    me.close()


def test_the_directory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is this user's runtime directory, or one in the system's place for such files."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert directory() == tmp_path / "qw"

    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert directory().name == f"qw-{os.getuid()}"
