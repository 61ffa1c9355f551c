"""`Knocker` on links to a real Redis: what it claims, and that it is free again when its worker is not."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence

import pytest
import redis

from qw.dispatcher import link
from qw.dispatcher.knocker import Knocker
from qw.dispatcher.refusals import Refusals
from qw.keys import Keys
from qw.scripts import Peeked
from tests.support.links import Place, making_places
from tests.support.managers import push
from tests.support.network import Network
from tests.support.scripts import scripts
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

WORKER = "web.s1.0"
#: Seconds that it blocks here.
BRIEFLY = 4.0


class Stage:
    """A knocker on all:jobs, the connection that frees it, and what it tells."""

    def __init__(self, knocking: Place, main: Place) -> None:
        self._knocking, self._main = knocking, main
        self.told: list[tuple[str, ...]] = []
        refusals = Refusals(logging.getLogger("qw.test"))
        self.knocker = Knocker(knocking.link, Keys(), scripts(), None, self, BRIEFLY, refusals)
        #: What was seen of the job.
        self.seen: Peeked | None = None

    def knocked(self, worker: str, job_id: str, queue: str, peeked: Peeked | None) -> None:
        """Note it."""
        self.seen = peeked
        self.told.append(("knocked", worker, job_id, queue))

    def knock_refused(self) -> None:
        """Note it."""
        self.told.append(("refused",))

    def claimed(self, worker: str, queue: str) -> None:
        """Note it."""
        self.told.append(("claimed", worker, queue))

    def identify(self) -> None:
        """Ask for the CLIENT ID, as a session does."""
        self._knocking.link.send(("CLIENT", "ID"), self.knocker.identified)

    def free_in(self, *, idle: bool) -> float:
        """Return after how many seconds it is not armed any more, while its worker is idle, or is not."""
        began = time.monotonic()

        def is_free() -> bool:
            self._knocking.turn()
            self._main.turn()
            self.knocker.release_if_busy(idle=idle, now=time.monotonic(), main=self._main.link)
            return self.knocker.armed_for is None

        wait_until(is_free, within=BRIEFLY + 5)
        return time.monotonic() - began


@pytest.fixture
def network(redis_server: RedisServer) -> Iterator[Network]:
    """Return a network to Redis; it is slow when a test says so."""
    with Network(redis_server.port) as made:
        yield made


@pytest.fixture
def stage(network: Network, redis_url: str) -> Iterator[Stage]:
    """Return a knocker whose own line may be slow, while the main one is not."""
    with making_places() as make:
        yield Stage(make(network.url).open(), make(redis_url).open())


def test_claims_for_its_worker(stage: Stage, plain: redis.Redis) -> None:
    """The job is in the worker's list, and it says so."""
    stage.identify()
    stage.knocker.arm(WORKER)
    push(plain, "a")

    assert stage.free_in(idle=True) < BRIEFLY / 2
    assert stage.told == [("knocked", WORKER, "a", "")]
    assert plain.lrange(f"{WORKER}:jobs", 0, -1) == [b"a"]


def seen(stage: Stage, plain: redis.Redis, job_id: str) -> Sequence[str]:
    """Return which ids it has seen, when it brings this job."""
    push(plain, job_id)
    wait_until(lambda: stage.free_in(idle=True) < 1 and ("knocked", WORKER, job_id, "") in stage.told)
    return stage.seen.batch.ids if stage.seen and stage.seen.batch else ()


def test_sees_what_it_brings(stage: Stage, plain: redis.Redis) -> None:
    """With the same reply; again when Redis has forgotten the script, but not the first time then."""
    stage.identify()
    looks = []
    for job_id in ("a", "b", "c", "d"):
        if job_id == "c":
            plain.script_flush()
        stage.knocker.arm(WORKER)
        looks.append(seen(stage, plain, job_id))

    assert looks == [["a"], ["b"], (), ["d"]]


def test_sees_nothing_in_doubt(stage: Stage, plain: redis.Redis) -> None:
    """When its worker's list is looked into while it is armed, or any, not another's; the next time it sees again."""
    stage.identify()
    looks = []
    for job_id, doubted in (("a", "web.s1.1"), ("b", WORKER), ("c", "web.s1.1"), ("d", None)):
        stage.knocker.arm(WORKER)
        stage.knocker.doubt(doubted)
        looks.append(seen(stage, plain, job_id))

    assert looks == [["a"], (), ["c"], ()]


def test_is_freed_when_its_worker_is_busy(stage: Stage) -> None:
    """At once, and nothing was claimed."""
    stage.identify()
    stage.knocker.arm(WORKER)

    assert stage.free_in(idle=False) < BRIEFLY / 2
    assert stage.told == []


def test_is_freed_though_it_was_asked_for_too_early(stage: Stage, network: Network) -> None:
    """CLIENT UNBLOCK that overtakes the BLMOVE frees nobody: it is sent again."""
    stage.identify()
    wait_until(lambda: stage.free_in(idle=True) < 1 and stage.knocker.link.client_id, 5, "the CLIENT ID")
    network.latency = 0.2
    stage.knocker.arm(WORKER)

    assert stage.free_in(idle=False) < BRIEFLY / 2


def test_is_freed_though_nobody_knew_who_it_is(stage: Stage, network: Network) -> None:
    """The reply to CLIENT ID comes after its worker became busy."""
    network.latency = 0.1
    stage.identify()
    stage.knocker.arm(WORKER)

    assert stage.free_in(idle=False) < BRIEFLY / 2


@pytest.mark.slow
def test_who_may_not_be_identified_runs_out(stage: Stage) -> None:
    """Where CLIENT ID is not permitted it blocks to its end, without anybody running in circles."""
    stage.knocker.identified(redis.ResponseError("NOPERM"))
    stage.knocker.arm(WORKER)

    assert stage.knocker.may_move_to(WORKER) is False
    assert stage.free_in(idle=False) > BRIEFLY - 1


def test_leaves_a_server_that_takes_no_writes_any_more(
    make_server: MakeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failover, while it was not blocked: the name may lead to another server by now."""
    monkeypatch.setattr(link, "STAY", 0.0)
    server = make_server()
    with making_places() as make, redis.Redis.from_url(server.url) as plain:
        place = make(server.url).open()
        stage = Stage(place, make(server.url).open())
        plain.replicaof("127.0.0.1", "1")
        stage.knocker.arm(WORKER)
        place.until(lambda: place.events == ["up", "down", "up"], "another connection")

        assert stage.told == [("refused",)]
