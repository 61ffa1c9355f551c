"""How `qw-manager` comes by its processes: by forks of itself, with all that the target's module has made."""

from __future__ import annotations

import os
import signal
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from qw.client import Client
from tests.support.programs import ROOT
from tests.support.running import Running
from tests.support.targets import written
from tests.support.wait import wait_until

#: What each target's module does first: it writes down which process imports it.
HEAD = """\
import multiprocessing, os, sys, threading, time
from pathlib import Path
HERE = Path(__file__).parent
def note(name, line):
    with (HERE / name).open("ab", buffering=0) as file:
        file.write(f"{line}\\n".encode())
note("imports", os.getpid())
"""

pytestmark = pytest.mark.slow

Start = Callable[..., Running]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a manager of two processes, whose target is `f` in a module with this text."""
    managers: list[Running] = []

    def start_manager(text: str, *arguments: str) -> Running:
        (tmp_path / "forked.py").write_text(HEAD + textwrap.dedent(text))
        paths = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PYTHONUNBUFFERED": ""}
        managers.append(Running(redis_url, "forked:f", "--workers=2", *arguments, environment=paths))
        return managers[-1]

    yield start_manager
    for manager in managers:
        manager.close()


def line_of(pid: int) -> list[str]:
    """Return the command line of a process."""
    return psutil.Process(pid).cmdline()


def test_a_target_is_imported_once(start: Start, tmp_path: Path) -> None:
    """By the manager: all its processes are forks of it, whose command line they have."""
    manager = start("def f(job_id, job_data): ...")
    manager.line("ready")

    mine = psutil.Process(manager.process.pid)
    family = mine.children(recursive=True)
    assert written(tmp_path / "imports") == [str(manager.process.pid)]
    assert len(family) == 4  # the fork server, multiprocessing's resource tracker, and two workers
    assert {tuple(each.cmdline()) for each in family} == {tuple(mine.cmdline())}


def test_processes_are_without_what_the_manager_alone_needs(start: Start, client: Client, tmp_path: Path) -> None:
    """redis-py, and the asyncio that it brings, are ten megabytes: they are imported after the fork, in one process."""
    start("def f(job_id, job_data): note('modules', {'json', 'redis', 'asyncio'} & {*sys.modules})")
    client.wait_job(client.queue_job({"any": "thing"}), timeout=20)

    assert written(tmp_path / "modules") == ["{'json'}"]


def test_a_target_with_a_thread_is_not_forked_beside_it(start: Start, tmp_path: Path) -> None:
    """Then the fork server is an interpreter of its own, and imports the target as well."""
    manager = start(
        """
        threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
        def f(job_id, job_data): note("runs", job_id)
        """
    )
    manager.line("ready")

    imports = written(tmp_path / "imports")
    assert len(imports) == 2
    assert imports[0] == str(manager.process.pid)
    assert "multiprocessing.forkserver" in " ".join(line_of(int(imports[1])))


def test_the_files_of_a_module_are_its_processes_as_well(client: Client, start: Start, tmp_path: Path) -> None:
    """A module may open what its jobs use, as if each process had imported it."""
    start(
        """
        LOG = open(HERE / "runs", "ab", buffering=0)
        def f(job_id, job_data): LOG.write(b"one\\n")
        """
    )
    client.queue_jobs([{"a": "b"}] * 4)
    wait_until(lambda: written(tmp_path / "runs") == ["one"] * 4, within=20)


def test_what_was_printed_is_printed_once(client: Client, start: Start) -> None:
    """What a module has left in a buffer when it was imported does not come out of each process."""
    manager = start("print('imported')\ndef f(job_id, job_data): print('run', flush=True)", "--burst")
    client.queue_jobs([{"a": "b"}] * 4)
    assert manager.end() == 0

    said = manager.process.stdout.read() if manager.process.stdout else ""
    assert said.count("imported") == 1


def test_all_end_with_the_manager(client: Client, start: Start, tmp_path: Path) -> None:
    """Nobody but the manager holds its end of a pipe, so that each notices when it is gone, even in a job."""
    manager = start("def f(job_id, job_data):\n    note('runs', os.getpid())\n    time.sleep(3600)")
    client.queue_job({"a": "b"})
    wait_until(lambda: written(tmp_path / "runs"), within=20)
    family = psutil.Process(manager.process.pid).children(recursive=True)
    manager.process.kill()

    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []


def test_a_process_can_start_others_of_its_own(client: Client, start: Start, tmp_path: Path) -> None:
    """By a fork server too: that of the manager was started under a lock, which must not be held for ever in a fork."""
    start(
        """
        def square(number): return number * number
        def f(job_id, job_data):
            with multiprocessing.get_context("forkserver").Pool(1) as pool: note("runs", pool.map(square, [3]))
        """
    )
    client.queue_job({"a": "b"})

    wait_until(lambda: written(tmp_path / "runs") == ["[9]"], within=20)


def test_a_fork_server_that_dies_is_replaced(client: Client, start: Start, tmp_path: Path) -> None:
    """By an interpreter of its own, as the manager has threads by then."""
    manager = start("def f(job_id, job_data): note('runs', os.getpid())")
    manager.line("ready")
    servers = [each for each in psutil.Process(manager.process.pid).children() if each.children()]
    workers = servers[0].children()
    servers[0].kill()
    for worker in workers:
        os.kill(worker.pid, signal.SIGKILL)
    client.queue_job({"a": "b"})

    wait_until(lambda: written(tmp_path / "runs"), within=20)
    assert int(written(tmp_path / "runs")[0]) not in {worker.pid for worker in workers}


def test_a_second_signal_ends_a_long_import(start: Start, tmp_path: Path) -> None:
    """Nobody listens yet but the process itself."""
    manager = start("note('begun', 1)\nwhile True: time.sleep(0.01)")
    wait_until(lambda: written(tmp_path / "begun"), within=20)
    manager.send(signal.SIGINT)
    manager.send(signal.SIGTERM)

    assert manager.end() == 130
