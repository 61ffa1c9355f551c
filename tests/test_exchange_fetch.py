"""What `exchange` hands to workers: jobs that it finds in their own lists, and jobs dealt from the queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import pytest
import redis

from qw.scripts import Adopt, Plan
from tests.support.keyspace import Value, snapshot
from tests.support.scripts import (
    ALIVE,
    NOW,
    ONE,
    THREE,
    TWO,
    Answer,
    Case,
    exchange,
    found,
    jobs,
    read_batch,
    run,
    scripts,
    seed,
    under,
)

MINE: Final = f"{ONE}:jobs"
HIS: Final = f"{TWO}:jobs"
THEIRS: Final = f"{THREE}:jobs"
WEB: Final = {"qw:queue": "web:jobs"}
DROPPED_1: Final = {"all:stats": {"dropped": "1"}}
BURIED_1: Final = {"all:stats": {"buried": "1"}}


def want(one: int, two: int = 0, three: int = 0) -> Plan:
    """Return a plan that asks for jobs for up to three workers."""
    return Plan(want=[pair for pair in ((ONE, one), (TWO, two), (THREE, three)) if pair[1]])


def adopt(
    *in_hand: str, knocked: Mapping[str, str] | None = None, others: str | None = "web:jobs", room: int | None = None
) -> Plan:
    """Return a plan that looks into the list of the first worker; with `room`, it wants jobs as well."""
    look = Adopt(ONE, in_hand, knocked or {}, others)
    return Plan(adopt=[look], want=[] if room is None else [(ONE, room)])


def gone(job_id: str) -> tuple[str, str]:
    """Return what is said of an id without a hash."""
    return job_id, f"job:{job_id} is not there"


DEALT = [
    Case("nothing is there", {}, want(5), {}),
    Case("nobody wants any", {**jobs("a"), "all:jobs": ["a"]}, Plan(), {**jobs("a"), "all:jobs": ["a"]}),
    Case("the oldest first", {**jobs("a", "b", "c"), "all:jobs": ["c", "b", "a"]}, want(2),
         {**jobs("a", "b", "c"), "all:jobs": ["c"], MINE: ["b", "a"]}, Answer(more=True, given={ONE: ["a", "b"]})),
    Case("exactly as many as there are", {**jobs("a", "b"), "all:jobs": ["b", "a"]}, want(2),
         {**jobs("a", "b"), MINE: ["b", "a"]}, Answer(given={ONE: ["a", "b"]})),
    Case("after those in hand, which stay the oldest", {**jobs("a", "b"), MINE: ["a"], "all:jobs": ["b"]}, want(1),
         {**jobs("a", "b"), MINE: ["b", "a"]}, Answer(given={ONE: ["b"]})),
    Case("the manager's list first, and it is written down",
         {**jobs("a", "b", "c"), "all:jobs": ["a"], "web:jobs": ["c", "b"]}, want(5),
         {**jobs("a"), **jobs("b", "c", **WEB), MINE: ["a", "c", "b"]}, Answer(given={ONE: ["b", "c", "a"]})),
    Case("the manager's list is enough",
         {**jobs("a", "b"), "all:jobs": ["a"], "web:jobs": ["b"]}, want(1),
         {**jobs("a"), **jobs("b", **WEB), "all:jobs": ["a"], MINE: ["b"]}, Answer(more=True, given={ONE: ["b"]})),
    Case("more is said of the manager's list too", {**jobs("a", "b"), "web:jobs": ["b", "a"]}, want(1),
         {**jobs("a", **WEB), **jobs("b"), "web:jobs": ["b"], MINE: ["a"]}, Answer(more=True, given={ONE: ["a"]})),
    Case("a queue written down before stays",
         {**jobs("a", **{"qw:queue": "other:jobs"}), "web:jobs": ["a"]}, want(1),
         {**jobs("a", **{"qw:queue": "other:jobs"}), MINE: ["a"]}, Answer(given={ONE: ["a"]})),
    Case("one to each in turn", {**jobs(*"abcdefg"), "all:jobs": list("gfedcba")}, want(2, 2, 2),
         {**jobs(*"abcdefg"), "all:jobs": ["g"], MINE: ["d", "a"], HIS: ["e", "b"], THEIRS: ["f", "c"]},
         Answer(more=True, given={ONE: ["a", "d"], TWO: ["b", "e"], THREE: ["c", "f"]})),
    Case("the turn goes on from one queue to the next",
         {**jobs(*"abc"), "all:jobs": ["c", "b"], "web:jobs": ["a"]}, want(1, 1, 1),
         {**jobs("b", "c"), **jobs("a", **WEB), MINE: ["a"], HIS: ["b"], THEIRS: ["c"]},
         Answer(given={ONE: ["a"], TWO: ["b"], THREE: ["c"]})),
    Case("who has room gets the rest", {**jobs(*"abcdef"), "all:jobs": list("fedcba")}, want(1, 3, 1),
         {**jobs(*"abcdef"), "all:jobs": ["f"], MINE: ["a"], HIS: ["e", "d", "b"], THEIRS: ["c"]},
         Answer(more=True, given={ONE: ["a"], TWO: ["b", "d", "e"], THREE: ["c"]})),
    Case("who has none is passed over, and nobody else", {**jobs(*"abcde"), "all:jobs": list("edcba")}, want(1, 2, 2),
         {**jobs(*"abcde"), MINE: ["a"], HIS: ["d", "b"], THEIRS: ["e", "c"]},
         Answer(given={ONE: ["a"], TWO: ["b", "d"], THREE: ["c", "e"]})),
    Case("an id without a hash is dropped, and the next one dealt",
         {**jobs("b"), "all:jobs": ["b", "a"]}, want(2), {**jobs("b"), MINE: ["b"], **DROPPED_1},
         Answer(dropped=(gone("a"),), given={ONE: ["b"]})),
    Case("only ids without a hash", {"all:jobs": ["b"], "web:jobs": ["a"]}, want(2, 2),
         {"all:stats": {"dropped": "2"}}, Answer(dropped=(gone("a"), gone("b")))),
    Case("what is no hash is buried", {"job:a": "text", **jobs("b"), "all:jobs": ["b", "a"]}, want(2),
         {"job:a": "text", **jobs("b"), "all:dead": {"a": NOW}, MINE: ["b"], **BURIED_1},
         Answer(dropped=(("a", "buried: job:a is not a hash"),), given={ONE: ["b"]})),
    Case("what is no hash in the manager's list", {"job:a": ["text"], "web:jobs": ["a"]}, want(1),
         {"job:a": ["text"], "all:dead": {"a": NOW}, **BURIED_1},
         Answer(dropped=(("a", "buried: job:a is not a hash"),))),
    Case("released in the same call, taken again", {**jobs("a"), MINE: ["a"]},
         Plan(release=[(ONE, ["a"])], want=[(TWO, 1)]),
         {**jobs("a"), HIS: ["a"], "all:stats": {"released": "1"}}, Answer(given={TWO: ["a"]})),
]  # fmt: skip

ADOPTED = [
    Case("an empty list", {}, adopt(), {}),
    Case("another's list is not looked at", {**jobs("a"), HIS: ["a"]}, adopt(), {**jobs("a"), HIS: ["a"]}),
    Case("all in hand", {**jobs("a", "b"), MINE: ["b", "a"]}, adopt("a", "b"), {**jobs("a", "b"), MINE: ["b", "a"]}),
    Case("those not in hand, the oldest first", {**jobs(*"abcd"), MINE: list("dcba")}, adopt("a", "c"),
         {**jobs("a", "c"), **jobs("b", "d", **WEB), MINE: list("dcba")}, Answer(given={ONE: ["b", "d"]})),
    Case("knocked from all:jobs: it needs no queue", {**jobs("a"), MINE: ["a"]}, adopt(knocked={"a": ""}),
         {**jobs("a"), MINE: ["a"]}, Answer(given={ONE: ["a"]})),
    Case("knocked from the manager's list", {**jobs("a"), MINE: ["a"]}, adopt(knocked={"a": "web:jobs"}, others=""),
         {**jobs("a", **WEB), MINE: ["a"]}, Answer(given={ONE: ["a"]})),
    Case("knocked and others, each with its own queue", {**jobs("a", "b"), MINE: ["b", "a"]},
         adopt(knocked={"b": ""}), {**jobs("a", **WEB), **jobs("b"), MINE: ["b", "a"]},
         Answer(given={ONE: ["a", "b"]})),
    Case("others without a queue", {**jobs("a"), MINE: ["a"]}, adopt(others=""), {**jobs("a"), MINE: ["a"]},
         Answer(given={ONE: ["a"]})),
    Case("without others, only what knocked", {**jobs("a", "b", "c"), MINE: ["c", "b", "a"]},
         adopt(knocked={"b": ""}, others=None), {**jobs("a", "b", "c"), MINE: ["c", "b", "a"]},
         Answer(given={ONE: ["b"]})),
    Case("without others, nothing", {**jobs("a"), MINE: ["a", "b"]}, adopt(others=None),
         {**jobs("a"), MINE: ["a", "b"]}),
    Case("a queue written down before stays", {**jobs("a", **{"qw:queue": "x:jobs"}), MINE: ["a"]},
         adopt(knocked={"a": "web:jobs"}), {**jobs("a", **{"qw:queue": "x:jobs"}), MINE: ["a"]},
         Answer(given={ONE: ["a"]})),
    Case("an id that is there twice is given once", {**jobs("a"), MINE: ["a", "a"]}, adopt(others=""),
         {**jobs("a"), MINE: ["a", "a"]}, Answer(given={ONE: ["a"]})),
    Case("knocked, but gone from the list", jobs("a"), adopt(knocked={"a": ""}), jobs("a")),
    Case("an id without a hash is dropped", {**jobs("b"), MINE: ["b", "a"]}, adopt(others=""),
         {**jobs("b"), MINE: ["b"], **DROPPED_1}, Answer(dropped=(gone("a"),), given={ONE: ["b"]})),
    Case("what is no hash is buried", {"job:a": "text", MINE: ["a"]}, adopt(),
         {"job:a": "text", "all:dead": {"a": NOW}, **BURIED_1},
         Answer(dropped=(("a", "buried: job:a is not a hash"),))),
    Case("what is found counts against the room", {**jobs("a", "b", "c"), MINE: ["a"], "all:jobs": ["c", "b"]},
         adopt(others="", room=2), {**jobs("a", "b", "c"), MINE: ["b", "a"], "all:jobs": ["c"]},
         Answer(more=True, given={ONE: ["a", "b"]})),
    Case("more found than there is room for", {**jobs("a", "b", "c"), MINE: ["b", "a"], "all:jobs": ["c"]},
         adopt(others="", room=1), {**jobs("a", "b", "c"), MINE: ["b", "a"], "all:jobs": ["c"]},
         Answer(more=True, given={ONE: ["a", "b"]})),
    Case("done in the same call, it is not found again", {**jobs("a", "b"), MINE: ["b", "a"]},
         Plan(done=[(ONE, ["a"])], adopt=[Adopt(ONE, [], {}, "")]),
         {**jobs("b"), MINE: ["b"], "all:stats": {"finished": "1"}}, Answer(given={ONE: ["b"]})),
    Case("two lists", {**jobs("a", "b"), MINE: ["a"], HIS: ["b"]},
         Plan(adopt=[Adopt(ONE, [], {}, ""), Adopt(TWO, [], {}, "")]), {**jobs("a", "b"), MINE: ["a"], HIS: ["b"]},
         Answer(given={ONE: ["a"], TWO: ["b"]})),
]  # fmt: skip


@pytest.mark.parametrize("namespace", [None, "orders"])
@pytest.mark.parametrize("case", [*DEALT, *ADOPTED], ids=str)
def test_fetching(case: Case, namespace: str | None, plain: redis.Redis) -> None:
    """The whole key space is as the row says, the reply too; each line is the hash that is there."""
    seed(plain, under(namespace, {**ALIVE, **case.before}))
    reply = exchange(plain, case.plan, namespace)

    assert found(plain, reply.now) == under(namespace, {**ALIVE, **case.after})
    assert Answer.of(reply) == case.answer


@pytest.mark.parametrize("case", ADOPTED, ids=str)
def test_what_was_found_is_found_again_until_it_is_in_hand(case: Case, plain: redis.Redis) -> None:
    """A look whose reply is lost is repeated and finds the same; with all that in hand, it finds nothing."""
    seed(plain, {**ALIVE, **case.before})
    looks = Plan(adopt=case.plan.adopt)
    first, second = exchange(plain, looks), exchange(plain, looks)
    in_hand = {look.worker: [*look.in_hand, *Answer.of(second).given.get(look.worker, [])] for look in looks.adopt}
    before = snapshot(plain)
    third = exchange(
        plain, Plan(adopt=[Adopt(look.worker, in_hand[look.worker], {}, look.others) for look in looks.adopt])
    )

    assert Answer.of(second).given == Answer.of(first).given
    assert Answer.of(third) == Answer()
    assert snapshot(plain) == before


def test_a_second_fetch_gets_other_jobs(plain: redis.Redis) -> None:
    """No job is dealt twice: what was fetched is the claim of the worker it went to."""
    seed(plain, {**ALIVE, **jobs(*"abcd"), "all:jobs": list("dcba")})
    replies = [Answer.of(exchange(plain, want(1, 1))) for _ in range(3)]

    assert [reply.given for reply in replies] == [{ONE: ["a"], TWO: ["b"]}, {ONE: ["c"], TWO: ["d"]}, {}]
    assert snapshot(plain) == {**ALIVE, **jobs(*"abcd"), MINE: ["c", "a"], HIS: ["d", "b"]}


def sized(count: int, size: int) -> dict[str, Value]:
    """Return `count` jobs whose lines are somewhat over `size` bytes each, all in all:jobs."""
    ids = [f"j{n:04}" for n in range(count)]
    return {**jobs(*ids, text="x" * size), "all:jobs": ids[::-1]}


def counts(client: redis.Redis, plan: Plan) -> tuple[dict[str, int], bool]:
    """Return how many jobs each worker gets, and whether more are there."""
    reply = exchange(client, plan)
    return {batch.worker: len(batch.ids) for batch in reply.batches}, reply.more


def test_a_call_hands_out_a_thousand_jobs_at_most(plain: redis.Redis) -> None:
    """However much room there is, a call is bounded, and what it holds is shared out."""
    seed(plain, {**ALIVE, **sized(1010, 1)})

    assert counts(plain, want(700, 700)) == ({ONE: 500, TWO: 500}, True)
    assert counts(plain, want(700, 700)) == ({ONE: 5, TWO: 5}, False)


def test_a_look_finds_a_thousand_jobs_at_most(plain: redis.Redis) -> None:
    """A long list of one's own comes in pieces, and leaves no room for others meanwhile."""
    seed(plain, {**ALIVE, **jobs("z"), **sized(1010, 1), "all:jobs": ["z"], MINE: [f"j{n:04}" for n in range(1010)]})

    assert counts(plain, adopt(room=2000)) == ({ONE: 1000}, True)
    assert counts(plain, adopt(*(f"j{n:04}" for n in range(10, 1010)), room=2000)) == ({ONE: 11}, False)


