"""`queue_jobs(..., durable=True)`: what is waited for on which Redis, and what is said where nothing can be."""

from __future__ import annotations

import time

import pytest
import redis

from qw.client import Client
from qw.client._durability import Durability
from qw.errors import NotDurable
from tests.support.managers import left_in
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until
from tests.test_client_cli import complaint, lines, qw_client

JOB = {"n": "1"}


def plain_of(server: RedisServer) -> redis.Redis:
    """Return redis-py's own client of a server."""
    return redis.Redis.from_url(server.url)


def slow_disk(server: RedisServer) -> None:
    """Have the append-only file be written, but never brought to the disk."""
    with plain_of(server) as plain:
        plain.config_set("appendfsync", "no")


def test_nothing_to_be_had(client: Client, plain: redis.Redis) -> None:
    """Neither a file nor a replica: it is refused before anything is queued."""
    with pytest.raises(NotDurable, match=r"nothing was queued\. Set appendonly yes") as raised:
        client.queue_job(JOB, durable=True)
    assert (raised.value.ids, left_in(plain)) == ((), {})
    assert client.queue_jobs([], durable=True) == []


def test_always_synchronised(make_server: MakeServer) -> None:
    """Its reply comes when the job is on the disk: nothing is waited for, on any version."""
    server = make_server(appendonly=True, options=("--appendfsync", "always"))
    with Client.from_url(server.url) as client:
        job_id = client.queue_job(JOB, durable=True)
        server.kill()
        server.start()

        assert list(client.get_all_queued_jobs()) == [(None, job_id)]


def test_now_and_then_synchronised(make_server: MakeServer) -> None:
    """Before WAITAOF there is no way to wait for a file that is synchronised once a second."""
    server = make_server(appendonly=True)
    if server.version >= (7, 2):
        pytest.skip("this Redis has WAITAOF")
    with Client.from_url(server.url) as client, plain_of(server) as plain:
        with pytest.raises(NotDurable, match="nothing was queued"):
            client.queue_job(JOB, durable=True)
        assert left_in(plain) == {}


def test_waits_for_the_file(make_server: MakeServer, with_waitaof: str) -> None:
    """By WAITAOF, which takes until the next time it is synchronised, within a second."""
    server = make_server(appendonly=True, binary=with_waitaof)
    with Client.from_url(server.url) as client, plain_of(server) as plain:
        ids = client.queue_jobs([JOB] * 2500, durable=True)

        assert plain.info("commandstats")["cmdstat_waitaof"]["calls"] == 1
        server.kill()
        server.start()
        assert sorted(job_id for _, job_id in client.get_all_queued_jobs()) == sorted(ids)


def test_a_file_that_does_not_follow(make_server: MakeServer, with_waitaof: str) -> None:
    """When its patience is over it says so, and of which jobs: they are queued."""
    server = make_server(appendonly=True, binary=with_waitaof)
    slow_disk(server)
    with Client.from_url(server.url, patience=0.3) as client:
        began = time.monotonic()
        with pytest.raises(NotDurable, match=r"1 job\(s\) are queued, but not surely durable: .* in time") as raised:
            client.queue_job(JOB, durable=True)
        assert time.monotonic() - began >= 0.3
        assert [job_id for _, job_id in client.get_all_queued_jobs()] == list(raised.value.ids)


def test_jobs_that_were_there_already_are_waited_for(make_server: MakeServer, with_waitaof: str) -> None:
    """Nothing is queued anew, and yet it is not said to be safe before it is."""
    server = make_server(appendonly=True, binary=with_waitaof)
    slow_disk(server)
    with Client.from_url(server.url, patience=0.3) as client:
        client.queue_job(JOB, id="a")
    with Client.from_url(server.url, patience=0.3) as other, pytest.raises(NotDurable):
        other.queue_job(JOB, id="a", durable=True)


def test_waits_for_a_replica(make_server: MakeServer) -> None:
    """One that has it too is enough; one that hangs is not."""
    server = make_server()
    replica = make_server(options=("--replicaof", "127.0.0.1", str(server.port)))
    with plain_of(server) as plain, plain_of(replica) as second, Client.from_url(server.url, patience=1.0) as client:
        wait_until(lambda: second.info("replication")["master_link_status"] == "up", 20, "the replica to follow")
        job_id = client.queue_job(JOB, durable=True)
        assert second.lrange("all:jobs", 0, -1) == [job_id.encode()]

        replica.pause()
        with pytest.raises(NotDurable, match="did not follow in time"):
            client.queue_job(JOB, durable=True)
        assert plain.llen("all:jobs") == 2
        replica.resume()


def test_another_redis_that_has_taken_over(make_server: MakeServer) -> None:
    """What it has may lack these jobs: that is not said to be safe."""
    server = make_server(appendonly=True, options=("--appendfsync", "always"))
    with Client.from_url(server.url) as client:
        durability = Durability(client._access)  # noqa: SLF001 - the moment between its two steps is what counts
        job_id = client.queue_job(JOB)
        server.kill()
        server.start()

        with pytest.raises(NotDurable, match="another Redis has taken over meanwhile, or it was restarted") as raised:
            durability.wait([job_id])
        assert raised.value.ids == (job_id,)


def test_a_redis_that_goes_away_meanwhile(make_server: MakeServer) -> None:
    """It is not known whether they are safe: they are queued."""
    server = make_server(appendonly=True, options=("--appendfsync", "always"))
    with Client.from_url(server.url) as client:
        durability = Durability(client._access)  # noqa: SLF001 - as above
        server.kill()

        with pytest.raises(NotDurable, match="Redis does not tell whether they would outlive it"):
            durability.wait(["a"])


def test_of_the_command(make_server: MakeServer, redis_url: str, plain: redis.Redis) -> None:
    """`--durable`, and the same line where it is not to be had."""
    said = complaint(qw_client(redis_url, "queue", "string", '{"n": 1}', "--durable"), 1)
    assert "nothing was queued. Set appendonly yes" in said
    assert left_in(plain) == {}
    server = make_server(appendonly=True, options=("--appendfsync", "always"))
    assert len(lines(qw_client(server.url, "queue", "string", '{"n": 1}', "--durable"))) == 1
