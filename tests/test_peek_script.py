"""`peek`: what it tells of the job that was moved to a worker last, and of which it says nothing; it writes nothing."""

from __future__ import annotations

from typing import Any, Final

import attrs
import pytest
import redis

from qw.scripts import Adopt, Plan
from tests.support.keyspace import Value, snapshot
from tests.support.scripts import ALIVE, ONE, Space, jobs, now_ms, run, scripts, seed

LIST: Final = f"{ONE}:jobs"


@attrs.frozen
class Row:
    """A key space, from which list a job was moved, and what is told: the id, and whether more wait."""

    claim: str
    space: Space
    told: tuple[str | None, bool]
    queue: str = ""
    status: str = "ok"


ROWS: Final = [
    Row("nothing was moved", {**ALIVE, "all:jobs": ["z"]}, (None, False)),
    Row("it is told", {**ALIVE, **jobs("a"), LIST: ["a"]}, ("a", False)),
    Row("of many the one that came last", {**ALIVE, **jobs("a", "b"), LIST: ["b", "a"]}, ("b", False)),
    Row("more wait for all", {**ALIVE, **jobs("a"), LIST: ["a"], "all:jobs": ["z"]}, ("a", True)),
    Row("more wait for the manager", {**ALIVE, **jobs("a"), LIST: ["a"], "web:jobs": ["z"]}, ("a", True)),
    Row("a start that nobody knows", {**jobs("a"), LIST: ["a"]}, ("a", False), status="missing"),
    Row("one that is struck off", {"all:beats": {"web.s1": "struck 1"}, LIST: ["a"]}, (None, False), status="struck"),
    Row("without a hash", {**ALIVE, LIST: ["a"]}, (None, False)),
    Row("with another key for a hash", {**ALIVE, "job:a": "text", LIST: ["a"]}, (None, False)),
    Row("with another key for the list", {**ALIVE, **jobs("a"), LIST: "text"}, (None, False)),
    Row("with another key for a queue", {**ALIVE, **jobs("a"), LIST: ["a"], "all:jobs": "text"}, ("a", False)),
    Row("a process has died of it", {**ALIVE, **jobs("a", **{"qw:crashes": "1"}), LIST: ["a"]}, (None, False)),
    Row("a manager has died of it", {**ALIVE, **jobs("a", **{"qw:rescues": "1"}), LIST: ["a"]}, (None, False)),
    Row("its queue is not noted", {**ALIVE, **jobs("a"), LIST: ["a"]}, (None, False), "web:jobs"),
    Row("its queue is", {**ALIVE, **jobs("a", **{"qw:queue": "x"}), LIST: ["a"]}, ("a", False), "web:jobs"),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.claim)
def test_what_is_told(plain: redis.Redis, row: Row) -> None:
    """And nothing in Redis is changed."""
    seed(plain, row.space)
    before: dict[str, Value] = snapshot(plain)
    clock = now_ms(plain)

    peeked = run(plain, scripts().peek(ONE, row.queue))

    job_id = peeked.batch.ids[0] if peeked.batch else None
    assert ((job_id, peeked.more), peeked.status) == (row.told, row.status)
    assert clock - 1 <= peeked.now <= now_ms(plain)
    assert snapshot(plain) == before


@pytest.mark.parametrize("name", ["a", "ä", "\udcff"])
def test_a_line_as_exchange_makes_it(plain: redis.Redis, name: Any) -> None:
    """The same job, dealt by one and read by the other."""
    seed(plain, {**ALIVE, **jobs(name), LIST: [name]})
    peeked = run(plain, scripts().peek(ONE, ""))
    exchanged = run(plain, scripts().exchange(Plan(adopt=[Adopt(ONE, (), {name: ""}, None)])))

    assert exchanged.batches == [peeked.batch]
