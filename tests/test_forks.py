"""How `qw-manager` comes by its processes: by forks of itself, with all that it has made, or by a fork server's."""

from __future__ import annotations

import signal
import textwrap
from collections.abc import Callable, Iterator
from contextlib import suppress
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

#: A target beside which the manager does not fork.
WITH_A_THREAD = """
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
def f(job_id, job_data): note("runs", os.getpid())
"""

pytestmark = pytest.mark.slow

Start = Callable[..., Running]


@pytest.fixture
def start(redis_url: str, tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a manager of some processes, whose target is `f` in a module with this text."""
    managers: list[Running] = []

    def start_manager(text: str, *arguments: str, workers: int = 2) -> Running:
        (tmp_path / "forked.py").write_text(HEAD + textwrap.dedent(text))
        paths = {"PYTHONPATH": f"{ROOT}:{tmp_path}", "PYTHONUNBUFFERED": ""}
        managers.append(Running(redis_url, "forked:f", f"--workers={workers}", *arguments, environment=paths))
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
    assert len(family) == 2  # the workers: no fork server, and no resource tracker
    assert {tuple(each.cmdline()) for each in family} == {tuple(mine.cmdline())}


def test_what_the_processes_share_stays_shared(start: Start, client: Client, tmp_path: Path) -> None:
    """Their collector leaves alone what was there before them: to look at it is to write to it."""
    start(
        """
        import gc
        MINE = [[]]
        def f(job_id, job_data): note("collected", any(each is MINE for each in gc.get_objects()))
        """
    )
    client.wait_job(client.queue_job({"any": "thing"}), timeout=20)

    assert written(tmp_path / "collected") == ["False"]


@pytest.mark.parametrize("ignored", [False, True], ids=["as usual", "nohup"])
def test_signals_are_to_a_process_what_they_are_to_others(
    start: Start, client: Client, tmp_path: Path, *, ignored: bool
) -> None:
    """What the manager does at SIGHUP is its own, and what a target starts would inherit that it is ignored."""
    number = signal.SIGHUP
    before = signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
    try:
        start(
            """
            import signal
            def f(job_id, job_data):
                note("is", signal.getsignal(signal.SIGHUP).name)
                note("is", signal.set_wakeup_fd(-1) if threading.current_thread() is threading.main_thread() else 0)
            """
        ).line("ready")
    finally:
        signal.signal(number, before)
    client.wait_job(client.queue_job({"any": "thing"}), timeout=20)

    assert written(tmp_path / "is") == ["SIG_IGN" if ignored else "SIG_DFL", "-1"]


def test_the_last_of_many_has_no_more_open_than_the_first(start: Start, client: Client, tmp_path: Path) -> None:
    """But for one descriptor of each: its target may need many, and `select` takes none above 1023."""
    workers = 16
    start(
        f"""
        def f(job_id, job_data):
            note("open", len(os.listdir("/proc/self/fd")))
            while len((HERE / "open").read_text().splitlines()) < {workers}: time.sleep(0.01)
        """,
        workers=workers,
    )
    client.queue_jobs([{"a": "b"}] * workers)
    wait_until(lambda: len(written(tmp_path / "open")) == workers, within=20)

    numbers = sorted(int(line) for line in written(tmp_path / "open"))
    assert numbers[-1] - numbers[0] <= workers


def test_a_process_begins_as_any_other(start: Start, client: Client, tmp_path: Path) -> None:
    """In a main thread, though the manager's dispatcher, a daemon, has forked it; threads of the target's are none."""
    start(
        """
        def f(job_id, job_data):
            me = threading.current_thread()
            note("thread", f"{me.name} {me.daemon} {threading.Thread().daemon} {me is threading.main_thread()}")
            if len((HERE / "thread").read_text().splitlines()) == 1: os.kill(os.getpid(), 9)
        """,
        workers=1,
    )
    client.wait_job(client.queue_job({"a": "b"}), timeout=20)

    assert written(tmp_path / "thread") == ["MainThread False False True"] * 2


def test_a_signal_that_a_module_handles_ends_nobody(start: Start, client: Client, tmp_path: Path) -> None:
    """Such as SIGCHLD, which comes to the manager when a process of its own dies."""
    start(
        """
        import signal
        signal.signal(signal.SIGCHLD, lambda *_: note("handled", 1))
        def f(job_id, job_data):
            note("runs", job_id)
            if len((HERE / "runs").read_text().splitlines()) == 1: os.kill(os.getpid(), 9)
        """
    )
    job_id = client.queue_job({"a": "b"})
    client.wait_job(job_id, timeout=20)

    assert written(tmp_path / "runs") == [job_id] * 2
    wait_until(lambda: written(tmp_path / "handled"), why="the handler, in the main thread")


def test_a_target_can_fork_with_a_terminal(start: Start, client: Client, tmp_path: Path) -> None:
    """Only the process itself gets another standard input, not what it forks later on."""
    start(
        """
        import pty
        def f(job_id, job_data):
            pid, terminal = pty.fork()
            if not pid:
                note("terminal", os.isatty(0))
                os._exit(0)
            os.waitpid(pid, 0)
        """
    )
    client.wait_job(client.queue_job({"a": "b"}), timeout=20)

    assert written(tmp_path / "terminal") == ["True"]


def test_what_a_target_logs_is_in_the_log(start: Start, client: Client) -> None:
    """Whoever writes the manager's lines is a thread of the manager, which its forks have not."""
    manager = start(
        """
        import logging
        def f(job_id, job_data):
            logging.getLogger("mine").warning("seen %s", job_data["name"])
            if job_data["name"] == "first": os.kill(os.getpid(), 9)
        """
    )
    client.queue_job({"name": "first"})
    for _ in range(3):  # the second and the third are of a process that was born while the manager wrote lines
        wait_until(lambda: sum("crash" in line for line in manager.said) == 3, within=20)
    client.wait_job(client.queue_job({"name": "second"}), timeout=20)
    wait_until(lambda: any("seen second" in line for line in manager.said), within=20)

    assert sum(" ready " in line for line in manager.said) == 1


def test_a_target_with_a_thread_is_not_forked_beside_it(start: Start, tmp_path: Path) -> None:
    """Then there is a fork server, an interpreter of its own, which imports the target as well."""
    manager = start(WITH_A_THREAD)
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
    """By a fork server too."""
    start(
        """
        def square(number): return number * number
        def f(job_id, job_data):
            with multiprocessing.get_context("forkserver").Pool(1) as pool: note("runs", pool.map(square, [3]))
        """
    )
    client.queue_job({"a": "b"})

    wait_until(lambda: written(tmp_path / "runs") == ["[9]"], within=20)


@pytest.mark.parametrize("halted", [False, True], ids=["before a birth", "at a birth"])
def test_a_fork_server_that_dies_is_replaced(client: Client, start: Start, tmp_path: Path, *, halted: bool) -> None:
    """The next job is run by a process of another one."""
    manager = start(WITH_A_THREAD)
    manager.line("ready")
    server = next(each for each in psutil.Process(manager.process.pid).children() if each.children())
    workers = server.children()
    server.suspend() if halted else server.kill()
    workers[0].kill()
    manager.line("crash")
    with suppress(psutil.NoSuchProcess):
        server.kill()
    workers[1].kill()
    client.queue_job({"a": "b"})

    wait_until(lambda: written(tmp_path / "runs"), within=20)
    runner = psutil.Process(int(written(tmp_path / "runs")[0]))
    assert runner.pid not in {worker.pid for worker in workers}
    assert runner.ppid() != server.pid
    manager.send(signal.SIGTERM)
    assert manager.end() == 0


def test_a_second_signal_ends_a_long_import(start: Start, tmp_path: Path) -> None:
    """Nobody listens yet but the process itself."""
    manager = start("note('begun', 1)\nwhile True: time.sleep(0.01)")
    wait_until(lambda: written(tmp_path / "begun"), within=20)
    manager.send(signal.SIGINT)
    manager.send(signal.SIGTERM)

    assert manager.end() == 130
