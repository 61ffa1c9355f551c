"""A bad line between managers and their Redis: slow, half open, swallowing all, or cut in the middle of a reply."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import chain

import pytest
import redis

from qw.client import Client
from qw.dispatcher import bell, knocker, session
from qw.prove.relay import Relay
from tests.conftest import Mode
from tests.support.managers import Gate, jobs_in, left_in, push, stat
from tests.support.network import Network
from tests.support.outages import Fleet
from tests.support.server import RedisServer
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow


@pytest.fixture
def network(redis_server: RedisServer, redis_url: str) -> Iterator[Network]:
    """Return a network to an empty Redis."""
    with Network(redis_server.port) as made:
        yield made


@pytest.fixture
def fleet(network: Network, mode: Mode, caplog: pytest.LogCaptureFixture) -> Iterator[Fleet]:
    """Return what starts managers, in each mode in turn; they end before the network does."""
    made = Fleet(mode, caplog)
    yield made
    made.close()


def test_a_tenth_of_a_second_there_and_back(fleet: Fleet, network: Network, gate: Gate, plain: redis.Redis) -> None:
    """Jobs are run, once each, and two managers that beat three times a second take nobody for dead."""
    network.latency = 0.05
    managers = [fleet.start(network.url, f"m{n}", lease=1.0) for n in range(2)]
    ids = [push(plain, f"j{n}", gate.fields) for n in range(200)]
    gate.await_runs(200, 30)
    wait_until(lambda: not jobs_in(plain), 10, "all outcomes in Redis")
    for manager in managers:
        manager.stop()

    assert Counter(run.split()[0] for run in gate.runs) == Counter(ids)
    assert (stat(plain, "rescued"), fleet.said("gone"), fleet.said("struck")) == (0, [], [])
    assert left_in(plain) == {}


def test_half_open_where_it_waits(
    fleet: Fleet, network: Network, gate: Gate, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis hands the next job to a connection that leads nowhere: it is found in the worker's list, and run once."""
    monkeypatch.setattr(knocker, "BLOCK", 1.0)
    manager = fleet.start(network.url)
    wait_until(lambda: network.swallow(b"BLMOVE"), 10, "a manager that waits")
    push(plain, "a", gate.fields)
    wait_until(lambda: not plain.llen("all:jobs"), 10, "the job to be taken")
    gate.await_runs(1, 10)
    push(plain, "b", gate.fields)
    push(plain, "c", gate.fields, "web:jobs")
    gate.await_runs(3, 15)
    manager.stop()

    assert Counter(run.split()[0] for run in gate.runs) == Counter("abc")
    assert left_in(plain) == {}


def test_a_black_hole(
    fleet: Fleet, network: Network, gate: Gate, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told once, and how long it took; what was run meanwhile counts, and nothing is run twice."""
    monkeypatch.setattr(session, "PATIENCE", 1.0)
    monkeypatch.setattr(knocker, "BLOCK", 1.0)
    manager = fleet.start(network.url, lease=30.0)
    push(plain, "running", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    network.swallow()
    gate.open()
    push(plain, "waiting", gate.fields)
    wait_until(lambda: fleet.said("gone"), 20, "a word of the silence")
    network.heal()
    wait_until(lambda: not jobs_in(plain), 20, "an end of both jobs")
    manager.stop()

    assert Counter(run.split()[0] for run in gate.runs) == Counter(["running", "waiting"])
    assert (len(fleet.said("gone")), len(fleet.said("back"))) == (1, 1)
    assert left_in(plain) == {}


def test_a_bell_that_leads_nowhere(
    fleet: Fleet, network: Network, gate: Gate, client: Client, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A beat finds what it should have told of; so it is asked for a sign of life, given up, and made again."""
    monkeypatch.setattr(bell, "SILENCE", 0.5)
    manager = fleet.start(network.url, lease=3.0)
    wait_until(lambda: network.swallow(b"SUBSCRIBE"), 10, "a bell")
    for count in (1, 2):  # the first may be found since a manager looks into its workers' lists when a bell is new
        client.queue_job(gate.fields, worker=manager.workers[0])
        gate.await_runs(count, 10)
    # The one that leads nowhere is still there for Redis.
    wait_until(lambda: plain.pubsub_numsub("all:bell") == [(b"all:bell", 2)], 10, "another bell")
    manager.stop()

    assert fleet.said("gone") == []


def test_a_bell_that_is_late(fleet: Fleet, network: Network, gate: Gate, client: Client, plain: redis.Redis) -> None:
    """The job that it brings was found with a beat, run and finished before: it is not run again."""
    manager = fleet.start(network.url, lease=3.0)
    wait_until(lambda: network.hold(b"SUBSCRIBE"), 10, "a bell")
    ids = [client.queue_job(gate.fields, worker=manager.workers[0])]
    gate.await_runs(1, 10)
    wait_until(lambda: not jobs_in(plain), 10, "its outcome in Redis")
    network.let_go()
    for count in (2, 3):
        ids.append(client.queue_job(gate.fields, worker=manager.workers[0]))
        gate.await_runs(count, 10)
    manager.stop()

    assert Counter(run.split()[0] for run in gate.runs) == Counter(ids)
    assert left_in(plain) == {}


def test_a_letter_from_before(
    fleet: Fleet, network: Network, gate: Gate, client: Client, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis has forgotten this start since, and its job is somewhere else: registered again, it does not run it."""
    monkeypatch.setattr(bell, "SILENCE", 60.0)
    manager = fleet.start(network.url, lease=3.0)
    worker = manager.workers[0]
    wait_until(lambda: network.hold(b"SUBSCRIBE"), 10, "a bell")
    push(plain, "moved", gate.fields, to="other:jobs")
    words = json.dumps([*chain(*gate.fields.items()), "moved"])
    wait_until(lambda: plain.publish("all:bell", f"{worker}\nmoved\n{words}"), 10, "somebody to hear it")
    plain.delete("all:beats")
    wait_until(lambda: any(int(beat) > 2 for beat in plain.hvals("all:beats")), 10, "it beats again")
    network.let_go()
    client.queue_job(gate.fields, worker=worker, id="next")
    gate.await_runs(1, 10)
    manager.stop()

    assert [run.split()[0] for run in gate.runs] == ["next"]


def test_cut_in_the_middle_of_a_reply(fleet: Fleet, redis_server: RedisServer, gate: Gate, plain: redis.Redis) -> None:
    """Again and again, while jobs are dealt: what half a reply would have brought is found, and run once."""
    relay = Relay(redis_server.port)
    manager = fleet.start(relay.url)
    ids = []
    for part in range(10):
        relay.tear()
        ids += [push(plain, f"j{part}-{n}", gate.fields) for n in range(20)]
        gate.await_runs(len(ids), 20)
    wait_until(lambda: not jobs_in(plain), 10, "all outcomes in Redis")
    manager.stop()
    relay.close()

    assert Counter(run.split()[0] for run in gate.runs) == Counter(ids)
    assert fleet.said("gone")
    assert left_in(plain) == {}
