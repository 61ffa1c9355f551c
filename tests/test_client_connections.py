"""The client's own connections: which it leaves for another server, and what a signal handler raises meanwhile."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import redis

from qw.client import Client
from qw.errors import QueueUnsure
from tests.support.keyspace import snapshot
from tests.support.network import Network
from tests.support.server import MakeServer, RedisServer


class Alarmed(TimeoutError):
    """What the handlers of some programs raise, in the middle of whatever is done."""


@pytest.fixture
def server(make_server: MakeServer) -> RedisServer:
    """Return a server of this test's own."""
    return make_server()


def test_leaves_a_server_that_takes_no_writes_any_more(make_server: MakeServer, server: RedisServer) -> None:
    """After a failover the name leads to another; who stays with the one before is refused for ever."""
    other = make_server()
    with Network(server.port) as network, Client.from_url(network.url, patience=2) as client:
        client.queue_job({})
        with client._access.connections.lend(10):  # noqa: SLF001 - as many as nobody uses afterwards
            pass
        network.lead_to(other.port)
        with redis.Redis.from_url(server.url) as old, redis.Redis.from_url(other.url) as new:
            old.replicaof("127.0.0.1", other.port)

            client.queue_job({}, id="one")
            client.queue_jobs([{}, {}], ids=["two", "three"])
            assert snapshot(new)["all:jobs"] == ["three", "two", "one"]


def test_leaves_it_with_those_that_others_use(make_server: MakeServer, server: RedisServer) -> None:
    """Which come back in good order, and would go on reading what is old."""
    other = make_server()
    with Network(server.port) as network, Client.from_url(network.url) as client:
        connections = client._access.connections  # noqa: SLF001 - who else uses some cannot be seen from outside
        with connections.lend(2) as (one, two):
            one.ask("REPLICAOF", "127.0.0.1", other.port)
            network.lead_to(other.port)
            assert isinstance(one.ask("SET", "a", "b"), redis.exceptions.ReadOnlyError)
            assert two.ask("GET", "a") is None
        with connections.lend(2) as lent:
            assert [each.ask("SET", "a", "b") for each in lent] == [b"OK"] * 2


@contextmanager
def alarm() -> Iterator[None]:
    """Have a handler raise in a moment."""

    def ring(*_: object) -> None:
        raise Alarmed("wake up")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("size", [1, 32_000_000], ids=["waiting for the reply", "sending"])
def test_the_error_of_a_signal_handler_is_not_the_connections(server: RedisServer, size: int) -> None:
    """It comes as it was raised, and nothing is sent again: it may be raised when the last byte is out."""
    with Client.from_url(server.url, patience=60, socket_timeout=60) as client:
        client.max_payload = 2 * size
        client.queue_job({}, id="before")
        server.pause()
        with pytest.raises(Alarmed), alarm():
            client.queue_job({"n": "x" * size}, id="one", retry_unsure=True)
        server.resume()

        client.queue_job({}, id="two")
        queued = [job_id for job_id in snapshot(client)["all:jobs"] if job_id != "one"]
        assert queued == ["two", "before"]


@pytest.mark.parametrize(
    ("size", "error"), [(1, QueueUnsure), (32_000_000, redis.exceptions.TimeoutError)], ids=["waiting", "sending"]
)
def test_a_time_out_is_the_connections(server: RedisServer, size: int, error: type[Exception]) -> None:
    """Though Python has no number of the system's for it; what was not sent as a whole is not queued."""
    with Client.from_url(server.url, patience=0, socket_timeout=0.2) as client:
        client.max_payload = 2 * size
        client.queue_job({}, id="before")
        server.pause()
        with pytest.raises(error):
            client.queue_job({"n": "x" * size})
        server.resume()
