"""What becomes of a job that fails, in both modes: retries, burials, time-outs, processes that are worn out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest
import redis

from qw.client import Client
from qw.errors import Bury, JobFailed, Retry, TimedOut
from qw.job import Job, Options, current_job
from qw.manager import Manager
from tests.conftest import Mode
from tests.support.keyspace import snapshot, text
from tests.support.managers import Gate, jobs_in, left_in, lists_are_empty, stat
from tests.support.targets import write_down, written
from tests.support.wait import wait_until


@attrs.frozen
class Task(Job[str]):
    """What `run` does, for each of its tries; the last one goes on."""

    file: str
    tries: tuple[str, ...] = ("return",)
    options = Options(retries=2, backoff=0.01, give_up_on=(ZeroDivisionError,), timeout=0.2)


@attrs.frozen
class Chore(Job[None]):
    """Has options, and no result."""

    file: str
    options = Options(retries=1, backoff=0.01, timeout=0.1)


class Hopeless(ZeroDivisionError):
    """Is one of those that are given up on."""


def run(job: Task) -> str:
    """Write down `<attempt> <process>`, then do as it says."""
    attempt = current_job().attempt
    write_down(job.file, f"{attempt} {os.getpid()}")
    do = job.tries[min(attempt, len(job.tries)) - 1]
    if do == "raise":
        raise ValueError(f"try {attempt}")
    if do == "hopeless":
        raise Hopeless
    if do == "bury":
        raise Bury("it is no good")
    if do == "again":
        raise Retry("not yet", after=0.05)
    if do == "sleep":
        _sleep()
    if do == "ignore":
        _ignore_the_end(job.file)
    return f"done at {attempt}"


def _sleep() -> None:
    wait_until(lambda: False, within=30)


def _ignore_the_end(file: str) -> None:
    """Wait on, however often it is told that its time is over."""
    while not Path(f"{file}.go").exists():
        try:
            wait_until(Path(f"{file}.go").exists, within=30)
        except TimedOut:
            write_down(f"{file}.told", "told")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    """Return the file in which tries are written down; jobs that wait are let go when the test is over."""
    return tmp_path / "tries"


@pytest.fixture
def manager(redis_url: str, mode: Mode, task: Path) -> object:
    """Return a manager of two workers in each mode in turn."""
    with Manager(run, num_workers=2, name="web", mode=mode, url=redis_url, grace=0.0) as made:
        yield made
        Path(f"{task}.go").touch()


def outcome(client: Client, task: Path, *tries: str) -> str:
    """Queue a job that does this at its tries; return its result, or the error it was buried with."""
    try:
        return client.wait_job(client.queue_job(Task(str(task), tries)), timeout=20)
    except JobFailed as failure:
        return failure.error


def attempts(task: Path) -> list[int]:
    """Return the attempts that were begun."""
    return [int(line.split()[0]) for line in written(task)]


@pytest.mark.usefixtures("manager")
class TestRetries:
    """A job that raises is tried again, as often as its class says."""

    def test_until_it_succeeds(self, client: Client, task: Path, plain: redis.Redis) -> None:
        """And nothing is left of it then."""
        assert outcome(client, task, "raise", "raise", "return") == "done at 3"
        assert attempts(task) == [1, 2, 3]
        assert stat(plain, "retried") == 2
        assert not {"all:scheduled", "all:dead"} & jobs_in(plain).keys()

    def test_until_there_is_none_left(self, client: Client, task: Path, plain: redis.Redis) -> None:
        """Then it is buried, with the reason of the last one."""
        assert outcome(client, task, "raise") == "ValueError: try 3"
        (job,) = (value for key, value in snapshot(plain).items() if key.startswith("job:"))
        assert isinstance(job, dict)
        assert job["qw:tries"] == "2"

    @pytest.mark.parametrize(
        ("do", "error"), [("hopeless", "Hopeless"), ("bury", "Bury: it is no good")], ids=["hopeless", "bury"]
    )
    def test_some_are_not_tried_again(self, do: str, error: str, client: Client, task: Path) -> None:
        """Nor those whose target says so."""
        assert outcome(client, task, do) == error
        assert attempts(task) == [1]

    def test_a_target_may_ask_for_more_than_that(self, client: Client, task: Path) -> None:
        """At a time of its own."""
        began = time.monotonic()

        assert outcome(client, task, *["again"] * 4, "return") == "done at 5"
        assert time.monotonic() - began >= 0.2


@pytest.mark.usefixtures("manager")
class TestTimeouts:
    """A job that runs for too long is told to end, and cut off if it does not."""

    def test_told_to_end(self, client: Client, task: Path) -> None:
        """It is a failure like any other, and tried again."""
        assert outcome(client, task, "sleep", "return") == "done at 2"

    def test_too_often(self, client: Client, task: Path) -> None:
        """It is buried with the reason."""
        assert outcome(client, task, "sleep") == "TimedOut: its time was over"
        assert attempts(task) == [1, 2, 3]

    def test_the_worker_is_as_before(self, client: Client, task: Path, plain: redis.Redis) -> None:
        """Hundreds of jobs after it, none is hit by what was meant for another."""
        outcome(client, task, "sleep")
        ids = client.queue_jobs([Task(str(task))] * 300)

        assert {client.wait_job(job_id, timeout=20) for job_id in ids} == {"done at 1"}
        assert stat(plain, "crashed") == 0

    @pytest.mark.slow
    def test_cut_off(self, client: Client, task: Path, plain: redis.Redis) -> None:
        """What does not end when it is told is left behind or killed; its worker goes on, and so does the job."""
        assert outcome(client, task, "ignore", "return") == "done at 2"
        assert len(written(Path(f"{task}.told"))) == 1
        assert stat(plain, "crashed") == 0
        assert stat(plain, "retried") == 1


def test_the_managers_limits_are_for_all_others(redis_url: str, mode: Mode, client: Client, task: Path) -> None:
    """A plain job has none of its own."""

    def fail(job_id: str, job_data: dict[str, str]) -> None:
        write_down(job_data["file"], f"{current_job().attempt} x")
        if current_job().attempt == 1:
            _sleep()

    with Manager(fail, num_workers=1, name="web", mode=mode, url=redis_url, retries=1, timeout=0.1):
        client.queue_job({"file": str(task)})
        wait_until(lambda: attempts(task) == [1, 2], within=10)


def test_the_limits_of_a_job_without_a_result(redis_url: str, mode: Mode, client: Client, task: Path) -> None:
    """They go for it as for any other: it is told to end, and tried again."""

    def chore(job: Chore) -> None:
        write_down(job.file, f"{current_job().attempt} x")
        if current_job().attempt == 1:
            _sleep()

    with Manager(chore, num_workers=1, name="web", mode=mode, url=redis_url):
        client.queue_job(Chore(str(task)))
        wait_until(lambda: attempts(task) == [1, 2], within=10)


@pytest.mark.parametrize(("max_jobs", "max_memory"), [(10, None), (None, 1)], ids=["jobs", "memory"])
def test_worn_out_processes_are_replaced(
    max_jobs: int | None, max_memory: int | None, redis_url: str, client: Client, task: Path, plain: redis.Redis
) -> None:
    """Between two jobs: none is run twice, and it counts as no death."""
    with Manager(run, num_workers=2, name="web", url=redis_url, max_jobs=max_jobs, max_memory=max_memory):
        ids = client.queue_jobs([Task(str(task))] * 60)
        assert {client.wait_job(job_id, timeout=30) for job_id in ids} == {"done at 1"}

    pids = [line.split()[1] for line in written(task)]
    assert len(pids) == 60
    assert max(pids.count(pid) for pid in pids) <= (max_jobs or 1)
    assert stat(plain, "crashed") == 0
    assert not {key for key in left_in(plain) if not key.startswith("result:")}


HOSTILE = {
    "changes the directory": "os.chdir('/')",
    "removes its directory": "d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    "changes the umask": "os.umask(0o777)",
    "ignores signals": "signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.signal(signal.SIGALRM, signal.SIG_IGN)",
    "leaves a timer": "signal.signal(signal.SIGALRM, signal.default_int_handler); signal.setitimer(0, 0.05)",
    "closes standard output": "sys.stdout.close()",
    "lowers the recursion limit": "sys.setrecursionlimit(100)",
    "leaves a process": "subprocess.Popen(['sleep', '60'])",
    "leaves a thread": "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
}


def obey(job_id: str, job_data: dict[str, str]) -> None:
    """Execute the field `do`, or write down how the process is."""
    if "do" in job_data:
        exec(job_data["do"], {name: __import__(name) for name in MODULES})  # noqa: S102 - the test's own words
        return
    umask = os.umask(0o022)
    os.umask(umask)
    handlers = [signal.getsignal(number) == signal.SIG_IGN for number in (signal.SIGTERM, signal.SIGALRM)]
    state = [str(Path.cwd()), umask, handlers, sys.stdout.closed, sys.getrecursionlimit() > 500]
    write_down(job_data["file"], repr(state))


MODULES = ("os", "signal", "subprocess", "sys", "tempfile", "threading", "time")


@pytest.mark.parametrize("do", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_process_is_put_in_order(do: str, redis_url: str, client: Client, task: Path, plain: redis.Redis) -> None:
    """What a target leaves behind does not meet the next one."""
    with Manager(obey, num_workers=1, name="web", url=redis_url, grace=1.0):
        client.queue_job({"file": str(task)})
        wait_until(lambda: len(written(task)) == 1)
        client.queue_job({"do": do})
        client.queue_jobs([{"file": str(task)}] * 5)
        wait_until(lambda: len(written(task)) == 6, within=10)
        wait_until(lambda: stat(plain, "finished") == 7)

    assert len(set(written(task))) == 1
    assert (stat(plain, "crashed"), stat(plain, "buried")) == (0, 0)


@pytest.mark.parametrize("do", ["os.closerange(3, 1000)", "os.fork()", "threading.Thread(target=sys.exit).start()"])
def test_the_jobs_own_failure_at_most(do: str, redis_url: str, client: Client, task: Path, plain: redis.Redis) -> None:
    """Whatever it does to its process, all other jobs are run, once each."""
    with Manager(obey, num_workers=1, name="web", url=redis_url, grace=1.0):
        client.queue_job({"do": do})
        client.queue_jobs([{"file": str(task)}] * 5)
        wait_until(lambda: len(written(task)) == 5, within=20)
        wait_until(lambda: lists_are_empty(plain), within=20)

    assert len(written(task)) == 5


def test_says_what_a_process_died_of(redis_url: str, client: Client, plain: redis.Redis) -> None:
    """The signal's name, or the code that it left with."""
    with Manager(obey, num_workers=1, name="web", url=redis_url):
        client.queue_job({"do": "os.kill(os.getpid(), signal.SIGSEGV)"}, id="a")
        client.queue_job({"do": "os._exit(3)"}, id="b")
        wait_until(lambda: plain.zcard("all:dead") == 2, within=20)

    why = {name: text(plain.hget(f"job:{name}", "qw:error")) for name in "ab"}
    assert why["a"].endswith(": SIGSEGV")
    assert why["b"].endswith(": exit code 3")


