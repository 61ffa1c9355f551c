"""What `exchange` does for jobs at a later try: retries, loads sent again under their number, rescued jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import pytest
import redis

from qw.scripts import Adopt, Content, Plan
from tests.support.keyspace import snapshot
from tests.support.scripts import ALIVE, ONE, THREE, TWO, exchange, jobs, seed

MINE: Final = f"{ONE}:jobs"
HIS: Final = f"{TWO}:jobs"
FIELDS: Final = {"qw:error": "ValueError: no", "qw:traceback": "…", "qw:worker": ONE}
AGAIN: Final = {"qw:queue": "web:jobs", "qw:tries": "2"}
RESCUED: Final = {"qw:rescues": "1"}


def retry(job_id: str, delay: float) -> Plan:
    """Return a plan that tries a job again in `delay` seconds."""
    return Plan(contents=[Content("retry", ONE, job_id, delay, "", FIELDS)])


# -- retries ----------------------------------------------------------------------------------------------------------


def test_a_retry_is_scheduled(plain: redis.Redis) -> None:
    """The try is counted, the reason is kept, and the job is due when it said, by Redis's clock."""
    seed(plain, {**ALIVE, **jobs("a"), MINE: ["a"]})
    reply = exchange(plain, retry("a", 2.5))

    space = snapshot(plain)
    assert space.pop("all:scheduled") == {"a": float(reply.now + 2500)}
    job = jobs("a")["job:a"]
    assert isinstance(job, dict)
    assert space == {**ALIVE, "job:a": {**job, **FIELDS, "qw:tries": "1"}, "all:stats": {"retried": "1"}}


def test_a_retry_at_once_goes_to_the_taking_end(plain: redis.Redis) -> None:
    """Without a delay it is the next one to be taken, from the queue that it came from."""
    seed(plain, {**ALIVE, **jobs("a", "z", **AGAIN), MINE: ["a"], "web:jobs": ["z"]})
    exchange(plain, retry("a", 0))

    space = snapshot(plain)
    assert (space["web:jobs"], "all:scheduled" in space, MINE in space) == (["z", "a"], False, False)
    assert plain.hget("job:a", "qw:tries") == b"3"


def test_a_retry_of_what_was_taken_away_is_refused(plain: redis.Redis) -> None:
    """The list is the claim: nothing of it happens, whoever has the job now."""
    before = {**ALIVE, **jobs("a"), HIS: ["a"]}
    seed(plain, before)

    assert exchange(plain, retry("a", 1)).refused == {"a"}
    assert snapshot(plain) == before


def test_a_retry_of_what_is_gone_brings_nothing_back(plain: redis.Redis) -> None:
    """A job that was deleted meanwhile has no hash, and gets none."""
    seed(plain, {**ALIVE, MINE: ["a"]})
    exchange(plain, retry("a", 1))

    assert snapshot(plain) == ALIVE


def test_a_count_of_tries_that_is_none(plain: redis.Redis) -> None:
    """What a foreign producer has spoilt starts again at one."""
    seed(plain, {**ALIVE, **jobs("a", **{"qw:tries": "many"}), MINE: ["a"]})
    exchange(plain, retry("a", 1))

    assert plain.hget("job:a", "qw:tries") == b"1"


def test_where_nothing_can_be_scheduled(plain: redis.Redis) -> None:
    """While another program's key is in the way, the job stays in its worker's list."""
    seed(plain, {**ALIVE, **jobs("a"), MINE: ["a"], "all:scheduled": "text"})

    assert exchange(plain, retry("a", 1)).refused == {"a"}
    assert snapshot(plain) == {**ALIVE, **jobs("a"), MINE: ["a"], "all:scheduled": "text"}


# -- loads sent again -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [
        Plan(done=[(ONE, ["a"])], number=4),
        attrs.evolve(retry("a", 0), number=4),
        Plan(release=[(ONE, ["a"])], number=4),
        Plan(contents=[Content("result", ONE, "a", 60.0, '{"result":1}')], number=4),
    ],
    ids=["done", "retry", "release", "result"],
)
def test_a_load_is_applied_once(plan: Plan, plain: redis.Redis) -> None:
    """Sent again under its number it does nothing, even if the same id was queued and claimed once more."""
    seed(plain, {**ALIVE, **jobs("a"), MINE: ["a"]})
    exchange(plain, plan)
    plain.delete("all:jobs", "job:a")
    seed(plain, {**jobs("a"), MINE: ["a"]})
    before = snapshot(plain)

    assert exchange(plain, plan).refused == frozenset()
    assert snapshot(plain) == before
    assert before["all:beats"] == {"web.s1": "7 4"}


