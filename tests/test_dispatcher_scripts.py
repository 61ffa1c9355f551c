"""`register`, `beat` and `leave`: how a start of a manager comes, stays and goes; and whom `exchange` serves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import attrs
import pytest
import redis

from qw.scripts import Adopt, Beaten, Content, Plan
from tests.support.keyspace import snapshot
from tests.support.scripts import (
    ALIVE,
    ONE,
    THREE,
    TWO,
    WORKERS,
    Answer,
    Space,
    exchange,
    found,
    jobs,
    now_ms,
    run,
    scripts,
    seed,
    under,
)

MINE: Final = f"{ONE}:jobs"
HIS: Final = f"{TWO}:jobs"
STRUCK: Final[Space] = {"all:beats": {"web.s1": "struck 7"}}
#: Another start of the same manager, a worker of 0.1.1, and another manager: nobody's business.
NEIGHBOURS: Final[Space] = {
    "all:beats": {"web.s0": "3", "mail.x": "9"},
    "all:managers": {"web", "mail"},
    "web:workers": {"web.s0.1", "web.4711"},
    "mail:workers": {"mail.x.1"},
}
#: What `register` writes into an empty database.
HERE: Final[Space] = {"all:beats": {"web.s1": "1"}, "all:managers": {"web"}, "web:workers": set(WORKERS)}
WEB: Final = {"qw:queue": "web:jobs"}


def among(beats: str, *, listed: bool = False) -> Space:
    """Return the key space of the neighbours, with a beat of this start and, if it is listed, its workers."""
    workers = {"web.s0.1", "web.4711", *(WORKERS if listed else ())}
    return {**NEIGHBOURS, "all:beats": {"web.s0": "3", "mail.x": "9", "web.s1": beats}, "web:workers": workers}


def shows(beat: str) -> Space:
    """Return the key space of this start alone, with such a beat."""
    return {**HERE, "all:beats": {"web.s1": beat}}


@attrs.frozen
class Row:
    """A key space, what it becomes by a call, and what the call returns."""

    claim: str
    before: Space
    after: Space
    returns: object = "ok"

    def __str__(self) -> str:
        return self.claim


REGISTER = [
    Row("into nothing", {}, HERE),
    Row("beside others", NEIGHBOURS, among("1", listed=True)),
    Row("once more: only the counter goes on", HERE, shows("2")),
    Row("once more: the number of the last load stays", shows("7 12"), shows("8 12")),
    Row("after its workers were taken off the list", among("7 12"), among("8 12", listed=True)),
    Row("after the beats were lost", {"all:managers": {"web"}, "web:workers": set(WORKERS)}, HERE),
    Row("after all but the beats was lost", ALIVE, shows("8")),
    Row("one that was struck off stays off", STRUCK, STRUCK, "struck"),
]

BEAT = [
    Row("nobody knows it: it is not brought back", {}, {}, ("missing", [])),
    Row("only others are known", NEIGHBOURS, NEIGHBOURS, ("missing", [])),
    Row("alive: the counter goes on, all lists are empty", HERE, shows("2"), ("ok", [0, 0, 0])),
    Row("the number of the last load stays", shows("7 12"), shows("8 12"), ("ok", [0, 0, 0])),
    Row("beside others", among("7", listed=True), among("8", listed=True), ("ok", [0, 0, 0])),
    Row("it says how long the lists are", {**HERE, MINE: ["b", "a"], f"{THREE}:jobs": ["c"]},
        {**shows("2"), MINE: ["b", "a"], f"{THREE}:jobs": ["c"]}, ("ok", [2, 0, 1])),
    Row("what is no list is empty", {**HERE, MINE: "text", HIS: ["a"]},
        {**shows("2"), MINE: "text", HIS: ["a"]}, ("ok", [0, 1, 0])),
    Row("its workers are not listed", among("7"), among("7"), ("missing", [])),
    Row("one of them is not", {**HERE, "web:workers": {ONE, THREE}}, {**HERE, "web:workers": {ONE, THREE}},
        ("missing", [])),
    Row("the set of workers is gone", {**ALIVE, "all:managers": {"web"}}, {**ALIVE, "all:managers": {"web"}},
        ("missing", [])),
    Row("its manager is not listed", {**HERE, "all:managers": {"mail"}}, {**HERE, "all:managers": {"mail"}},
        ("missing", [])),
    Row("keys of other types are no lack", {**ALIVE, "all:managers": "text", "web:workers": "text"},
        {**shows("8"), "all:managers": "text", "web:workers": "text"}, ("ok", [0, 0, 0])),
    Row("one that was struck off stays off", {**STRUCK, MINE: ["a"]}, {**STRUCK, MINE: ["a"]}, ("struck", [])),
]  # fmt: skip

LEAVE = [
    Row("nothing is there", {}, {}, 0),
    Row("the only one takes all with it", HERE, {}, 0),
    Row("others stay", among("7", listed=True), NEIGHBOURS, 0),
    Row("others' jobs stay", {**NEIGHBOURS, **jobs("a"), "web.s0.1:jobs": ["a"]},
        {**NEIGHBOURS, **jobs("a"), "web.s0.1:jobs": ["a"]}, 0),
    Row("jobs go to the taking end, in their order", {**HERE, **jobs(*"abcz"), MINE: list("cba"), "all:jobs": ["z"]},
        {**jobs(*"abcz"), "all:jobs": ["z", "c", "b", "a"], "all:stats": {"released": "3"}}, 3),
    Row("jobs go where they came from",
        {**HERE, **jobs("a", "c", **WEB), **jobs("b"), MINE: ["c", "b", "a"], "web:jobs": ["z"]},
        {**jobs("a", "c", **WEB), **jobs("b"), "all:jobs": ["b"], "web:jobs": ["z", "c", "a"],
         "all:stats": {"released": "3"}}, 3),
    Row("of all workers", {**HERE, **jobs("a", "b"), MINE: ["a"], HIS: ["b"]},
        {**jobs("a", "b"), "all:jobs": ["a", "b"], "all:stats": {"released": "2"}}, 2),
    Row("an id that is there twice", {**HERE, **jobs("a"), MINE: ["a", "a"]},
        {**jobs("a"), "all:jobs": ["a", "a"], "all:stats": {"released": "2"}}, 2),
    Row("an id without a hash", {**HERE, MINE: ["a"]}, {"all:jobs": ["a"], "all:stats": {"released": "1"}}, 1),
    Row("without a beat, jobs are given back all the same", {**jobs("a"), MINE: ["a"]},
        {**jobs("a"), "all:jobs": ["a"], "all:stats": {"released": "1"}}, 1),
    Row("what is no list stays", {**HERE, MINE: "text"}, {MINE: "text"}, 0),
    Row("one that was struck off touches nothing", {**HERE, **STRUCK, **jobs("a"), MINE: ["a"]},
        {**HERE, **STRUCK, **jobs("a"), MINE: ["a"]}, -1),
]  # fmt: skip


@pytest.mark.parametrize("namespace", [None, "orders"])
@pytest.mark.parametrize("row", REGISTER, ids=str)
def test_register(row: Row, namespace: str | None, plain: redis.Redis) -> None:
    """A start, its workers and its first beat are there at once; one that was struck off is not."""
    seed(plain, under(namespace, row.before))

    assert run(plain, scripts(namespace).register()) == row.returns
    assert snapshot(plain) == under(namespace, row.after)


@pytest.mark.parametrize("namespace", [None, "orders"])
@pytest.mark.parametrize("row", BEAT, ids=str)
def test_beat(row: Row, namespace: str | None, plain: redis.Redis) -> None:
    """
    A beat raises the counter of a start that is known, brings back no other, and tells what all of them show.

    To one that is known, but not listed, it says so, and registering lists it again.
    """
    seed(plain, under(namespace, row.before))
    reply = run(plain, scripts(namespace).beat())

    assert (reply.status, reply.lengths) == row.returns
    assert reply.beats == (row.after["all:beats"] if reply.status == "ok" else {})
    assert snapshot(plain) == under(namespace, row.after)


@pytest.mark.parametrize("namespace", [None, "orders"])
@pytest.mark.parametrize(
    ("score", "waits"),
    [
        pytest.param(None, math.inf, id="none"),
        pytest.param(-5.0, 0.0, id="due already"),
        pytest.param(60.0, 60.0, id="in a minute"),
        pytest.param(math.inf, 1e9, id="never"),
    ],
)
def test_beat_tells_when_a_job_is_due(
    score: float | None, waits: float, namespace: str | None, plain: redis.Redis
) -> None:
    """In how many seconds, as `due` does; nothing is moved, and of several the first counts."""
    seed(plain, under(namespace, HERE))
    if score is not None:
        first = now_ms(plain) + 1000 * score
        seed(plain, under(namespace, {"all:scheduled": {"later": first + 90_000, "first": first}}))
    before = snapshot(plain)
    said = run(plain, scripts(namespace).beat()).wait

    assert said == pytest.approx(waits, abs=5.0)
    assert (said == 0.0) == (waits == 0.0)
    assert {**snapshot(plain), **under(namespace, HERE)} == {**before, **under(namespace, HERE)}


def test_beat_leaves_it_to_due_to_tell_what_is_wrong(plain: redis.Redis) -> None:
    """Where `all:scheduled` is no sorted set, it says that something is due: `due` is refused, and that is told."""
    seed(plain, {**HERE, "all:scheduled": "text"})

    assert run(plain, scripts().beat()).wait == 0.0


@pytest.mark.parametrize("namespace", [None, "orders"])
@pytest.mark.parametrize("row", LEAVE, ids=str)
def test_leave(row: Row, namespace: str | None, plain: redis.Redis) -> None:
    """Nothing of the start stays, everything of others does, and no job is lost."""
    seed(plain, under(namespace, row.before))

    assert run(plain, scripts(namespace).leave()) == row.returns
    assert snapshot(plain) == under(namespace, row.after)


@pytest.mark.parametrize("row", LEAVE, ids=str)
def test_leaving_again_changes_nothing(row: Row, plain: redis.Redis) -> None:
    """The second call finds nothing to give back."""
    seed(plain, row.after)

    assert run(plain, scripts().leave()) == min(0, int(str(row.returns)))
    assert snapshot(plain) == row.after


def test_beats_go_on(plain: redis.Redis) -> None:
    """Each call raises the counter by one: that is what others look at."""
    run(plain, scripts().register())
    for _ in range(3):
        run(plain, scripts().beat())

    assert snapshot(plain) == {**HERE, "all:beats": {"web.s1": "4"}}


PLANS = {
    "done": Plan(done=[(ONE, ["a"])]),
    "result": Plan(contents=[Content("result", ONE, "a", 60.0, "1")]),
    "bury": Plan(contents=[Content("bury", ONE, "a", 60.0, "1")]),
    "crash": Plan(contents=[Content("crash", ONE, "a", 60.0, "1")]),
    "release": Plan(release=[(ONE, ["a"])]),
    "adopt": Plan(adopt=[Adopt(ONE, [], {}, "web:jobs")]),
    "want": Plan(want=[(ONE, 1)]),
}


@pytest.mark.parametrize("what", PLANS)
def test_exchange_does_nothing_for_one_that_was_struck_off(what: str, plain: redis.Redis) -> None:
    """What it holds is another's to sweep: no outcome counts, and nothing is handed out."""
    before = {**STRUCK, **jobs("a", "b"), MINE: ["a"], "all:jobs": ["b"]}
    seed(plain, before)
    reply = exchange(plain, PLANS[what])

    assert Answer.of(reply) == Answer("struck")
    assert snapshot(plain) == before


