"""
What `exchange` does with outcomes and with jobs that go back: one row for each way in which a job can end.

Every row is tried without and with a namespace, and called a second time, as after a lost reply.
"""

from __future__ import annotations

from typing import Final

import pytest
import redis

from qw.scripts import Content, Plan
from tests.support.keyspace import expiring, snapshot
from tests.support.scripts import ALIVE, NOW, ONE, TWO, Answer, Case, exchange, found, jobs, seed, under

ERROR: Final = '{"error":"ValueError: no","traceback":""}'
REASON: Final = {"qw:error": "ValueError: no", "qw:worker": ONE}
MINE: Final = f"{ONE}:jobs"
HIS: Final = f"{TWO}:jobs"
FINISHED_1: Final = {"all:stats": {"finished": "1"}}
FINISHED_2: Final = {"all:stats": {"finished": "2"}}
BURIED_1: Final = {"all:stats": {"buried": "1"}}
CRASHED_1: Final = {"all:stats": {"crashed": "1"}}


def done(*ids: str, worker: str = ONE) -> Plan:
    """Return a plan with jobs that finished and left nothing."""
    return Plan(done=[(worker, ids)])


def release(*ids: str, worker: str = ONE) -> Plan:
    """Return a plan that gives jobs back."""
    return Plan(release=[(worker, ids)])


def result(job_id: str, ttl: float = 60.0) -> Plan:
    """Return a plan with a result."""
    return Plan(contents=[Content("result", ONE, job_id, ttl, '{"result":[1]}')])


def bury(job_id: str) -> Plan:
    """Return a plan with a failure."""
    return Plan(contents=[Content("bury", ONE, job_id, 60.0, ERROR, REASON)])


def crash(job_id: str) -> Plan:
    """Return a plan with a job whose process died."""
    return Plan(contents=[Content("crash", ONE, job_id, 60.0, ERROR, REASON)])


DONE = [
    Case("an empty plan does nothing", {**jobs("a"), MINE: ["a"]}, Plan(), {**jobs("a"), MINE: ["a"]}),
    Case("the oldest in order", {**jobs("a", "b", "c"), MINE: ["c", "b", "a"]}, done("a", "b"),
         {**jobs("c"), MINE: ["c"], **FINISHED_2}),
    Case("all of them", {**jobs("a", "b"), MINE: ["b", "a"]}, done("a", "b"), FINISHED_2),
    Case("a single one", {**jobs("a", "b"), MINE: ["b", "a"]}, done("a"), {**jobs("b"), MINE: ["b"], **FINISHED_1}),
    Case("out of order", {**jobs("a", "b", "c"), MINE: ["c", "b", "a"]}, done("b", "a"),
         {**jobs("c"), MINE: ["c"], **FINISHED_2}),
    Case("not the oldest", {**jobs("a", "b", "c"), MINE: ["c", "b", "a"]}, done("b", "c"),
         {**jobs("a"), MINE: ["a"], **FINISHED_2}),
    Case("one refused among them", {**jobs("a", "b", "c"), MINE: ["c", "a"]}, done("a", "b", "c"),
         {**jobs("b"), **FINISHED_2}, Answer(refused=["b"])),
    Case("refused when the list is not there", jobs("a", "b"), done("a", "b"), jobs("a", "b"),
         Answer(refused=["a", "b"])),
    Case("refused when another has it", {**jobs("a"), HIS: ["a"]}, done("a"), {**jobs("a"), HIS: ["a"]},
         Answer(refused=["a"])),
    Case("one of two places of an id that was pushed twice", {**jobs("a"), MINE: ["a", "a"]}, done("a"),
         {MINE: ["a"], **FINISHED_1}),
    Case("both places of an id that was pushed twice", {**jobs("a"), MINE: ["a", "a"]}, done("a", "a"), FINISHED_2),
    Case("without a hash, it only leaves the list", {MINE: ["a"]}, done("a"), FINISHED_1),
    Case("of two workers", {**jobs("a", "b"), MINE: ["a"], HIS: ["b"]},
         Plan(done=[(ONE, ["a"]), (TWO, ["b"])]), FINISHED_2),
]  # fmt: skip

RESULTS = [
    Case("a result is kept for its time", {**jobs("a"), MINE: ["a"]}, result("a"),
         {"result:a": ['{"result":[1]}'], **FINISHED_1}, ttl={"result:a": 60.0}),
    Case("parts of a second count", {**jobs("a"), MINE: ["a"]}, result("a", 10.5),
         {"result:a": ['{"result":[1]}'], **FINISHED_1}, ttl={"result:a": 10.5}),
    Case("a result takes the place of an older one", {**jobs("a"), MINE: ["a"], "result:a": ["x", "y"]}, result("a"),
         {"result:a": ['{"result":[1]}'], **FINISHED_1}, ttl={"result:a": 60.0}),
    Case("a refused result is not written", jobs("a"), result("a"), jobs("a"), Answer(refused=["a"])),
    Case("without a hash, a result is a result", {MINE: ["a"]}, result("a"),
         {"result:a": ['{"result":[1]}'], **FINISHED_1}, ttl={"result:a": 60.0}),
]  # fmt: skip

