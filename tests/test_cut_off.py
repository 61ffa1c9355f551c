"""Jobs that do not end when their time is over, whatever keeps them: cut off after a grace, and no other suffers."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import attrs
import pytest
import redis

from qw.client import Client
from qw.errors import JobFailed, TimedOut
from qw.job import Job, Options
from qw.manager import Manager, _settings
from qw.slots.limits import Limits
from tests.support.embedded import is_gone
from tests.support.keyspace import Value, snapshot
from tests.support.managers import stat
from tests.support.targets import write_down, written
from tests.support.wait import wait_until

#: Seconds that a job may run, and that it gets to clean up.
TIMEOUT: Final = 0.2
GRACE: Final = 0.3
TOLD: Final = "TimedOut: its time was over"
CUT_OFF: Final = f"TimedOut: it ran for longer than {TIMEOUT} s, and {GRACE} s more to clean up"

pytestmark = pytest.mark.slow


@attrs.frozen
class Task(Job[str]):
    """Do something that takes too long."""

    do: str = "return"
    file: str = ""
    options = Options(timeout=TIMEOUT)


def run(job: Task) -> str:
    """Do as it says."""
    if job.do in DEEDS:
        DEEDS[job.do](job)
    return job.do


async def run_async(job: Task) -> str:
    """Do nothing, or wait, and go on when it is told that its time is over."""
    if job.do == "ignore":
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(60)
        await asyncio.sleep(60)
    return job.do


def run_plain(job_id: str, job_data: Mapping[str, str]) -> None:
    """Do as it says, with no limit but the manager's."""
    run(Task(**job_data))


def _count(_job: Task) -> None:
    """Hold the interpreter's lock for hours, in C, where no signal is looked for."""
    sum(range(10**13))


def _stop(_job: Task) -> None:
    """Stop the whole process, as somebody's Ctrl-Z would."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _leave(job: Task) -> None:
    """Start a program, then listen to nobody."""
    with subprocess.Popen(["sleep", "60"]) as child:
        write_down(job.file, f"{child.pid}")
        _count(job)


def _wait(job: Task) -> None:
    """Wait for a program, which is killed when this is told to end."""
    subprocess.run(["sh", "-c", 'echo $$ > "$0"; exec sleep 60', job.file], check=True)


def _ignore(job: Task) -> None:
    """Go on, however often it is told that its time is over, until it is let go."""
    while not Path(f"{job.file}.go").exists():
        try:
            wait_until(Path(f"{job.file}.go").exists, within=30)
        except TimedOut:
            write_down(job.file, "told")
    write_down(job.file, "over")


DEEDS: Final[Mapping[str, Callable[[Task], None]]] = {
    "count": _count,
    "stop": _stop,
    "leave": _leave,
    "wait": _wait,
    "ignore": _ignore,
}


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_settings, "Limits", functools.partial(Limits, cleanup=GRACE))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a job writes down what it did."""
    return tmp_path / "file"


def reason(client: Client, job: Task) -> str:
    """Queue a job, wait for its end, and return why it was buried."""
    with pytest.raises(JobFailed) as failure:
        client.wait_job(client.queue_job(job), timeout=20)
    return failure.value.error


def unharmed(client: Client, plain: redis.Redis, *, buried: int = 1) -> None:
    """See that the next jobs are run, and that nobody was taken for dead, nor any process for crashed."""
    assert client.wait_jobs(client.queue_jobs([Task()] * 5), timeout=20) == ["return"] * 5
    wait_until(lambda: stat(plain, "finished") == 5)
    counts = [stat(plain, name) for name in ("buried", "crashed", "rescued", "retried")]
    assert counts == [buried, 0, 0, 0]


