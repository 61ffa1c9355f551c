"""A link to a Redis that closes connections, goes away, or hangs: lost, found again, and nobody waits for it."""

from __future__ import annotations

import select
from collections.abc import Iterator
from typing import Final

import pytest
import redis
from redis.exceptions import ResponseError

from qw.dispatcher import link
from tests.support.links import MakePlace, Place, ids_of, making_places, never, nobody_connects
from tests.support.scripts import scripts
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

MIB: Final = 1 << 20


@pytest.fixture
def make_place() -> Iterator[MakePlace]:
    """Return a function that makes links, which are closed at the end."""
    with making_places() as make:
        yield make


@pytest.fixture
def place(redis_url: str, make_place: MakePlace) -> Place:
    """Return a link that is up, to an empty Redis."""
    return make_place(redis_url).open()


# -- Lost and found ----------------------------------------------------------------------------------------------------


def test_a_killed_connection_comes_back(place: Place, plain: redis.Redis) -> None:
    """Down is told once, then up; what had no answer is forgotten, and the next command works."""
    answered: list[object] = []
    place.link.client_id = 1
    mine, before = place.client_id, ids_of(plain)
    place.link.send(("BLPOP", "never", 0), answered.append)
    wait_until(lambda: any(one["cmd"] == "blpop" for one in plain.client_list()))
    plain.client_kill_filter(_id=str(mine))
    place.until(lambda: place.events == ["up", "down", "up"])

    assert (answered, place.link.waiting, place.link.client_id) == ([], 0, 0)
    assert place.ask(("PING",)) == [b"PONG"]
    assert place.events == ["up", "down", "up"]
    assert ids_of(plain) - before == {place.client_id}


def test_what_was_answered_before_the_end_is_handed_out(place: Place) -> None:
    """Replies that Redis wrote before it closed the connection are read to the last one."""
    replies: list[object] = []
    for command in [("SET", "k", b"x" * MIB), ("GET", "k"), ("QUIT",)]:
        place.link.send(command, replies.append)
    place.until(lambda: place.events == ["up", "down", "up"])

    assert replies == [b"OK", b"x" * MIB, b"OK"]


def test_half_a_reply_is_forgotten(place: Place, plain: redis.Redis) -> None:
    """What came of a reply before the connection was lost is no part of the next one."""
    mine = place.client_id
    plain.set("k", b"x" * 64 * MIB)
    place.link.send(("GET", "k"), never)
    poll = select.poll()
    poll.register(place.link.fileno(), select.POLLIN)
    wait_until(lambda: poll.poll(0), why="the beginning of the reply")
    plain.client_kill_filter(_id=str(mine))
    place.until(lambda: place.events == ["up", "down", "up"])

    assert place.ask(("PING",)) == [b"PONG"]


def test_a_command_to_a_lost_connection_loses_it_once(
    redis_server: RedisServer, make_place: MakePlace, plain: redis.Redis
) -> None:
    """When the last reply leads to another command, which finds the connection closed, that is one loss, not two."""
    place = make_place(redis_server.unix_url).open()
    before = ids_of(plain)
    poll = select.poll()
    poll.register(place.link.fileno(), 0)
    place.link.send(("QUIT",), lambda _: place.link.send(("PING",), never))
    wait_until(lambda: poll.poll(0), why="the end of the connection")
    place.until(lambda: "down" in place.events and place.events[-1] == "up")

    assert place.ask(("ECHO", "a"), ("ECHO", "b")) == [b"a", b"b"]
    assert place.events == ["up", "down", "up"]
    assert ids_of(plain) - before == {place.client_id}


def test_a_closed_link_stays_closed(place: Place, plain: redis.Redis) -> None:
    """After `close` there is no connection, no word of a loss, and none comes back."""
    mine = place.client_id
    place.link.send(("BLPOP", "never", 0), never)
    place.link.close()
    place.link.lose(ConnectionError("too late"))
    place.link.send(("PING",), never)

    wait_until(lambda: mine not in ids_of(plain))
    assert (place.events, place.link.up, place.link.fileno()) == (["up"], False, -1)


def test_closed_while_it_connects(make_place: MakePlace, redis_url: str, plain: redis.Redis) -> None:
    """A connection that is made too late is not kept, though nobody looks after a link that is closed."""
    before = ids_of(plain)
    place = make_place(redis_url)
    place.link.open()
    place.link.close()
    wait_until(nobody_connects)

    wait_until(lambda: ids_of(plain) <= before)
    assert (place.events, place.link.up) == ([], False)


