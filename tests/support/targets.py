"""
Jobs and targets that managers in the tests run; every one is imported by its name in the slots.

What takes `(job_id, job_data)` reads its instructions from the fields of the job; what takes a class
reads them from its attributes. Which jobs ran is written down outside of qw: one line for each run at
the end of a file, by `O_APPEND`, so that lines of several processes stay whole.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import time
from pathlib import Path
from typing import NoReturn

import attrs
import redis

from qw.client import Client
from qw.job import Job, Options, current_job
from tests.support.wait import wait_until

JobData = dict[str, str]


def write_down(file: str, line: str) -> None:
    """Add one line to a file, whole even if other processes do so at the same time."""
    with Path(file).open("ab", buffering=0) as runs:
        runs.write(line.encode("utf-8", "surrogateescape") + b"\n")


def written(file: Path) -> list[str]:
    """Return the lines written down so far, in the order of the runs."""
    return file.read_text("utf-8", "surrogateescape").splitlines() if file.exists() else []


# -- Targets as in the seed: (job_id, job_data) ------------------------------------------------------------------------


def succeed(job_id: str, job_data: JobData) -> None:
    """Do nothing."""


def record(job_id: str, job_data: JobData) -> None:
    """Write down the id in the file of field `file`."""
    write_down(job_data["file"], job_id)


def record_data(job_id: str, job_data: JobData) -> None:
    """Write down id and fields in the file of field `file`, as one line of JSON."""
    write_down(job_data["file"], json.dumps([job_id, job_data]))


def push(job_id: str, job_data: JobData) -> None:
    """Push the id to the list `key` of the Redis at `url`."""
    with redis.Redis.from_url(job_data["url"]) as client:
        client.rpush(job_data["key"], job_id)


def fail(job_id: str, job_data: JobData) -> NoReturn:
    """Raise `ValueError`, saying field `why`."""
    raise ValueError(job_data.get("why", "told to fail"))


def sleep(job_id: str, job_data: JobData) -> None:
    """Take the seconds of field `seconds`, then write down the id if there is a field `file`."""
    time.sleep(float(job_data.get("seconds", "0.1")))
    if "file" in job_data:
        record(job_id, job_data)


def hold(job_id: str, job_data: JobData) -> None:
    """Write down the id in `file`, then wait until the test makes the file `gate`."""
    record(job_id, job_data)
    wait_until(Path(job_data["gate"]).exists, within=45.0)


def leave(job_id: str, job_data: JobData) -> NoReturn:
    """End the process without a word, with the code of field `code`."""
    os._exit(int(job_data.get("code", "3")))


def kill_me(job_id: str, job_data: JobData) -> None:
    """Kill the process, as the system does that of a segfault or when memory is short."""
    os.kill(os.getpid(), signal.SIGKILL)


def raise_exit(job_id: str, job_data: JobData) -> NoReturn:
    """Raise what is no `Exception`."""
    raise SystemExit(job_data.get("code", "3"))


class Evil(Exception):
    """An exception that cannot be shown, copied or pickled."""

    def __str__(self) -> str:
        message = "not even this"
        raise RuntimeError(message)

    __repr__ = __str__

    def __reduce__(self) -> NoReturn:
        message = "nor this"
        raise RuntimeError(message)


def raise_evil(job_id: str, job_data: JobData) -> NoReturn:
    """Raise what cannot be shown, copied or pickled."""
    raise Evil


def note_attempt(job_id: str, job_data: JobData) -> None:
    """Write down what `current_job` says, as `<id> <attempt> <worker>`."""
    job = current_job()
    write_down(job_data["file"], f"{job.id} {job.attempt} {job.worker}")


def obey(job_id: str, job_data: JobData) -> None:
    """Write down `<id> <attempt> <worker> <process>`, then do what field `do` says: `hold`, `die`, or nothing."""
    job = current_job()
    write_down(job_data["file"], f"{job.id} {job.attempt} {job.worker} {os.getpid()}")
    if job_data.get("do") == "hold":
        wait_until(Path(job_data["gate"]).exists, within=45.0)
    elif job_data.get("do") == "die":
        os.kill(os.getpid(), signal.SIGKILL)


async def succeed_async(job_id: str, job_data: JobData) -> None:
    """Do nothing, as a coroutine."""


async def record_async(job_id: str, job_data: JobData) -> None:
    """Let the other tasks of the loop go first, then write down the id."""
    await asyncio.sleep(0)
    record(job_id, job_data)


async def obey_async(job_id: str, job_data: JobData) -> None:
    """As `obey`, but waits without holding the loop, and does not die."""
    obey(job_id, {**job_data, "do": ""})
    while job_data.get("do") == "hold" and not Path(job_data["gate"]).exists():  # noqa: ASYNC110, ASYNC240 - a file it is
        await asyncio.sleep(0.005)


async def fail_async(job_id: str, job_data: JobData) -> NoReturn:
    """Raise `ValueError`, saying field `why`, from a coroutine."""
    await asyncio.sleep(0)
    fail(job_id, job_data)


async def sleep_async(job_id: str, job_data: JobData) -> None:
    """Take the seconds of field `seconds` without holding the loop."""
    await asyncio.sleep(float(job_data.get("seconds", "0.1")))
    if "file" in job_data:
        record(job_id, job_data)


# -- Typed jobs --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Record(Job[None]):
    """Write down `word` in `file`."""

    file: str
    word: str = ""


@attrs.frozen
class Add(Job[int]):
    """Add two numbers."""

    a: int
    b: int = 0


@attrs.frozen
class Big(Job[str]):
    """Return a text of `size` characters."""

    size: int


@attrs.frozen
class Fail(Job[None]):
    """Raise `ValueError`, saying `why`."""

    why: str = "told to fail"


@attrs.frozen
class Short(Job[int]):
    """Return a result that is kept for half a second."""

    value: int = 1
    options = Options(name="short", result_ttl=0.5)


@attrs.frozen
class WhoAmI(Job[list[str]]):
    """Return what `current_job` says: id, attempt, worker."""


def add(job: Add) -> int:
    """Return the sum."""
    return job.a + job.b


def record_word(job: Record) -> None:
    """Write down the word, or the id where there is none."""
    write_down(job.file, job.word or current_job().id)


def big_result(job: Big) -> str:
    """Return a text of the size asked for."""
    return "x" * job.size


def fail_typed(job: Fail) -> None:
    """Raise what the job says."""
    raise ValueError(job.why)


def short(job: Short) -> int:
    """Return the value."""
    return job.value


def who_am_i(job: WhoAmI) -> list[str]:
    """Return what `current_job` says."""
    mine = current_job()
    return [mine.id, str(mine.attempt), mine.worker]


async def add_async(job: Add) -> int:
    """Return the sum, from a coroutine."""
    await asyncio.sleep(0)
    return job.a + job.b


def add_or_record(job: Add | Record) -> int | None:
    """Take either of two types."""
    if isinstance(job, Add):
        return add(job)
    record_word(job)
    return None


@functools.singledispatch
def work(job: Job[object]) -> object:
    """Take every typed job of this module: the registry is the router."""
    raise TypeError(type(job).__name__)


work.register(Add, add)
work.register(Record, record_word)
work.register(Big, big_result)
work.register(Fail, fail_typed)
work.register(Short, short)
work.register(WhoAmI, who_am_i)


#: The client of a program, made before its worker processes are born.
_CLIENTS: dict[str, Client] = {}


def queue_more(job_id: str, job_data: JobData) -> None:
    """Write down the id, then queue as many more of the kind as field `more` says, with the client of the program."""
    write_down(job_data["file"], job_id)
    more = int(job_data["more"])
    share_client(job_data["url"]).queue_jobs([{**job_data, "more": str(more - 1)}] * (2 if more else 0))


def share_client(url: str) -> Client:
    """Return the client that `queue_more` uses: those that are forked later have it too."""
    if url not in _CLIENTS:
        _CLIENTS[url] = Client.from_url(url)
    return _CLIENTS[url]