BURIALS = [
    Case("a failure is buried with its reason", {**jobs("a", "b"), MINE: ["b", "a"]}, bury("a"),
         {**jobs("a", **REASON, **{"qw:dead_at": str(NOW)}), **jobs("b"), MINE: ["b"], "all:dead": {"a": NOW},
          "result:a": [ERROR], **BURIED_1}, ttl={"result:a": 60.0}),
    Case("buried again, the reason is the last one",
         {**jobs("a", **{"qw:error": "old"}), MINE: ["a"], "all:dead": {"a": 5.0}}, bury("a"),
         {**jobs("a", **REASON, **{"qw:dead_at": str(NOW)}), "all:dead": {"a": NOW}, "result:a": [ERROR], **BURIED_1},
         ttl={"result:a": 60.0}),
    Case("nothing is brought back that has no hash", {MINE: ["a"]}, bury("a"), {}),
    Case("a refused failure buries nothing", jobs("a"), bury("a"), jobs("a"), Answer(refused=["a"])),
]  # fmt: skip

CRASHES = [
    Case("a first crash is counted, the job goes to the taking end",
         {**jobs("a", "z"), MINE: ["a"], "all:jobs": ["z"]}, crash("a"),
         {**jobs("a", **{"qw:crashes": "1"}), **jobs("z"), "all:jobs": ["z", "a"], **CRASHED_1}),
    Case("it goes to the queue it came from", {**jobs("a", **{"qw:queue": "web:jobs"}), MINE: ["a"]}, crash("a"),
         {**jobs("a", **{"qw:queue": "web:jobs", "qw:crashes": "1"}), "web:jobs": ["a"], **CRASHED_1}),
    Case("one before the last", {**jobs("a", **{"qw:crashes": "1"}), MINE: ["a"]}, crash("a"),
         {**jobs("a", **{"qw:crashes": "2"}), "all:jobs": ["a"], **CRASHED_1}),
    Case("the last one buries", {**jobs("a", **{"qw:crashes": "2"}), MINE: ["a"]}, crash("a"),
         {**jobs("a", **{"qw:crashes": "3", "qw:dead_at": str(NOW)}, **REASON), "all:dead": {"a": NOW},
          "result:a": [ERROR], **BURIED_1}, ttl={"result:a": 60.0}),
    Case("a spoilt count buries", {**jobs("a", **{"qw:crashes": "many"}), MINE: ["a"]}, crash("a"),
         {**jobs("a", **{"qw:crashes": "many", "qw:dead_at": str(NOW)}, **REASON), "all:dead": {"a": NOW},
          "result:a": [ERROR], **BURIED_1}, ttl={"result:a": 60.0}),
    Case("nothing is counted that has no hash", {MINE: ["a"]}, crash("a"), {}),
    Case("a refused crash counts nothing", jobs("a"), crash("a"), jobs("a"), Answer(refused=["a"])),
]  # fmt: skip

RELEASES = [
    Case("released jobs keep their order, at the taking end",
         {**jobs("a", "b", "c", "z"), MINE: ["c", "b", "a"], "all:jobs": ["z"]}, release("a", "b", "c"),
         {**jobs("a", "b", "c", "z"), "all:jobs": ["z", "c", "b", "a"], "all:stats": {"released": "3"}}),
    Case("the youngest go back, the oldest run on",
         {**jobs("a", "b", "c"), MINE: ["c", "b", "a"]}, release("b", "c"),
         {**jobs("a", "b", "c"), MINE: ["a"], "all:jobs": ["c", "b"], "all:stats": {"released": "2"}}),
    Case("each to the queue it came from",
         {**jobs("a", "c", **{"qw:queue": "web:jobs"}), **jobs("b"), MINE: ["c", "b", "a"], "web:jobs": ["z"]},
         release("a", "b", "c"),
         {**jobs("a", "c", **{"qw:queue": "web:jobs"}), **jobs("b"), "web:jobs": ["z", "c", "a"], "all:jobs": ["b"],
          "all:stats": {"released": "3"}}),
    Case("one refused among them", {**jobs("a", "b"), MINE: ["a"]}, release("a", "b"),
         {**jobs("a", "b"), "all:jobs": ["a"], "all:stats": {"released": "1"}}, Answer(refused=["b"])),
    Case("nothing in the list", jobs("a"), release("a"), jobs("a"), Answer(refused=["a"])),
    Case("without a hash: it is dropped by who fetches it", {MINE: ["a"]}, release("a"),
         {"all:jobs": ["a"], "all:stats": {"released": "1"}}),
    Case("a queue without a name is all:jobs", {**jobs("a", **{"qw:queue": ""}), MINE: ["a"]}, release("a"),
         {**jobs("a", **{"qw:queue": ""}), "all:jobs": ["a"], "all:stats": {"released": "1"}}),
    Case("a queue that is no list is all:jobs",
         {**jobs("a", **{"qw:queue": "x:jobs"}), MINE: ["a"], "x:jobs": {"web"}}, release("a"),
         {**jobs("a", **{"qw:queue": "x:jobs"}), "x:jobs": {"web"}, "all:jobs": ["a"], "all:stats": {"released": "1"}}),
    Case("a queue that is not named as one is all:jobs", {**jobs("a", **{"qw:queue": "away"}), MINE: ["a"]},
         release("a"),
         {**jobs("a", **{"qw:queue": "away"}), "all:jobs": ["a"], "all:stats": {"released": "1"}}),
]  # fmt: skip

