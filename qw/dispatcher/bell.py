"""
The connection that is subscribed to all:bell: what was sent to one worker, and when a delayed job is due.

    all:bell ──message──▶ a letter, with its job or without ──▶ listener
    PING <n> ──────pong──▶ it is there; and whatever was said before that is heard
"""

from __future__ import annotations

import time
from typing import Final, Protocol, cast

from redis.exceptions import ResponseError

from qw.dispatcher.link import Link
from qw.dispatcher.refusals import Refusals
from qw.keys import SCHEDULED
from qw.scripts import Letter

#: Seconds that the bell may leave the question whether it is there without an answer.
SILENCE: Final = 5.0


class BellListener(Protocol):
    """Who is told what the bell says."""

    def look(self, worker: str | None) -> None:
        """Look into the list of this worker, or of all, for what was sent to it."""

    def sent(self, letter: Letter) -> None:
        """Start a job that was sent to one worker, or look for it."""

    def scheduled(self) -> None:
        """Note that the next delayed job is due earlier than was known."""


class Bell:
    """
    The bell of one dispatcher.

    1. It tells its listener what comes.
    2. It gives up a connection that gives no sign of life.
    3. It tears up a letter that may be older than a look into that worker's list: its job may have been found
       there, run and finished since.
    """

    def __init__(self, link: Link, channel: bytes, listener: BellListener, refusals: Refusals) -> None:
        self.link = link
        self._channel = channel
        self._listener = listener
        self._refusals = refusals
        link.on_push = self._rung
        #: When it was asked for a sign of life, if it has given none since.
        self._asked: float | None = None
        #: Of the last question, and of the last one answered.
        self._number = self._answered = 0

    def opened(self) -> None:
        """Subscribe; what was said before is found by a look into all lists."""
        self._asked = None
        self.link.send(("SUBSCRIBE", self._channel), None)
        if self._number != self._answered:
            self.doubt()  # the answer was lost with the connection before
        self._listener.look(None)

    def mind(self, now: float) -> None:
        """Give the connection up when the answer is long overdue."""
        if self.link.up and self._asked is not None and now - self._asked > SILENCE:
            self.link.lose(TimeoutError("the bell gives no sign of life"))

    def doubt(self) -> None:
        """
        Ask whether it is there, since something was found that it should have told of.

        A dead connection looks like a quiet one. The system notices most by TCP's keepalive, without a word to Redis.
        And until the answer comes, what was found may be in a letter that is on its way.
        """
        self._number += 1
        if self.link.up:
            self._asked = time.monotonic() if self._asked is None else self._asked
            self.link.send(("PING", b"%d" % self._number), None)

    def _rung(self, message: object) -> None:
        self._asked = None
        if isinstance(message, ResponseError):
            self._refusals.note(message)  # without the bell a job for one worker waits for the next beat
        elif isinstance(message, list):
            kind, *_, said = cast("list[bytes]", message)
            if kind == b"pong":
                self._answered = int(said)
            elif kind == b"message":
                self._heard(said)

    def _heard(self, said: bytes) -> None:
        if said == SCHEDULED:
            self._listener.scheduled()
            return
        letter = Letter.read(said)
        self._listener.sent(letter if self._number == self._answered else Letter(letter.worker))
