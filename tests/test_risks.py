"""What a manager tells of its Redis when it starts: that it may delete jobs, or that it forgets them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
import redis

from qw.client import Client
from qw.client.reach import check
from tests.support.outages import Fleet
from tests.support.server import MakeServer
from tests.support.wait import wait_until

EVICTS = "Redis may delete jobs when it is full: set maxmemory-policy noeviction"
FORGETS = "all jobs are gone when Redis ends: set appendonly yes"


@pytest.fixture
def fleet(caplog: pytest.LogCaptureFixture) -> Iterator[Fleet]:
    """Return what starts managers in threads."""
    made = Fleet("threads", caplog)
    yield made
    made.close()


def told(fleet: Fleet) -> list[tuple[str, str]]:
    """Return the level and the reason of each risk that was told."""
    found = [record for record in fleet.records if getattr(record, "qw_event", "") == "risk"]
    return [(record.levelname, record.__dict__["qw_fields"]["why"]) for record in found]


@pytest.mark.parametrize(
    ("options", "risks"),
    [
        (("--appendonly", "yes"), []),
        (("--save", "60", "1"), []),
        ((), [("INFO", FORGETS)]),
        (("--maxmemory-policy", "allkeys-lru"), [("WARNING", EVICTS), ("INFO", FORGETS)]),
        (("--maxmemory-policy", "volatile-ttl", "--appendonly", "yes"), [("WARNING", EVICTS)]),
    ],
    ids=lambda value: " ".join(value) if value and isinstance(value[0], str) else None,
)
def test_told_once(fleet: Fleet, make_server: MakeServer, options: Sequence[str], risks: list[tuple[str, str]]) -> None:
    """At the start, and not again when Redis comes back."""
    server = make_server(options=options)
    manager = fleet.start(server.url)
    assert told(fleet) == risks
    with redis.Redis.from_url(server.url) as plain:
        plain.client_kill_filter(_type="normal", skipme=True)
    wait_until(lambda: fleet.said("back"), 10, "the connections to come back")
    manager.stop()

    assert told(fleet) == risks


def test_who_may_not_ask_is_told_nothing(fleet: Fleet, make_server: MakeServer) -> None:
    """A user without INFO and CONFIG works all the same."""
    server = make_server(options=("--maxmemory-policy", "allkeys-lru"))
    with redis.Redis.from_url(server.url) as plain:
        plain.execute_command("ACL", "SETUSER", "guest", "on", ">x", "~*", "&*", "+@all", "-info", "-config")
    fleet.start(f"redis://guest:x@127.0.0.1:{server.port}/0").stop()

    assert told(fleet) == []


def test_a_client_is_told_nothing(redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    """It is the manager's affair: the commands of `qw-client` print what they are asked for."""
    caplog.set_level("DEBUG")
    with Client.from_url(redis_url) as client:
        check(client.connection_pool, scripts=False)

    assert caplog.records == []
