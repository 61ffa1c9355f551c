"""A Redis that does not let a manager in, or not let it do everything: said in a line, borne where it can be."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from qw.dispatcher import link
from qw.errors import RedisRefused, RedisUnavailable
from qw.manager import _manager
from tests.support.managers import Gate, jobs_in, left_in, push
from tests.support.outages import SOON, Fleet
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

pytestmark = pytest.mark.slow

#: Commands that a manager can do without.
OPTIONAL = ("-client", "-publish", "-info", "-config", "-subscribe")


@pytest.fixture
def server(make_server: MakeServer) -> RedisServer:
    """Return a server whose users a test may change."""
    return make_server()


@pytest.fixture
def plain(server: RedisServer) -> Iterator[redis.Redis]:
    """Return a client of it that may do everything."""
    with redis.Redis.from_url(server.url) as made:
        yield made


def url_of(plain: redis.Redis, server: RedisServer, *rules: str) -> str:
    """Make a user who may do all but what the rules say; return the URL with which it connects."""
    plain.execute_command("ACL", "SETUSER", "guest", "reset", "on", ">pass", "~*", "&*", "+@all", *rules)
    return f"redis://guest:pass@127.0.0.1:{server.port}/0"


@pytest.mark.parametrize("mode", ["threads"])
def test_without_scripts_it_does_not_start(fleet: Fleet, server: RedisServer, plain: redis.Redis) -> None:
    """The error says which command that user may not run; nothing is registered."""
    with pytest.raises(RedisRefused, match="evalsha"):
        fleet.start(url_of(plain, server, "-evalsha"))
    assert left_in(plain) == {}


@pytest.mark.parametrize("mode", ["threads"])
def test_a_command_within_a_script(
    fleet: Fleet, server: RedisServer, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis tells only the line of the script; the log tells the command, once, however often it is tried."""
    monkeypatch.setattr(_manager, "READY", 1.5)
    with pytest.raises(RedisUnavailable, match=r"let web not register within 1.5 s; the log says why"):
        fleet.start(url_of(plain, server, "-sadd"))
    (refused,) = fleet.refused()
    assert refused.startswith("NOPERM this user may not run SADD, or not on that key") or server.version < (7,)
    assert "NOPERM" in refused or "permission" in refused or "can't run" in refused


def test_what_it_can_do_without(fleet: Fleet, server: RedisServer, plain: redis.Redis, gate: Gate) -> None:
    """From every list jobs are run, those for one worker at the next beat; and it leaves in good order."""
    manager = fleet.start(url_of(plain, server, *OPTIONAL))
    push(plain, "all", gate.fields)
    push(plain, "mine", gate.fields, "web:jobs")
    push(plain, "letter", gate.fields, f"{manager.workers[1]}:jobs")
    assert sorted(run.split()[0] for run in gate.await_runs(3, 15)) == ["all", "letter", "mine"]
    wait_until(lambda: not jobs_in(plain), 10, "all outcomes in Redis")
    manager.stop()

    assert left_in(plain) == {}


def test_a_password_that_changes_meanwhile(
    fleet: Fleet, server: RedisServer, plain: redis.Redis, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so once, keeps what it has to tell, and goes on when it is let in again."""
    monkeypatch.setattr(link, "LONGEST_PAUSE_OUTSIDE", 0.3)
    fleet.start(url_of(plain, server))
    push(plain, "running", {**gate.fields, "do": "hold"})
    gate.await_runs(1)
    plain.execute_command("ACL", "SETUSER", "guest", "resetpass", ">other")
    plain.execute_command("CLIENT", "KILL", "USER", "guest")
    wait_until(lambda: any("WRONGPASS" in text or "invalid" in text for text in fleet.refused()), 10, "a word of it")
    gate.open()
    plain.execute_command("ACL", "SETUSER", "guest", ">pass")
    wait_until(lambda: not jobs_in(plain), 10, "the outcome in Redis")
    push(plain, "new", gate.fields)
    gate.await_runs(2, SOON)

    assert (len(fleet.said("gone")), len(fleet.said("back"))) == (1, 1)
    # An attempt of another connection, made before, may fail when the main one is let in already.
    assert len(fleet.refused()) in (1, 2)
