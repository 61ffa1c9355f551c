"""
What foreign producers may put into Redis, all of it at once: each bad job ends where it should, every good one is run.

A real `qw-manager` takes them, and nothing that it says can be taken for an order by a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest
import redis

from qw.client import Client
from tests.conftest import Mode
from tests.support.keyspace import snapshot, text
from tests.support.managers import jobs_in, lists_are_empty, stat
from tests.support.running import Running
from tests.support.targets import written
from tests.support.wait import wait_until
from tests.test_client_cli import lines, qw_client
from tests.test_logs import FORBIDDEN, HOSTILE
from tests.test_neighbours import HOSTILE as STARTS

#: Bytes to bytes; redis-py's annotations want to hear of all that it could be.
Fields: TypeAlias = dict[Any, Any]

#: All that a terminal obeys, as bytes, with some that are no UTF-8.
NASTY: Final = "".join(HOSTILE.values()).replace("\ud800", "").encode("utf-8", "surrogateescape") + b"\xff\xc3("

#: Hashes that make no job of the target's, and what is to be said of them.
BURIED: Final[dict[bytes, tuple[Fields, str]]] = {
    b"a missing field": ({b"qw:type": b"Add", b"b": b"1"}, "UndecodableJob: a: "),
    b"a wrong field": ({b"qw:type": b"Add", b"a": b"one"}, "UndecodableJob: a: "),
    b"half a field": ({b"qw:type": b"Add", b"a": b'{"x": '}, "UndecodableJob: a: "),
    b"a number too large": ({b"qw:type": b"Add", b"a": b"9" * 5000}, "UndecodableJob: a: "),
    b"too deep": ({b"qw:type": b"Add", b"a": b"[" * 100_000}, "UndecodableJob: a: "),
    b"no utf-8": ({b"qw:type": b"Add", b"a": b"\xff\xfe"}, "UndecodableJob: a: "),
    b"no type": ({b"a": b"1"}, "UndecodableJob: "),
    b"os.system": ({b"qw:type": b"os.system", b"a": b"id"}, "UndecodableJob: no job type 'os.system'"),
    b"a module": ({b"qw:type": b"tests.support.targets.Add", b"a": b"1"}, "UndecodableJob: no job type "),
    b"dunder": ({b"qw:type": b"__import__", b"a": b"os"}, "UndecodableJob: no job type '__import__'"),
    b"a look-alike": ({b"qw:type": "Аdd".encode(), b"a": b"1"}, "UndecodableJob: no job type "),  # noqa: RUF001 - so it is
    b"a type of a million": ({b"qw:type": b"A" * 1_000_000}, "UndecodableJob: no job type 'AAA"),
    b"nasty type": ({b"qw:type": NASTY, NASTY: NASTY}, "UndecodableJob: no job type "),
    b"no type " + NASTY: ({NASTY: NASTY}, "UndecodableJob: "),
}

#: Hashes that make one, whatever else is in them.
GOOD: Final[dict[bytes, Fields]] = {
    b"as it should be": {},
    b"": {},
    b"id \xff " + NASTY: {},
    b"i" * 1_000_000: {},
    b"a million characters": {b"word": b"x" * 1_000_000},
    b"more fields": {b"frob": b"1", NASTY: NASTY},
    b"ten thousand fields": {b"field %d" % n: b"" for n in range(10_000)},
    b"spoilt counts": dict.fromkeys((b"qw:tries", b"qw:crashes", b"qw:rescues"), b"1e999"),
    b"spoilt times": dict.fromkeys((b"qw:queued_at", b"qw:ttl"), b"-inf"),
    b"no queue": {b"qw:queue": b"frob"},
    b"a nasty queue": {b"qw:queue": NASTY + b":jobs", b"qw:for": NASTY},
    b"a traceback": {b"qw:traceback": NASTY, b"qw:error": NASTY},
}

#: Keys of another type than a hash.
STRANGE: Final = {b"a string": "SET", b"a list": "RPUSH", b"a set": "SADD"}


def push_all(plain: redis.Redis, file: Path) -> None:
    """Put everything into Redis by hand, each good job behind some bad ones."""
    for job_id, command in STRANGE.items():
        plain.execute_command(command, b"job:" + job_id, NASTY)
    for job_id, (fields, _) in BURIED.items():
        plain.hset(b"job:" + job_id, mapping=fields)
    for job_id, fields in GOOD.items():
        usual: Fields = {b"qw:type": b"Record", b"file": str(file).encode(), b"word": b"word"}
        plain.hset(b"job:" + job_id, mapping={**usual, **fields})
    plain.lpush("all:jobs", *STRANGE, *BURIED, b"without a hash", NASTY, *GOOD)


def are_over(plain: redis.Redis) -> bool:
    """
    Whether no job is left.

    One that goes back because its slot was slow goes where it says it is from: let it be sent on from there.
    """
    plain.rpoplpush(NASTY + b":jobs", "all:jobs")
    return lists_are_empty(plain)


@pytest.fixture(params=["processes", "threads"])
def manager(request: pytest.FixtureRequest, redis_url: str) -> Iterator[Running]:
    """Return a manager of one worker, which says all that it can, in each mode in turn."""
    mode: Mode = request.param
    running = Running(redis_url, f"--mode={mode}", "--level=debug", "tests.support.targets:work")
    running.line("ready")
    yield running
    running.close()


@pytest.mark.slow
def test_nothing_of_it_harms_anybody(plain: redis.Redis, redis_url: str, manager: Running, tmp_path: Path) -> None:
    """Buried or dropped with the reason, or run; and the worker that met all of it is the one that began."""
    file = tmp_path / "runs"
    workers = snapshot(plain)["web:workers"]
    push_all(plain, file)
    wait_until(lambda: are_over(plain), 20, "an end of all jobs")

    dead = {text(job_id) for job_id in plain.zrange("all:dead", 0, -1)}
    assert dead == {text(job_id) for job_id in (*STRANGE, *BURIED)}
    for job_id, (_, why) in BURIED.items():
        assert text(plain.hget(b"job:" + job_id, "qw:error")).startswith(why), job_id
    assert sorted(map(len, written(file))) == sorted([4] * (len(GOOD) - 1) + [1_000_000])
    assert (stat(plain, "dropped"), stat(plain, "buried")) == (2, len(dead))
    assert (stat(plain, "finished"), stat(plain, "crashed")) == (len(GOOD), 0)
    assert snapshot(plain)["web:workers"] == workers
    assert manager.process.poll() is None


@pytest.mark.slow
def test_nothing_of_it_reaches_a_terminal(plain: redis.Redis, redis_url: str, manager: Running, tmp_path: Path) -> None:
    """Neither in the log nor in what the command shows; no line is long, and there is one for each job."""
    push_all(plain, tmp_path / "runs")
    wait_until(lambda: are_over(plain), 20, "an end of all jobs")
    shown = [*lines(qw_client(redis_url, "dead")), *lines(qw_client(redis_url, "dead", "--json"))]
    manager.process.terminate()
    manager.end()

    assert not FORBIDDEN & set("".join([*manager.said, *shown]).replace("\t", ""))
    assert max(map(len, manager.said)) < 2000
    events = [line.split()[2] for line in manager.said]
    assert (events.count("finish"), events.count("drop")) == (len(GOOD), 2)
    assert events.count("bury") == len(BURIED) + len(STRANGE)


@pytest.mark.slow
def test_no_name_of_a_start_harms_a_manager(plain: redis.Redis, redis_url: str, tmp_path: Path, mode: Mode) -> None:
    """It strikes them off, looks for their files and forgets them all; it says so fit for a terminal, and works on."""
    shown = [b"1", b"", b"struck", b"struck 1", b"7 -1", NASTY, b"\0"]
    starts: Fields = {b"%b%d" % (name, n) if n else name: value for name in STARTS for n, value in enumerate(shown)}
    plain.hset("all:beats", mapping=starts)
    with closing(Running(redis_url, f"--mode={mode}", "--lease=1.0", "tests.support.targets:work")) as running:
        running.line("ready")
        wait_until(lambda: plain.hlen("all:beats") == 1 or running.process.poll() is not None, 20, "an end of the rest")
        plain.hset("job:a", mapping={"qw:type": "Record", "file": str(tmp_path / "runs"), "word": "word"})
        plain.lpush("all:jobs", "a")
        running.line("finish")
        running.process.terminate()

        assert running.end() == 0
        assert not FORBIDDEN & set("".join(running.said))
    assert written(tmp_path / "runs") == ["word"]


#: What the bell may bring in place of the words of a job.
NO_JOBS: Final = (
    *(b"not json", b"", b"5", b"{}", b"[1]", b'["a"', b'["qw:tries",5,"x"]', b'["qw:type",[],"x"]', b"[" * 8000),
    *(b"\xff\r", NASTY.replace(b"\n", b"")),
)


@pytest.mark.parametrize("job", NO_JOBS)
def test_what_anybody_says_to_the_bell(
    plain: redis.Redis, client: Client, tmp_path: Path, manager: Running, job: bytes
) -> None:
    """A job that is none is no worse there than in a hash: it ends, in no list, and what comes next is run."""
    (worker,) = client.get_manager_workers("web")

    def is_told() -> bool:
        plain.publish("all:bell", b"%b\nx\n%b" % (worker.encode(), job))  # it is not believed in the first moments
        return any(" bury " in line for line in manager.said)

    wait_until(is_told)
    plain.hset("job:a", mapping={"qw:type": "Record", "file": str(tmp_path / "runs"), "word": "word"})
    plain.lpush("all:jobs", "a")
    manager.line("finish")

    assert written(tmp_path / "runs") == ["word"]
    assert (plain.exists("job:x", "all:dead"), stat(plain, "crashed")) == (0, 0)
    manager.process.terminate()
    assert manager.end() == 0
    assert not FORBIDDEN & set("".join(manager.said))


def test_pushed_twice(plain: redis.Redis, client: Client, manager: Running, tmp_path: Path) -> None:
    """It may run twice; afterwards nothing of it is left."""
    fields: Fields = {"qw:type": "Record", "file": str(tmp_path / "runs"), "word": "word"}
    plain.hset("job:a", mapping=fields)
    plain.lpush("all:jobs", "a", "a", "a")
    wait_until(lambda: not jobs_in(plain), 10, "an end of all of them")

    assert 1 <= len(written(tmp_path / "runs")) <= 3
