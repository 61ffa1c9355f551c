"""The suite's own server does what fault tests need of it."""

from __future__ import annotations

import os

import pytest
import redis

from tests.support.keyspace import expiring, snapshot
from tests.support.server import MakeServer, RedisServer


def test_snapshot_shows_every_type(plain: redis.Redis) -> None:
    """All types of values come back as Python values, and what is not UTF-8 is kept apart."""
    plain.set("s", b"\xff")
    plain.rpush("l", "a", "b")
    plain.sadd("t", "x", "y")
    plain.hset("h", mapping={"f": "v"})
    plain.zadd("z", {"m": 1.5})
    plain.expire("s", 100)

    assert snapshot(plain) == {
        "s": "\udcff",
        "l": ["a", "b"],
        "t": {"x", "y"},
        "h": {"f": "v"},
        "z": {"m": 1.5},
    }
    assert list(expiring(plain)) == ["s"]


@pytest.mark.parametrize("appendonly", [False, True])
@pytest.mark.parametrize("keep_data", [False, True])
def test_restart_keeps_what_it_is_told_to_keep(make_server: MakeServer, *, appendonly: bool, keep_data: bool) -> None:
    """A restarted server has the same address, and its data only if it is told so."""
    server = make_server(appendonly=appendonly)
    with redis.Redis.from_url(server.unix_url) as client:
        client.set("k", "v")
        server.restart(keep_data=keep_data)

        assert snapshot(client) == ({"k": "v"} if keep_data else {})


def test_a_stopped_server_forgets_even_what_it_kept_once(make_server: MakeServer) -> None:
    """What a restart saved does not come back at a later start."""
    server = make_server()
    with redis.Redis.from_url(server.url) as client:
        client.set("k", "v")
        server.restart()
        server.stop()
        server.start()

        assert snapshot(client) == {}


def test_a_paused_server_hangs_and_goes_on(make_server: MakeServer) -> None:
    """A paused server answers nobody and loses nothing; one that is paused can be closed."""
    server = make_server(password="secret")
    with redis.Redis.from_url(server.url, socket_timeout=0.2, retry=None) as client:
        client.set("k", "v")
        server.pause()
        with pytest.raises(redis.TimeoutError):
            client.get("k")
        server.resume()

        assert client.get("k") == b"v"
    server.pause()


def test_kill_ends_it_at_once(redis_binary: str) -> None:
    """A killed server is gone, and its directory goes with `close`."""
    server = RedisServer(redis_binary)
    server.start()
    pid = server.pid
    server.kill()

    with pytest.raises(LookupError):
        _ = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    server.close()
    assert not server.directory.exists()
