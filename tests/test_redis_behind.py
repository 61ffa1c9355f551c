"""A Redis that comes back with less than it had: an older state of it, or without the last of its append-only file."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from qw.client import Client
from tests.support.managers import Gate, jobs_in, left_in, push
from tests.support.outages import Fleet
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow


def test_an_older_state_of_redis(fleet: Fleet, make_server: MakeServer, gate: Gate) -> None:
    """Restored from a backup it holds jobs that were done since: they run again, and nothing else is amiss."""
    server = make_server()
    with redis.Redis.from_url(server.url) as plain, Client.from_url(server.url) as client:
        push(plain, "done", gate.fields)
        plain.save()
        manager = fleet.start(server.url)
        gate.await_runs(1)
        wait_until(lambda: not jobs_in(plain), 10, "the outcome in Redis")
        server.kill()
        wait_until(lambda: fleet.said("gone"))
        server.start()
        gate.await_runs(2)
        client.queue_job(gate.fields, id="new")
        gate.await_runs(3)
        manager.stop()

        assert [run.split()[0] for run in gate.runs] == ["done", "done", "new"]
        assert left_in(plain) == {}


def cut_off_the_last(server: RedisServer, size: int) -> None:
    """Take the last bytes off the append-only file, as a power failure does; Redis then drops what is half there."""
    (file,) = (path for path in server.directory.rglob("appendonly*") if path.name.endswith(("incr.aof", "only.aof")))
    assert isinstance(file, Path)
    with file.open("r+b") as stream:
        stream.truncate(max(0, file.stat().st_size - size))


@pytest.mark.parametrize("size", [100, 3001, 20_000])
def test_without_the_last_of_its_file(fleet: Fleet, make_server: MakeServer, gate: Gate, size: int) -> None:
    """What was not on the disk is gone, or done again; all that is there is worked off, and nothing is left."""
    server = make_server(appendonly=True)
    with redis.Redis.from_url(server.url) as plain, Client.from_url(server.url) as client:
        manager = fleet.start(server.url)
        client.queue_jobs([gate.fields] * 200)
        gate.await_runs(50, 20)
        server.kill()
        wait_until(lambda: fleet.said("gone"))
        cut_off_the_last(server, size)
        server.start()
        wait_until(lambda: fleet.said("back"), 10)
        client.queue_job(gate.fields, id="new")
        wait_until(lambda: "new" in {run.split()[0] for run in gate.runs}, 20, "the new job to be run")
        wait_until(lambda: not jobs_in(plain), 20, "an end of all jobs that are there")
        manager.stop()

        assert left_in(plain) == {}
