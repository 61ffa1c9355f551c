"""The bell of a dispatcher on a real Redis: what it tells, and when it does not believe a letter."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import redis

from qw.dispatcher import bell as bell_module
from qw.dispatcher.bell import Bell
from qw.dispatcher.refusals import Refusals
from qw.scripts import Batch, Letter
from tests.support.links import MakePlace, Place, making_places
from tests.support.wait import wait_until

WHOLE = Letter("w", Batch("w", ["a"], b'["a"]'))
MESSAGE = b'w\na\n["a"]'


class Ear:
    """A bell, and whom it tells: a list of all it has heard."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.heard: list[object] = []
        self.bell = Bell(place.link, b"all:bell", self, Refusals(logging.getLogger("qw.test")))

    def look(self, worker: str | None) -> None:
        """Note it."""
        self.heard.append(("look", worker))

    def sent(self, letter: Letter) -> None:
        """Note it."""
        self.heard.append(letter)

    def scheduled(self) -> None:
        """Note it."""
        self.heard.append("scheduled")

    def open(self, plain: redis.Redis) -> None:
        """Connect, and wait until Redis will tell this one."""
        self.place.open()
        self.bell.opened()
        wait_until(lambda: plain.pubsub_numsub("all:bell") == [(b"all:bell", 1)], why="a bell")
        assert self.heard.pop(0) == ("look", None)

    def hear(self, count: int) -> list[object]:
        """Wait for so many words, and return them."""
        self.place.until(lambda: len(self.heard) >= count, f"{count} words")
        return self.heard


@pytest.fixture
def make_place() -> Iterator[MakePlace]:
    """Return what makes links."""
    with making_places() as make:
        yield make


@pytest.fixture
def ear(make_place: MakePlace, redis_url: str, plain: redis.Redis) -> Ear:
    """Return one that listens."""
    made = Ear(make_place(redis_url))
    made.open(plain)
    return made


def test_what_it_tells(ear: Ear, plain: redis.Redis) -> None:
    """A letter with its job, one without, and that a job is due."""
    for message in (MESSAGE, b"w", b"all:scheduled"):
        plain.publish("all:bell", message)

    assert ear.hear(3) == [WHOLE, Letter("w"), "scheduled"]


def test_a_letter_that_may_be_old(ear: Ear, plain: redis.Redis) -> None:
    """It was on its way when something was found in the list: it is not believed, what comes after the answer is."""
    plain.publish("all:bell", MESSAGE)
    ear.bell.doubt()
    assert ear.hear(1) == [Letter("w")]

    def believed() -> bool:
        plain.publish("all:bell", MESSAGE)
        ear.hear(len(ear.heard) + 1)
        return ear.heard[-1] == WHOLE

    wait_until(believed, why="the answer")


def test_each_look_is_a_doubt_of_its_own(ear: Ear, plain: redis.Redis) -> None:
    """The answer to the question before tells nothing of a letter that came after that."""
    ear.bell.doubt()
    wait_until(lambda: "ping" in str(plain.client_list(_type="pubsub")), why="the first question is answered")
    plain.publish("all:bell", MESSAGE)
    ear.bell.doubt()

    assert ear.hear(1) == [Letter("w")]


def test_a_doubt_outlives_its_connection(ear: Ear, make_place: MakePlace, plain: redis.Redis) -> None:
    """An answer that was lost is asked for again: until then nothing is believed, and then everything is."""
    ear.place.link.lose(ConnectionError("cut"))
    ear.bell.doubt()
    ear.place.until(lambda: ear.place.link.up, "another connection")
    ear.bell.opened()
    wait_until(lambda: "ping" in str(plain.client_list(_type="pubsub")), why="the question is answered")
    plain.publish("all:bell", MESSAGE)

    assert ear.hear(2) == [("look", None), WHOLE]


def test_one_that_gives_no_sign_of_life(ear: Ear, plain: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is given up; not one that does, be it by what it tells, or that was never asked."""
    monkeypatch.setattr(bell_module, "SILENCE", 0.0)
    later = float("inf")
    ear.bell.mind(later)
    assert ear.place.events == ["up"]

    ear.bell.doubt()
    plain.publish("all:bell", b"w")
    ear.hear(1)
    ear.bell.mind(later)
    assert ear.place.events == ["up"]

    ear.bell.doubt()
    ear.bell.mind(later)
    assert ear.place.events == ["up", "down"]


@pytest.mark.parametrize("message", [b"", b"\n\n", b"\xff\n\xff", b"nobody"])
def test_any_words(ear: Ear, plain: redis.Redis, message: bytes) -> None:
    """Anybody may ring the bell; that is a word for a worker that is not there."""
    plain.publish("all:bell", message)

    assert len(ear.hear(1)) == 1
