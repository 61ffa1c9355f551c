"""A link to a Redis with the least around it: an owner that notes what it is told, and a loop to wait in."""

from __future__ import annotations

import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import redis
from redis.connection import AbstractConnection

from qw.client.connect import dedicated
from qw.dispatcher.link import Link
from qw.wire import Argument
from tests.support.wait import wait_until


class Place:
    """The owner of a link: it waits for the socket as a dispatcher does, and notes what it is told."""

    def __init__(self, url: str, socket_timeout: float = 5.0) -> None:
        self.pool = redis.ConnectionPool.from_url(url)
        self.timeout = socket_timeout
        self.events: list[str] = []
        self.failures: list[Exception] = []
        self.woken = 0
        self.link = Link(self._connect, self, self._wake)

    def _connect(self) -> AbstractConnection:
        return dedicated(self.pool, socket_timeout=self.timeout)

    def _wake(self) -> None:
        self.woken += 1

    def link_up(self, link: Link) -> None:
        """Note it."""
        assert (link.up, link.waiting, link.wants_to_write()) == (True, 0, False)
        self.events.append("up")

    def link_works(self, link: Link) -> None:
        """Check that it is up."""
        assert link.up

    def link_failed(self, link: Link, error: Exception) -> None:
        """Keep why."""
        assert not link.up
        self.failures.append(error)

    def link_down(self, link: Link, error: Exception) -> None:
        """Note it."""
        assert (link.up, link.waiting, link.wants_to_write()) == (False, 0, False)
        assert str(error)
        self.events.append("down")

    def turn(self) -> None:
        """Do what there is to do now."""
        self.link.settle()
        if not self.link.up:
            return
        poll = select.poll()
        poll.register(self.link.fileno(), select.POLLIN | (select.POLLOUT if self.link.wants_to_write() else 0))
        for _, event in poll.poll(0):
            if event & select.POLLOUT:
                self.link.write()
            if event & ~select.POLLOUT:
                self.link.pump()

    def until(self, condition: Callable[[], object], why: str = "") -> None:
        """Go on until it is so."""

        def done() -> object:
            self.turn()
            return condition()

        wait_until(done, why=why)

    def open(self) -> Place:
        """Connect, and wait for the connection."""
        self.link.open()
        self.until(lambda: self.events == ["up"], "a connection")
        return self

    def ask(self, *commands: tuple[Argument, ...]) -> list[object]:
        """Send commands, and return their replies."""
        replies: list[object] = []
        for command in commands:
            self.link.send(command, replies.append)
        self.until(lambda: len(replies) == len(commands), f"replies to {commands}")
        return replies

    @property
    def client_id(self) -> object:
        """The CLIENT ID of the connection."""
        return self.ask(("CLIENT", "ID"))[0]


class MakePlace(Protocol):
    """What makes links."""

    def __call__(self, url: str, socket_timeout: float = ...) -> Place:
        """Make a link to the Redis at `url`, not opened yet."""
        ...


@contextmanager
def making_places() -> Iterator[MakePlace]:
    """Give out what makes links; close them at the end, and wait for the threads that connect them."""
    places: list[Place] = []

    def make(url: str, socket_timeout: float = 5.0) -> Place:
        places.append(Place(url, socket_timeout))
        return places[-1]

    yield make
    for place in places:
        place.link.close()
    wait_until(nobody_connects)
    for place in places:
        place.link.settle()


def nobody_connects() -> bool:
    """Whether no link is being connected now."""
    return not any(thread.name == "qw-connect" for thread in threading.enumerate())


def never(reply: object) -> None:
    """Take the reply to a command that can have none."""
    raise AssertionError(reply)


def ids_of(client: redis.Redis) -> set[object]:
    """Return the CLIENT IDs of all connections."""
    listed: Any = client.client_list()
    return {int(one["id"]) for one in listed}
