"""What the bell says of a job for one worker: how a script puts it, and how it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, Final, cast

import pytest
import redis

from qw.keys import Keys, to_bytes, to_str
from qw.scripts import Adopt, Batch, ClientScripts, DispatcherScripts, Letter, Plan
from tests.support.scripts import run, seed

WORKER: Final = "web.s1.1"


def words(job_id: str, value: str) -> list[bytes]:
    """Return the words of one job for a worker, as `queue` takes them."""
    return [to_bytes(word) for word in (job_id, "6", "n", value, "qw:queue", "", "qw:queued_at", "")]


def said(plain: redis.Redis, queued: Sequence[bytes]) -> bytes:
    """Queue jobs to the worker, and return what the bell says."""
    seed(plain, {"all:managers": {"web"}, "web:workers": {WORKER}, "all:beats": {"web.s1": "7"}})
    with plain.pubsub(ignore_subscribe_messages=True) as bell:
        bell.subscribe("all:bell")
        bell.get_message(timeout=5)
        run(plain, ClientScripts(Keys()).queue(queued, None, WORKER))
        message: Any = bell.get_message(timeout=5)
    return cast("bytes", message["data"])


@pytest.mark.parametrize(
    "queued", [[*words("a", "1"), *words("b", "1")], words("a", "x" * 1024)], ids=["two jobs", "a large one"]
)
def test_the_name_of_the_worker(plain: redis.Redis, queued: Sequence[bytes]) -> None:
    """Its dispatcher blocks on other lists, and must look."""
    assert said(plain, queued) == to_bytes(WORKER)


def told(batch: Batch | None) -> tuple[str, Sequence[str], str, dict[str, str]]:
    """Return all that a batch of one job tells; Redis keeps the fields of a hash in no order."""
    assert batch is not None
    *fields, job_id = json.loads(to_str(batch.lines))
    return batch.worker, batch.ids, job_id, dict(zip(fields[::2], fields[1::2], strict=True))


@pytest.mark.parametrize("value", ["1", "\udcff\n\\", "x" * 900], ids=["plain", "odd", "just small enough"])
def test_the_job_as_well(plain: redis.Redis, value: str) -> None:
    """When it is small and queued alone: as an exchange tells of it that finds it in the worker's list."""
    letter = Letter.read(said(plain, words("a", value)))

    plan = Plan(adopt=[Adopt(WORKER, (), {}, "web:jobs")])
    found = run(plain, DispatcherScripts(Keys(), "web", "s1", [WORKER]).exchange(plan)).batches
    assert letter.worker == WORKER
    assert told(letter.batch) == told(*found)


def test_an_id_that_is_queued_already_rings_no_bell(plain: redis.Redis) -> None:
    """Its worker has heard of it."""
    queued = words("a", "1")
    said(plain, queued)
    with plain.pubsub(ignore_subscribe_messages=True) as bell:
        bell.subscribe("all:bell")
        bell.get_message(timeout=5)
        assert run(plain, ClientScripts(Keys()).queue(queued, None, WORKER)) == 0
        plain.publish("all:bell", "end")
        message: Any = bell.get_message(timeout=5)

    assert message["data"] == b"end"


@pytest.mark.parametrize(
    ("message", "letter"),
    [
        (b"w", Letter("w")),
        (b"w\na\n[]", Letter("w", Batch("w", ["a"], b"[]"))),
        (b"\xff\n\xfe\n\xfd", Letter("\udcff", Batch("\udcff", ["\udcfe"], b"\xfd"))),
        (b"", Letter("")),
        (b"w\na", Letter("w")),
        (b"w\na\n" + b"x" * 8192, Letter("w", Batch("w", ["a"], b"x" * 8192))),
        (b"w\na\n" + b"x" * 8193, Letter("w")),
        (b"w\na\nb\n[]", Letter("w")),
        (b"\n\n\n\n", Letter("")),
    ],
)
def test_reading(message: bytes, letter: Letter) -> None:
    """What is not one name, or three lines, counts for its first line alone: an id may hold whatever it likes."""
    assert Letter.read(message) == letter