CASES = [*DONE, *RESULTS, *BURIALS, *CRASHES, *RELEASES]


def ids_of(plan: Plan) -> set[str]:
    """Return the ids that a plan has outcomes of."""
    listed = {job_id for _, ids in [*plan.done, *plan.release] for job_id in ids}
    return listed | {content.job_id for content in plan.contents}


@pytest.mark.parametrize("namespace", [None, "orders"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_outcomes(case: Case, namespace: str | None, plain: redis.Redis) -> None:
    """The whole key space is as the row says, the reply too, and results have the time to live they ask for."""
    seed(plain, under(namespace, {**ALIVE, **case.before}))
    reply = exchange(plain, case.plan, namespace)

    assert found(plain, reply.now) == under(namespace, {**ALIVE, **case.after})
    assert Answer.of(reply) == case.answer
    left, wanted = expiring(plain), under(namespace, dict.fromkeys(case.ttl, ""))
    assert set(left) == set(wanted)
    assert all(seconds - 5 < left[key] <= seconds for key, seconds in zip(wanted, case.ttl.values(), strict=True))


@pytest.mark.parametrize("case", [case for case in CASES if "pushed twice" not in case.claim], ids=str)
def test_outcomes_sent_again_change_nothing(case: Case, plain: redis.Redis) -> None:
    """The second call finds no claim: it refuses every id, and what the first one did stays as it is."""
    seed(plain, {**ALIVE, **case.before})
    exchange(plain, case.plan)
    before = snapshot(plain)
    reply = exchange(plain, case.plan)

    assert snapshot(plain) == before
    assert reply.refused == ids_of(case.plan)


def test_an_id_that_is_claimed_twice_can_be_finished_twice(plain: redis.Redis) -> None:
    """A foreign producer may push an id twice: each finish ends one claim, a third one none."""
    seed(plain, {**ALIVE, **jobs("a"), MINE: ["a", "a"]})
    refused = [exchange(plain, done("a")).refused for _ in range(3)]

    assert refused == [frozenset(), frozenset(), {"a"}]
    assert snapshot(plain) == {**ALIVE, **FINISHED_2}


def test_more_than_lua_can_unpack(plain: redis.Redis) -> None:
    """Ten thousand jobs, twice what Lua can hand to one command, finish and go back in one call."""
    ids = [f"j{n}" for n in range(20000)]
    seed(plain, {**ALIVE, **jobs(*ids[:100]), MINE: ids[::-1]})
    reply = exchange(plain, Plan(done=[(ONE, ids[:10000])], release=[(ONE, ids[10000:])]))

    wanted = {"all:jobs": ids[:9999:-1], "all:stats": {"finished": "10000", "released": "10000"}}
    assert found(plain, reply.now) == {**ALIVE, **wanted}
    assert Answer.of(reply) == Answer()


def test_outcomes_of_every_kind_in_one_call(plain: redis.Redis) -> None:
    """Each outcome is struck from its own worker's list, and none disturbs another."""
    seed(plain, {**ALIVE, **jobs("a", "b", "c", "d", "e", "f"), MINE: ["c", "b", "a"], HIS: ["f", "e", "d"]})
    plan = Plan(
        done=[(ONE, ["a"]), (TWO, ["d"])],
        contents=[
            Content("result", ONE, "b", 60.0, "1"),
            Content("bury", TWO, "e", 60.0, "2"),
            Content("result", ONE, "gone", 60.0, "3"),
        ],
        release=[(ONE, ["c"]), (TWO, ["f"])],
    )
    reply = exchange(plain, plan)

    after = {
        **jobs("c", "f"),
        **jobs("e", **{"qw:dead_at": str(NOW)}),
        "result:b": ["1"],
        "result:e": ["2"],
        "all:dead": {"e": NOW},
        "all:jobs": ["c", "f"],
        "all:stats": {"finished": "3", "buried": "1", "released": "2"},
    }
    assert found(plain, reply.now) == {**ALIVE, **after}
    assert Answer.of(reply) == Answer(refused=["gone"])
