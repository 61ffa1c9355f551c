"""A link to a real Redis: commands, replies in their order, and scripts that Redis may have forgotten."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import pytest
import redis
from redis.exceptions import ResponseError

from qw.keys import Keys
from qw.scripts import Beaten, DispatcherScripts
from tests.support.keyspace import snapshot
from tests.support.links import MakePlace, Place, making_places, never
from tests.support.scripts import scripts

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


# -- Commands and replies ----------------------------------------------------------------------------------------------


def test_not_opened(make_place: MakePlace, redis_url: str) -> None:
    """A link that is not up has no descriptor, forgets what is sent, and can be closed."""
    link = make_place(redis_url).link
    link.send(("PING",), never)
    link.write()
    link.pump()

    assert (link.up, link.fileno(), link.waiting, link.since()) == (False, -1, 0, float("inf"))


def test_wakes_its_owner_when_it_is_connected(place: Place) -> None:
    """The helper thread connects, and rings; the connection is taken over in the owner's own thread."""
    assert place.woken == 1
    assert place.link.fileno() > 0


def test_replies_come_in_order(place: Place) -> None:
    """Each reply goes to who sent the command."""
    assert place.ask(*[("INCR", "n")] * 500) == list(range(1, 501))
    assert place.link.waiting == 0


def test_values_are_bytes(place: Place) -> None:
    """What Redis holds comes back as it is."""
    raw = bytes(range(256))

    assert place.ask(("SET", "k", raw), ("GET", "k"), ("GET", "none"), ("LRANGE", "none", 0, -1)) == [
        b"OK",
        raw,
        None,
        [],
    ]


def test_an_error_is_a_reply(place: Place) -> None:
    """A command that fails says so to who sent it, and no other."""
    replies = place.ask(("SET", "k", "v"), ("LPUSH", "k", "v"), ("NOSUCH",), ("GET", "k"))

    assert [type(reply) for reply in replies] == [bytes, ResponseError, ResponseError, bytes]
    assert str(replies[1]).startswith("WRONGTYPE ")
    assert place.events == ["up"]


def test_large_commands_and_replies(place: Place) -> None:
    """What is larger than every buffer goes and comes in parts, while the caller goes on."""
    large = [bytes((n,)) * 3 * MIB for n in range(5)]
    replies: list[object] = []
    place.link.send(("RPUSH", "l", *large), replies.append)
    place.link.send(("LRANGE", "l", 0, -1), replies.append)
    place.until(lambda: len(replies) == 2)

    assert replies == [5, large]


def test_knows_since_when_a_reply_is_awaited(place: Place) -> None:
    """The time is that of the oldest command without a reply."""
    replies: list[object] = []
    place.link.send(("BLPOP", "never", "0.05"), replies.append)
    first = place.link.since()
    place.link.send(("PING",), replies.append)
    assert (place.link.waiting, place.link.since()) == (2, first)

    place.until(lambda: len(replies) == 2)
    assert (replies, place.link.waiting, place.link.since()) == ([None, b"PONG"], 0, float("inf"))


def test_what_nobody_asked_for_is_pushed(place: Place, plain: redis.Redis) -> None:
    """Messages of a channel go to `on_push`."""
    pushed: list[object] = []
    place.link.on_push = pushed.append
    place.link.send(("SUBSCRIBE", "c"), None)
    place.until(lambda: pushed)
    plain.publish("c", b"\xff")
    place.until(lambda: len(pushed) == 2)

    assert pushed == [[b"subscribe", b"c", 1], [b"message", b"c", b"\xff"]]


def test_a_reply_may_lead_to_the_next_command(place: Place) -> None:
    """Who gets a reply may send at once."""
    replies: list[object] = []
    place.link.send(("INCR", "n"), lambda _: place.link.send(("INCR", "n"), replies.append))
    place.until(lambda: replies)

    assert replies == [2]


# -- Scripts -----------------------------------------------------------------------------------------------------------


def call(place: Place, made: DispatcherScripts) -> object:
    """Register over a link, and return what it says."""
    replies: list[object] = []
    place.link.call(made.register(), replies.append)
    place.until(lambda: replies)
    return replies[0]


def test_a_script_that_redis_does_not_know(place: Place, plain: redis.Redis) -> None:
    """It is sent with its text once, and by its name from then on, also after Redis has forgotten it."""
    for _ in range(2):
        plain.script_flush()
        plain.config_resetstat()
        assert [call(place, scripts()) for _ in range(3)] == ["ok"] * 3

        stats: Any = plain.info("commandstats")
        assert (stats["cmdstat_eval"]["calls"], stats["cmdstat_evalsha"]["calls"]) == (1, 3)


def test_a_script_sent_with_its_text_is_behind_what_was_sent_before(place: Place, plain: redis.Redis) -> None:
    """Nothing is mixed up when commands are on their way while a script has to be sent again."""
    plain.script_flush()
    replies: list[object] = []
    place.link.call(scripts().register(), replies.append)
    place.link.send(("PING",), replies.append)
    place.link.call(scripts().beat(), replies.append)
    place.until(lambda: len(replies) == 3)

    assert replies == [b"PONG", "ok", Beaten("ok", {"web.s1": "2"}, [0, 0, 0], math.inf)]


def test_a_script_that_fails(place: Place, plain: redis.Redis) -> None:
    """Its error is what the caller gets, not parsed."""
    plain.set(Keys().all_beats, "text")

    assert "WRONGTYPE" in str(call(place, scripts()))
    assert snapshot(plain) == {"all:beats": "text"}