def test_noticed_at_once_though_a_grandchild_lives_on(
    redis_url: str, client: Client, gate: Gate, plain: redis.Redis
) -> None:
    """What was forked from a worker process keeps its end of the channel: its death is seen all the same."""
    do = "os.fork() or time.sleep(60); os.kill(os.getpid(), signal.SIGKILL)"
    with Manager(obey, num_workers=1, name="web", url=redis_url):
        client.queue_job({"do": do}, id="a")
        wait_until(lambda: plain.zcard("all:dead") == 1, within=10)


def test_a_fork_while_standard_input_is_read(redis_url: str, client: Client, gate: Gate, plain: redis.Redis) -> None:
    """A replacement is born although the main thread holds the lock of standard input."""
    program = f"""
import sys, threading
from qw.manager import Manager
from tests.test_failures import obey
manager = Manager(obey, num_workers=1, name="web", url={redis_url!r})
manager.start()
print("ready", flush=True)
sys.stdin.read()
"""
    script = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert script.stdout is not None
    assert script.stdout.readline() == "ready\n"
    client.queue_job({"do": "os._exit(3)"}, id="a")
    wait_until(lambda: plain.zcard("all:dead") == 1, within=20)
    file = gate.directory / "runs"
    client.queue_job({"file": str(file)})
    wait_until(lambda: len(written(file)) == 1, within=10)

    script.communicate("", timeout=10)