@pytest.mark.parametrize("beats", [{}, {"all:beats": {"web.s0": "1"}}], ids=["no beats at all", "only another start"])
def test_exchange_works_for_one_that_is_missing(beats: Space, plain: redis.Redis) -> None:
    """After a FLUSHALL, say: jobs are finished and dealt, and the reply says that it must register."""
    seed(plain, {**beats, **jobs("a", "b"), MINE: ["a"], "all:jobs": ["b"]})
    reply = exchange(plain, Plan(done=[(ONE, ["a"])], want=[(ONE, 1)]))

    assert Answer.of(reply) == Answer("missing", given={ONE: ["b"]})
    assert found(plain, reply.now) == {**beats, **jobs("b"), MINE: ["b"], "all:stats": {"finished": "1"}}


def test_exchange_tells_the_time_of_redis(plain: redis.Redis) -> None:
    """The time in a reply is Redis's own, in ms."""

    def clock() -> int:
        seconds, microseconds = plain.time()
        return int(seconds) * 1000 + int(microseconds) // 1000

    before = clock()
    now = exchange(plain, Plan()).now

    assert before <= now <= clock()


@pytest.mark.parametrize("names", [("web.s1.é",), tuple(f"web.s1.{n}" for n in range(2000))], ids=len)
def test_any_number_of_workers(names: Sequence[str], plain: redis.Redis) -> None:
    """One worker with a name in another script, and thousands of workers, come and go alike."""
    made = scripts(workers=tuple(names))
    status = run(plain, made.register())

    assert (status, run(plain, made.beat())) == ("ok", Beaten("ok", {"web.s1": "2"}, [0] * len(names), math.inf))
    assert snapshot(plain).get("web:workers", set()) == set(names)
    assert (run(plain, made.leave()), snapshot(plain)) == (0, {})
