"""That all:dead stays within bounds while managers bury, and that the log tells what was deleted."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator

import pytest
import redis

from qw.dispatcher.journal import Journal
from qw.dispatcher.trimmer import RARELY, SOON, Trimmer
from qw.errors import UsageError
from qw.manager import Manager
from tests.support import targets
from tests.support.links import Place, making_places
from tests.support.managers import push
from tests.support.outages import Fleet
from tests.support.scripts import scripts, seed
from tests.support.server import MakeServer
from tests.support.wait import wait_until


class Stage:
    """A trimmer that keeps two jobs, for an hour."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.journal = Journal(logging.getLogger("qw.test"))
        self.trimmer = Trimmer(place.link, scripts(), self.journal, 2, 3600.0)

    def look(self, *, until: float) -> None:
        """Go on until it wants to look next at a time that is nearer than so many seconds, but not now."""

        def rests() -> bool:
            now = time.monotonic()
            self.trimmer.mind(now, may_ask=True)
            return now < self.trimmer.due_at < now + until

        self.place.until(rests, "the next look to be known")


@pytest.fixture
def stage(redis_url: str) -> Iterator[Stage]:
    """Return a trimmer on a link to a real Redis."""
    with making_places() as make:
        yield Stage(make(redis_url).open())


def test_looks_at_once_and_then_once_an_hour(stage: Stage, plain: redis.Redis) -> None:
    """What others have left is trimmed at the start, however many calls that takes."""
    seed(plain, {"all:dead": {f"j{n}": float(n) for n in range(2500)}})
    stage.look(until=RARELY + 1)

    assert plain.zcard("all:dead") == 0  # they were buried in 1970
    assert stage.trimmer.due_at > time.monotonic() + RARELY / 2


def test_looks_soon_after_a_burial(stage: Stage) -> None:
    """Not at once: a thousand jobs that are buried in a second cost one call."""
    stage.look(until=RARELY + 1)
    stage.journal.totals.buried += 3
    stage.look(until=SOON)

    assert stage.trimmer.due_at > time.monotonic() + SOON / 2


def test_asks_nothing_without_leave_or_connection(stage: Stage) -> None:
    """And what was in flight when the connection broke is asked again in its time."""
    stage.trimmer.mind(time.monotonic(), may_ask=False)
    assert stage.place.link.waiting == 0
    stage.trimmer.mind(time.monotonic(), may_ask=True)
    assert stage.trimmer.due_at == math.inf
    stage.place.link.lose(ConnectionError("a test"))
    stage.trimmer.gone()
    assert stage.trimmer.due_at == math.inf
    stage.look(until=RARELY + 1)


@pytest.mark.slow
def test_a_manager_keeps_the_newest(make_server: MakeServer, caplog: pytest.LogCaptureFixture) -> None:
    """As many as it is told, and one line in the log says how many were deleted."""
    fleet, server = Fleet("threads", caplog), make_server()
    manager = fleet.start(server.url, target=targets.obey, keep_dead=3)
    with redis.Redis.from_url(server.url) as plain:
        for n in range(8):
            push(plain, f"j{n}")  # without what the target looks for
        wait_until(lambda: fleet.said("trim"), 10, "the cap to bite")
        manager.stop()

        assert [(told["too_many"], told["too_old"], told["keep"]) for told in fleet.said("trim")] == [(5, 0, 3)]
        assert plain.zcard("all:dead") == len(plain.keys("job:*")) == len(plain.keys("result:*")) == 3
        assert plain.hget("all:stats", "trimmed") == b"5"


@pytest.mark.parametrize("options", [{"keep_dead": 0}, {"keep_dead_for": 0.0}, {"keep_dead_for": math.nan}], ids=str)
def test_what_cannot_be(options: dict[str, float]) -> None:
    """It is said by name."""
    with pytest.raises(UsageError, match=next(iter(options))):
        Manager(targets.obey, **options)  # type: ignore[arg-type]