def test_closed_while_redis_is_away(make_server: MakeServer, make_place: MakePlace) -> None:
    """Nothing goes on to connect for a link that is closed."""
    server = make_server()
    place = make_place(server.url).open()
    server.stop()
    place.until(lambda: place.events == ["up", "down"])
    place.link.close()

    wait_until(nobody_connects)
    assert place.events == ["up", "down"]


def test_comes_up_when_redis_does(make_server: MakeServer, make_place: MakePlace) -> None:
    """A Redis that is not there yet is waited for."""
    server = make_server()
    server.stop()
    place = make_place(server.url)
    place.link.open()
    place.turn()
    server.start()
    place.until(lambda: place.events == ["up"])

    assert place.ask(("PING",)) == [b"PONG"]


def test_goes_on_after_any_failure_to_connect(redis_url: str, make_place: MakePlace, plain: redis.Redis) -> None:
    """What provides a password may fail in its own way; the next attempt is made all the same."""

    class Provider(redis.CredentialProvider):
        asked = 0

        def get_credentials(self) -> tuple[str, str]:
            self.asked += 1
            if self.asked < 3:
                raise KeyError("no token yet")
            return ("default", "any will do")

    place = make_place(redis_url)
    provider = place.pool.connection_kwargs["credential_provider"] = Provider()
    before = ids_of(plain)
    place.open()

    assert provider.asked == 3
    assert ids_of(plain) - before == {place.client_id}  # those that failed are not left open


def test_outlives_a_restart(make_server: MakeServer, make_place: MakePlace) -> None:
    """A Redis that goes and comes back, with its password, is found again."""
    server = make_server(password="secret")
    place = make_place(server.url).open()
    server.kill()
    place.until(lambda: place.events == ["up", "down"])
    place.link.send(("PING",), never)
    server.start()
    place.until(lambda: place.events == ["up", "down", "up"])

    assert place.ask(("PING",)) == [b"PONG"]


# -- A Redis that hangs ------------------------------------------------------------------------------------------------


@pytest.fixture
def hanging(make_server: MakeServer, make_place: MakePlace) -> Iterator[tuple[RedisServer, Place]]:
    """Return a server that hangs, and a link that was up before."""
    server = make_server()
    place = make_place(server.unix_url, 0.2).open()
    server.pause()
    yield server, place
    server.resume()


def test_a_hanging_redis_holds_up_nobody(hanging: tuple[RedisServer, Place]) -> None:
    """Whatever is sent waits here, without end; when Redis goes on, all of it is done, in order."""
    server, place = hanging
    replies: list[object] = []
    for n in range(20):
        place.link.send(("RPUSH", "l", bytes((n,)) * MIB), replies.append)
        place.turn()
    assert (replies, place.link.waiting, place.link.wants_to_write()) == ([], 20, True)

    server.resume()
    place.until(lambda: len(replies) == 20)
    assert replies == list(range(1, 21))
    assert place.events == ["up"]


def test_a_hanging_redis_is_given_up_and_found_again(hanging: tuple[RedisServer, Place]) -> None:
    """The owner decides that it hangs; then it is connected to anew, until it answers."""
    server, place = hanging
    place.link.send(("PING",), never)
    place.link.lose(TimeoutError("no answer"))
    place.link.lose(TimeoutError("still no answer"))
    assert place.events == ["up", "down"]

    server.resume()
    place.until(lambda: place.events == ["up", "down", "up"])
    assert place.ask(("PING",)) == [b"PONG"]


# -- Failovers ---------------------------------------------------------------------------------------------------------


def test_leaves_a_server_that_takes_no_writes_any_more(
    make_server: MakeServer, make_place: MakePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Be it a command or a script that says so: the name may lead to another server by now. A new connection stays."""
    monkeypatch.setattr(link, "STAY", 60.0)
    server = make_server()
    place = make_place(server.url).open()
    place.ask(("REPLICAOF", "127.0.0.1", "1"))
    replies: list[object] = []
    place.link.call(scripts().register(), replies.append)
    place.until(lambda: replies, "a refusal")
    assert place.events == ["up"]

    monkeypatch.setattr(link, "STAY", 0.0)
    place.link.send(("SET", "a", "b"), replies.append)
    place.until(lambda: place.events == ["up", "down", "up"], "another connection")
    place.link.call(scripts().register(), replies.append)
    place.until(lambda: place.events == ["up", "down", "up", "down", "up"], "yet another one")
    assert [type(reply) for reply in replies] == [ResponseError] * 3