def test_the_next_load_is_applied(plain: redis.Redis) -> None:
    """Under the next number; and an exchange without outcomes has none, whatever was the last."""
    seed(plain, {"all:beats": {"web.s1": "7 4"}, **jobs("a", "b"), MINE: ["b", "a"]})
    exchange(plain, Plan())
    exchange(plain, Plan(done=[(ONE, ["a"])], number=5))

    assert snapshot(plain) == {
        "all:beats": {"web.s1": "7 5"}, **jobs("b"), MINE: ["b"], "all:stats": {"finished": "1"}
    }  # fmt: skip


def test_what_a_repeated_load_asks_for_it_gets(plain: redis.Redis) -> None:
    """Only the outcomes are left out: it may want jobs as well."""
    seed(plain, {"all:beats": {"web.s1": "7 4"}, **jobs("a"), "all:jobs": ["a"]})

    assert exchange(plain, Plan(done=[(ONE, ["x"])], want=[(ONE, 1)], number=4)).batches[0].ids == ["a"]


# -- jobs that were rescued before ------------------------------------------------------------------------------------


def dealt(plain: redis.Redis, want: Sequence[tuple[str, int]], *, rescued: bool = False) -> tuple[object, int, bool]:
    """Fetch; return who got what, how many had to wait, and whether there is more."""
    reply = exchange(plain, Plan(want=want, rescued=rescued))
    return {batch.worker: list(batch.ids) for batch in reply.batches}, reply.skipped, reply.more


def test_a_rescued_job_is_dealt_alone(plain: redis.Redis) -> None:
    """One in a call, with none behind it; the others of that kind wait, and all the rest goes on."""
    seed(plain, {**ALIVE, **jobs("r", "s", **RESCUED), **jobs("a", "b"), "all:jobs": ["b", "a", "s", "r"]})

    assert dealt(plain, [(ONE, 5), (TWO, 5)]) == ({ONE: ["r"], TWO: ["a", "b"]}, 1, False)
    assert snapshot(plain)["all:jobs"] == ["s"]


def test_while_one_is_in_hand_the_others_wait(plain: redis.Redis) -> None:
    """In their places, however many stand before the jobs that anybody may have."""
    ids = [f"r{n}" for n in range(50)]
    seed(plain, {**ALIVE, **jobs(*ids, **RESCUED), **jobs("a", "b", "c"), "all:jobs": ["c", "b", "a", *ids]})

    assert dealt(plain, [(ONE, 1), (TWO, 1)], rescued=True) == ({ONE: ["a"], TWO: ["b"]}, 50, True)
    assert snapshot(plain)["all:jobs"] == ["c", *ids]


def test_when_only_such_jobs_are_left(plain: redis.Redis) -> None:
    """There is nothing more to be had until the one in hand has ended."""
    seed(plain, {**ALIVE, **jobs("r", "s", **RESCUED), "all:jobs": ["s", "r"]})

    assert dealt(plain, [(ONE, 1)], rescued=True) == ({}, 2, False)
    assert snapshot(plain)["all:jobs"] == ["s", "r"]


def test_a_knock_may_bring_one_too_many(plain: redis.Redis) -> None:
    """BLMOVE asks nobody: what it has moved while another one is in hand goes back to where it came from."""
    seed(plain, {**ALIVE, **jobs("r", **RESCUED), **jobs("a"), MINE: ["r"], HIS: ["a"]})
    adopt = [Adopt(ONE, [], {"r": "web:jobs"}, None), Adopt(TWO, [], {"a": ""}, None), Adopt(THREE, [], {}, "")]
    reply = exchange(plain, Plan(adopt=adopt, rescued=True))

    assert ([(batch.worker, batch.ids) for batch in reply.batches], reply.skipped) == ([(TWO, ["a"])], 1)
    assert (snapshot(plain)["web:jobs"], MINE in snapshot(plain)) == (["r"], False)
