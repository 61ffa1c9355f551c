"""`exchange` and its like where Redis holds what nobody expects: any bytes, keys of other types, no memory left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest
import redis
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from qw.keys import Keys, to_str
from qw.scripts import Adopt, Beaten, Call, Content, Plan
from tests.support.keyspace import expiring, snapshot
from tests.support.scripts import (
    ALIVE,
    NOW,
    ONE,
    TWO,
    WORKERS,
    Answer,
    Case,
    Space,
    exchange,
    found,
    jobs,
    read_batch,
    run,
    scripts,
    seed,
)

MINE: Final = f"{ONE}:jobs"
HIS: Final = f"{TWO}:jobs"
WEB: Final = {"qw:queue": "web:jobs"}
REASON: Final = {"qw:error": "no"}
RELEASED_1: Final = {"all:stats": {"released": "1"}}

# -- Any bytes ---------------------------------------------------------------------------------------------------------

ANY: Final = st.binary(max_size=40)
#: Every byte there is, what JSON escapes, half of a surrogate pair in UTF-8, and what looks like our own separators.
WORST: Final = bytes(range(256)) + b'"\\/\xed\xa0\x80\xe2\x80\xa8\r\n\0[]{}'

same_server = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@same_server
@given(st.binary(min_size=1, max_size=40), st.dictionaries(ANY, ANY, min_size=1, max_size=8))
@example(WORST, {WORST: WORST, b"": b"", b"\0": b"\n", b"1": b"1e400", b"\xff": b"\xc3\xa9"})
def test_any_bytes_come_out_as_they_went_in(plain: redis.Redis, raw_id: bytes, fields: Mapping[bytes, bytes]) -> None:
    """Ids, field names and values of any bytes survive queue, fetch, look, release, result, and finish."""
    plain.flushall()
    seed(plain, ALIVE)
    plain.hset(Keys().job(to_str(raw_id)), items=[part for pair in fields.items() for part in pair])
    plain.lpush("all:jobs", raw_id)
    job_id = to_str(raw_id)
    line = (job_id, {to_str(name): to_str(value) for name, value in fields.items()})

    dealt = exchange(plain, Plan(want=[(ONE, 1)]))
    looked = exchange(plain, Plan(adopt=[Adopt(ONE, [f"{job_id}-"], {job_id: ""}, "")]))
    assert [read_batch(batch) for batch in (*dealt.batches, *looked.batches)] == [[line], [line]]
    assert dealt.batches[0].lines.count(b"\n") == 0
    assert exchange(plain, Plan(adopt=[Adopt(ONE, [job_id], {}, "")])).batches == []

    exchange(plain, Plan(release=[(ONE, [job_id])]))
    again = exchange(plain, Plan(want=[(TWO, 1)]))
    assert [read_batch(batch) for batch in again.batches] == [[line]]

    late = exchange(plain, Plan(done=[(ONE, [job_id])]))
    assert late.refused == {job_id}
    exchange(plain, Plan(contents=[Content("result", TWO, job_id, 60.0, job_id)]))
    kept = {f"result:{job_id}": [job_id]}
    counted = {"all:stats": {"released": "1", "finished": "1"}}
    assert snapshot(plain) == {**ALIVE, **kept, **counted}


@same_server
@given(st.binary(min_size=1, max_size=40), ANY)
@example(WORST, WORST)
def test_any_bytes_are_buried_and_dropped_as_they_are(plain: redis.Redis, raw_id: bytes, reason: bytes) -> None:
    """The id of a failure, its reason, and ids that cannot be read come through as they are."""
    plain.flushall()
    job_id, why = to_str(raw_id), to_str(reason)
    seed(plain, {**ALIVE, f"job:{job_id}": {"n": "1"}, MINE: [job_id], "all:jobs": [f"{job_id}-"]})
    plan = Plan(contents=[Content("bury", ONE, job_id, 60.0, why, {"qw:error": why, f"x{why}": ""})], want=[(TWO, 1)])
    reply = exchange(plain, plan)

    assert reply.dropped == [(f"{job_id}-", f"job:{job_id}- is not there")]
    assert found(plain, reply.now) == {
        **ALIVE,
        f"job:{job_id}": {"n": "1", "qw:error": why, f"x{why}": "", "qw:dead_at": str(NOW)},
        f"result:{job_id}": [why],
        "all:dead": {job_id: NOW},
        "all:stats": {"buried": "1", "dropped": "1"},
    }


def test_a_queue_of_any_bytes(plain: redis.Redis) -> None:
    """What a foreign manager is called does not matter: its job goes back to it."""
    queue = to_str(b"\xff\0\n:jobs")
    seed(plain, {**ALIVE, **jobs("a"), MINE: ["a"]})
    look = exchange(plain, Plan(adopt=[Adopt(ONE, [], {"a": queue}, "")]))
    exchange(plain, Plan(release=[(ONE, ["a"])]))

    assert read_batch(look.batches[0]) == [("a", {"n": "a", "qw:queue": queue})]
    assert snapshot(plain) == {**ALIVE, **jobs("a", **{"qw:queue": queue}), queue: ["a"], **RELEASED_1}


def test_a_hash_of_many_fields(plain: redis.Redis) -> None:
    """More fields than Lua could unpack make one line like any other."""
    fields = {f"f{n}": str(n) for n in range(20000)}
    seed(plain, {**ALIVE, "job:a": fields, "all:jobs": ["a"]})
    reply = exchange(plain, Plan(want=[(ONE, 1)]))

    assert read_batch(reply.batches[0]) == [("a", fields)]


# -- Keys of other types -----------------------------------------------------------------------------------------------

#: What another program may have put under a name of ours.
TEXT: Final = "text"
DONE: Final = Plan(done=[(ONE, ["a"])])
RELEASE: Final = Plan(release=[(ONE, ["a", "b"])])
WANT: Final = Plan(want=[(ONE, 2), (TWO, 2)])
BURY: Final = Plan(contents=[Content("bury", ONE, "a", 60.0, "1", REASON)])
CRASH: Final = Plan(contents=[Content("crash", ONE, "a", 60.0, "1", REASON)])

SPOILT = [
    Case("all:jobs is no list: the manager's jobs are dealt", {"all:jobs": TEXT, **jobs("a"), "web:jobs": ["a"]}, WANT,
         {"all:jobs": TEXT, **jobs("a", **WEB), MINE: ["a"]}, Answer(given={ONE: ["a"]})),
    Case("the manager's list is none: all:jobs is dealt", {"web:jobs": TEXT, **jobs("a"), "all:jobs": ["a"]}, WANT,
         {"web:jobs": TEXT, **jobs("a"), MINE: ["a"]}, Answer(given={ONE: ["a"]})),
    Case("all:jobs is no list: what is released stays where it is",
         {"all:jobs": TEXT, **jobs("a"), **jobs("b", **WEB), MINE: ["c", "b", "a"]}, RELEASE,
         {"all:jobs": TEXT, **jobs("a"), **jobs("b", **WEB), MINE: ["c", "a"], "web:jobs": ["b"], **RELEASED_1},
         Answer(refused=["a"])),
    Case("all:jobs is no list: what crashed is counted and stays where it is",
         {"all:jobs": TEXT, **jobs("a"), MINE: ["a"]}, CRASH,
         {"all:jobs": TEXT, **jobs("a", **{"qw:crashes": "1"}), MINE: ["a"]}, Answer(refused=["a"])),
    Case("a worker's list is none: its outcomes are refused", {MINE: TEXT, **jobs("a")}, DONE,
         {MINE: TEXT, **jobs("a")}, Answer(refused=["a"])),
    Case("a worker's list is none: its released jobs are refused", {MINE: TEXT, **jobs("a", "b")}, RELEASE,
         {MINE: TEXT, **jobs("a", "b")}, Answer(refused=["a", "b"])),
    Case("a worker's list is none: its failures are refused", {MINE: TEXT, **jobs("a")}, BURY,
         {MINE: TEXT, **jobs("a")}, Answer(refused=["a"])),
    Case("a worker's list is none: the others get the jobs", {MINE: TEXT, **jobs("a", "b"), "all:jobs": ["b", "a"]},
         WANT, {MINE: TEXT, **jobs("a", "b"), HIS: ["b", "a"]}, Answer(given={TWO: ["a", "b"]})),
    Case("a worker's list is none: nothing is found there", {MINE: TEXT, **jobs("a")},
         Plan(adopt=[Adopt(ONE, [], {"a": ""}, "")]), {MINE: TEXT, **jobs("a")}),
    Case("all:dead is no sorted set: what failed stays where it is", {"all:dead": TEXT, **jobs("a"), MINE: ["a"]}, BURY,
         {"all:dead": TEXT, **jobs("a"), MINE: ["a"]}, Answer(refused=["a"])),
    Case("all:dead is no sorted set: what is no hash is dropped", {"all:dead": TEXT, "job:a": TEXT, "all:jobs": ["a"]},
         WANT, {"all:dead": TEXT, "job:a": TEXT, "all:stats": {"dropped": "1"}},
         Answer(dropped=(("a", "job:a is not a hash"),))),
    Case("all:stats is no hash: nothing is counted", {"all:stats": TEXT, **jobs("a"), MINE: ["a"]}, DONE,
         {"all:stats": TEXT}),
    Case("a counter is no number", {"all:stats": {"finished": "many"}, **jobs("a"), MINE: ["a"]}, DONE,
         {"all:stats": {"finished": "many"}}),
    Case("what is no hash any more is buried", {"job:a": TEXT, MINE: ["a"]}, BURY,
         {"job:a": TEXT, "all:dead": {"a": NOW}, "result:a": ["1"], "all:stats": {"buried": "1"}}),
    Case("what is no hash any more crashed", {"job:a": TEXT, MINE: ["a"]}, CRASH,
         {"job:a": TEXT, "all:dead": {"a": NOW}, "result:a": ["1"], "all:stats": {"buried": "1"}}),
    Case("what is no hash any more is released", {"job:a": TEXT, MINE: ["a"]}, Plan(release=[(ONE, ["a"])]),
         {"job:a": TEXT, "all:jobs": ["a"], **RELEASED_1}),
    Case("a result takes the place of whatever is there", {"result:a": TEXT, **jobs("a"), MINE: ["a"]},
         Plan(contents=[Content("result", ONE, "a", 60.0, "1")]), {"result:a": ["1"], "all:stats": {"finished": "1"}}),
]  # fmt: skip


@pytest.mark.parametrize("case", SPOILT, ids=str)
def test_keys_of_other_types(case: Case, plain: redis.Redis) -> None:
    """A key that is not what it should be harms what needs it, and nothing else; no job is lost."""
    seed(plain, {**ALIVE, **case.before})
    reply = exchange(plain, case.plan)

    assert found(plain, reply.now) == {**ALIVE, **case.after}
    assert Answer.of(reply) == case.answer


CALLS: Final[Mapping[str, Call[Any]]] = {
    "register": scripts().register(),
    "beat": scripts().beat(),
    "exchange": scripts().exchange(WANT),
    "leave": scripts().leave(),
}


@pytest.mark.parametrize("what", CALLS)
def test_without_beats_nothing_is_done(what: str, plain: redis.Redis) -> None:
    """When all:beats is no hash nobody knows who is struck off: an error, and nothing has changed."""
    before: Space = {"all:beats": TEXT, **jobs("a", "b"), MINE: ["a"], "all:jobs": ["b"]}
    seed(plain, before)
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        run(plain, CALLS[what])

    assert snapshot(plain) == before


def test_leaving_loses_no_job_that_has_no_queue_to_go_to(plain: redis.Redis) -> None:
    """When all:jobs is no list, its jobs stay in the list of a worker, and the start of that worker stays known."""
    here: Space = {**ALIVE, "all:managers": {"web"}, "web:workers": set(WORKERS)}
    seed(plain, {**here, "all:jobs": TEXT, **jobs("a", "c"), **jobs("b", **WEB), MINE: ["c", "a"], HIS: ["b"]})
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        run(plain, scripts().leave())

    after = {"all:jobs": TEXT, **jobs("a", "c"), **jobs("b", **WEB), MINE: ["c", "a"], HIS: ["b"]}
    assert snapshot(plain) == {**here, **after}


@pytest.mark.parametrize("key", ["all:managers", "web:workers"])
def test_leaving_where_a_set_is_none(key: str, plain: redis.Redis) -> None:
    """What cannot be left is passed over: the jobs go back, the beat goes."""
    seed(plain, {**ALIVE, key: TEXT, **jobs("a"), MINE: ["a"]})

    assert run(plain, scripts().leave()) == 1
    assert snapshot(plain) == {key: TEXT, **jobs("a"), "all:jobs": ["a"], **RELEASED_1}


@pytest.mark.parametrize("seconds", [1e300, 1e18, 0.0, 0.0001, -1.0])
def test_any_time_to_live(seconds: float, plain: redis.Redis) -> None:
    """However long or short a result is to be kept, its job is finished, and the ones after it too."""
    seed(plain, {**ALIVE, **jobs("a", "b"), MINE: ["b", "a"]})
    contents = [Content("result", ONE, "a", seconds, "1"), Content("result", ONE, "b", 60.0, "2")]
    exchange(plain, Plan(contents=contents))

    kept = {"result:a": ["1"]} if seconds > 1 else {}
    assert snapshot(plain) == {**ALIVE, **kept, "result:b": ["2"], "all:stats": {"finished": "2"}}
    assert set(expiring(plain)) == {*kept, "result:b"}


# -- No memory left ----------------------------------------------------------------------------------------------------

FULL = [
    Case("jobs finish", {**jobs("a"), MINE: ["a"]}, DONE, {"all:stats": {"finished": "1"}}),
    Case("results are kept", {**jobs("a"), MINE: ["a"]}, Plan(contents=[Content("result", ONE, "a", 60.0, "1")]),
         {"result:a": ["1"], "all:stats": {"finished": "1"}}),
    Case("failures are buried", {**jobs("a"), MINE: ["a"]}, BURY,
         {**jobs("a", **REASON, **{"qw:dead_at": str(NOW)}), "all:dead": {"a": NOW}, "result:a": ["1"],
          "all:stats": {"buried": "1"}}),
    Case("crashes are counted", {**jobs("a"), MINE: ["a"]}, CRASH,
         {**jobs("a", **{"qw:crashes": "1"}), "all:jobs": ["a"], "all:stats": {"crashed": "1"}}),
    Case("jobs go back", {**jobs("a", "b"), MINE: ["b", "a"]}, RELEASE,
         {**jobs("a", "b"), "all:jobs": ["b", "a"], "all:stats": {"released": "2"}}),
    Case("jobs are fetched", {**jobs("a"), "all:jobs": ["a"]}, WANT, {**jobs("a"), MINE: ["a"]},
         Answer(given={ONE: ["a"]})),
    Case("jobs of the manager are fetched", {**jobs("a"), "web:jobs": ["a"]}, WANT,
         {**jobs("a", **WEB), MINE: ["a"]}, Answer(given={ONE: ["a"]})),
    Case("jobs are found in one's own list", {**jobs("a"), MINE: ["a"]}, Plan(adopt=[Adopt(ONE, [], {}, "web:jobs")]),
         {**jobs("a", **WEB), MINE: ["a"]}, Answer(given={ONE: ["a"]})),
    Case("what is no hash is buried", {"job:a": TEXT, "all:jobs": ["a"]}, WANT,
         {"job:a": TEXT, "all:dead": {"a": NOW}, "all:stats": {"buried": "1"}},
         Answer(dropped=(("a", "buried: job:a is not a hash"),))),
    Case("what is not there is dropped", {"all:jobs": ["a"]}, WANT, {"all:stats": {"dropped": "1"}},
         Answer(dropped=(("a", "job:a is not there"),))),
]  # fmt: skip


@pytest.fixture
def fill(plain: redis.Redis) -> Iterator[Callable[[Space], None]]:
    """Return a function that writes a key space and then leaves no room for anything more."""

    def write(space: Space) -> None:
        seed(plain, space)
        plain.config_set("maxmemory", "1")
        with pytest.raises(ResponseError, match="maxmemory"):
            plain.lpush("all:jobs", "one more")

    yield write
    plain.config_set("maxmemory", "0")


@pytest.mark.parametrize("case", FULL, ids=str)
def test_a_full_redis_drains(case: Case, fill: Callable[[Space], None], plain: redis.Redis) -> None:
    """Outcomes and fetches work when Redis takes nothing new, or it would stay full for ever."""
    fill({**ALIVE, **case.before})
    reply = exchange(plain, case.plan)

    assert found(plain, reply.now) == {**ALIVE, **case.after}
    assert Answer.of(reply) == case.answer


def test_starts_come_and_go_when_redis_is_full(fill: Callable[[Space], None], plain: redis.Redis) -> None:
    """Managers register, beat and leave all the same, and give back what they hold."""
    fill({**jobs("a", **WEB), MINE: ["a"]})
    register, beat, leave = scripts().register(), scripts().beat(), scripts().leave()

    assert (run(plain, register), run(plain, beat)) == ("ok", Beaten("ok", {"web.s1": "2"}, [1, 0, 0], math.inf))
    assert run(plain, leave) == 1
    assert snapshot(plain) == {**jobs("a", **WEB), "web:jobs": ["a"], **RELEASED_1}


def test_an_own_list_full_of_nothing(plain: redis.Redis) -> None:
    """A thousand ids without a hash are dropped in a call, and the job behind them is found in the end."""
    seed(plain, {**ALIVE, **jobs("a"), MINE: ["a", *(f"x{n}" for n in range(3000))]})
    plan = Plan(adopt=[Adopt(ONE, [], {}, "")])
    replies = [exchange(plain, plan) for _ in range(4)]

    assert [len(reply.dropped) for reply in replies] == [1000, 1000, 1000, 0]
    assert [list(batch.ids) for reply in replies for batch in reply.batches] == [["a"]]
    assert plain.lrange(MINE, 0, -1) == [b"a"]