def test_a_worker_gets_256_kib_at_most(plain: redis.Redis) -> None:
    """Large jobs come in smaller batches, however many there is room for."""
    seed(plain, {**ALIVE, **sized(12, 60_000)})

    assert counts(plain, want(10, 10)) == ({ONE: 4, TWO: 4}, True)


def test_a_call_hands_out_about_a_mib(plain: redis.Redis) -> None:
    """The bound of a call is passed by one job at most."""
    seed(plain, {**ALIVE, **sized(40, 60_000)})
    workers = tuple(f"web.s1.{n}" for n in range(8))
    reply = run(plain, scripts(workers=workers).exchange(Plan(want=[(worker, 4) for worker in workers])))

    assert sum(len(batch.ids) for batch in reply.batches) == 18
    assert reply.more


@pytest.mark.parametrize("size", [300_000, 3_000_000])
def test_a_larger_job_goes_alone(plain: redis.Redis, size: int) -> None:
    """A job over the bound of a worker, and of a call, is fetched all the same: without company."""
    small = jobs("a", "c")
    seed(plain, {**ALIVE, **small, **jobs("b", text="x" * size), "all:jobs": ["c", "b", "a"]})
    given = [Answer.of(exchange(plain, want(5))).given for _ in range(3)]

    assert given == [{ONE: ["a"]}, {ONE: ["b"]}, {ONE: ["c"]}]


def test_lines_are_what_slots_read(plain: redis.Redis) -> None:
    """A line holds the fields as they are in the hash, qw's own among them, and ends with the id."""
    seed(plain, {**ALIVE, **jobs("a", **{"qw:type": "T", "": "empty", "b": ""}), "web:jobs": ["a"]})
    reply = exchange(plain, want(1))

    assert read_batch(reply.batches[0]) == [("a", {"n": "a", "qw:type": "T", "": "empty", "b": "", **WEB})]
    assert list(reply.batches[0].ids) == ["a"]