class TestProcesses:
    """The process is killed, and another one takes its place."""

    @pytest.mark.parametrize("do", ["count", "stop"])
    def test_whatever_keeps_it(self, do: str, redis_url: str, client: Client, plain: redis.Redis) -> None:
        """A target that holds the interpreter's lock, and one that is stopped, hear nothing."""
        with Manager(run, num_workers=1, name="web", url=redis_url):
            assert reason(client, Task(do)) == CUT_OFF
            unharmed(client, plain)

    @pytest.mark.parametrize("do", ["count", "stop"])
    def test_by_the_managers_limit(self, do: str, redis_url: str, client: Client, plain: redis.Redis) -> None:
        """A plain job has none of its own."""
        with Manager(run_plain, num_workers=1, name="web", url=redis_url, timeout=TIMEOUT):
            client.queue_job({"do": do}, id="a")
            client.queue_job({"do": "return"}, id="b")
            wait_until(lambda: stat(plain, "finished") == 1, within=20)

            assert list(client.get_dead_jobs()) == ["a"]
            assert plain.hget("job:a", "qw:error") == CUT_OFF.encode()

    @pytest.mark.parametrize(("do", "error"), [("leave", CUT_OFF), ("wait", TOLD)], ids=["leave", "wait"])
    def test_what_it_has_started_ends_with_it(
        self,
        do: str,
        error: str,
        redis_url: str,
        client: Client,
        plain: redis.Redis,
        file: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Killed as a group when it is cut off; told to end, a target that waits for a program has it killed itself."""
        if do == "wait":
            monkeypatch.setattr(_settings, "Limits", Limits)  # on a busy machine the short grace is not enough for it
        with Manager(run, num_workers=1, name="web", url=redis_url):
            assert reason(client, Task(do, str(file))) == error
            (child,) = written(file)
            wait_until(lambda: is_gone(int(child)), why="the program gone")
            unharmed(client, plain)

    def test_what_waits_behind_it_is_run(self, redis_url: str, client: Client, plain: redis.Redis) -> None:
        """Again and again, in the order in which it was queued: no time-out costs another job a try."""
        jobs = [Task(do) for do in ("count", "return", "stop", "return", "return", "count", "return", "return")]
        with Manager(run, num_workers=1, name="web", url=redis_url):
            ids = client.queue_jobs(jobs)
            wait_until(lambda: stat(plain, "finished") == 5, within=20)
            wait_until(lambda: stat(plain, "buried") == 3, within=20)

        assert set(client.get_dead_jobs()) == {ids[n] for n in (0, 2, 5)}
        assert (stat(plain, "crashed"), stat(plain, "rescued")) == (0, 0)


class TestThreads:
    """The thread is left behind, and another one takes its place."""

    def test_its_late_end_changes_nothing(self, redis_url: str, client: Client, plain: redis.Redis, file: Path) -> None:
        """It was told once, and written off: when it ends at last, no counter and no key is another one."""
        with Manager(run, num_workers=1, name="web", mode="threads", url=redis_url) as manager:
            assert reason(client, Task("ignore", str(file))) == CUT_OFF
            assert written(file) == ["told"]
            unharmed(client, plain)
            before = state(plain)
            Path(f"{file}.go").touch()
            (worker,) = manager.workers
            wait_until(lambda: [thread.name for thread in threading.enumerate()].count(worker) == 1)

            assert written(file) == ["told", "over"]
            # Whatever its end may have set off is done when another job is.
            again = client.queue_job(Task())
            assert client.wait_job(again, timeout=20) == "return"
            wait_until(lambda: stat(plain, "finished") == 6)
            plain.delete(f"result:{again}")
            plain.hincrby("all:stats", "finished", -1)
            assert state(plain) == before


class TestTasks:
    """The task is cancelled once more, and another one takes its place."""

    def test_who_does_not_listen(self, redis_url: str, client: Client, plain: redis.Redis) -> None:
        """Also when it was the only one: the event loop waits for the next."""
        with Manager(run_async, num_workers=1, name="web", mode="threads", url=redis_url):
            for count in (1, 2):
                assert reason(client, Task("ignore")) == CUT_OFF
                assert stat(plain, "buried") == count
            unharmed(client, plain, buried=2)


def state(plain: redis.Redis) -> dict[str, Value]:
    """Return all that is in Redis but for the beats."""
    return {key: value for key, value in snapshot(plain).items() if key != "all:beats"}
