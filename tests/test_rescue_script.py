"""`rescue`: whom it strikes off, what it moves where, and when it forgets; the whole key space is compared."""

from __future__ import annotations

from typing import Final

import attrs
import pytest
import redis

from qw.keys import Keys
from qw.scripts import DispatcherScripts, Rescued
from tests.support.keyspace import Value, snapshot, text
from tests.support.scripts import Space, run, seed, under

#: The dead start, its two workers; and who asks.
DEAD: Final = "web.s1"
ONE: Final = "web.s1.0:jobs"
TWO: Final = "web.s1.1:jobs"
ME: Final[Space] = {"all:beats": {"mail.me": "3"}, "all:managers": {"mail"}}


def there(beat: str) -> Space:
    """Return the key space with both starts, and one of the dead one's name that lives."""
    return {
        "all:beats": {"mail.me": "3", DEAD: beat, "web.s10": "5"},
        "all:managers": {"mail", "web"},
        "web:workers": {"web.s1.0", "web.s1.1", "web.s10.0", "web.77"},
    }


def jobs(*ids: str, **fields: str) -> Space:
    """Return the hashes of jobs."""
    return {f"job:{job_id}": {"a": "b", **{k.replace("qw_", "qw:"): v for k, v in fields.items()}} for job_id in ids}


def rescue(
    plain: redis.Redis, seen: str = "7", *, forget: bool = False, namespace: str | None = None
) -> tuple[Rescued, dict[str, Value]]:
    """Have `mail.me` rescue; return the answer, and the key space with the time of the mark taken out."""
    scripts = DispatcherScripts(Keys(namespace), "mail", "me", ["mail.me.0"])
    reply = run(plain, scripts.rescue(DEAD, seen, forget=forget))
    space = snapshot(plain)
    beats = space.get(Keys(namespace).all_beats.decode(), {})
    if isinstance(beats, dict) and str(beats.get(DEAD)).startswith("struck "):
        assert reply.mark == beats[DEAD]
        space[Keys(namespace).all_beats.decode()] = {**{k: str(v) for k, v in beats.items()}, DEAD: "struck"}
    return attrs.evolve(reply, mark=""), space


MOVED: Final[Space] = {
    **there("struck"),
    **jobs("a", "b", "d", qw_rescues="1"),
    **jobs("c", qw_rescues="1", qw_queue="web:jobs"),
    **jobs("z"),
    "all:jobs": ["z", "b", "a", "d"],
    "web:jobs": ["c"],
    "all:stats": {"rescued": "4"},
}
HELD: Final[Space] = {
    **there("7"),
    **jobs("a", "b", "d", "z"),
    **jobs("c", qw_queue="web:jobs"),
    ONE: ["c", "b", "a"],
    TWO: ["d"],
    "all:jobs": ["z"],
}


@pytest.mark.parametrize("namespace", [None, "orders"])
def test_moves_all_to_the_taking_end(namespace: str | None, plain: redis.Redis) -> None:
    """Every job of every worker goes where it came from, in the order it was taken, and counts the rescue."""
    seed(plain, under(namespace, HELD))
    reply, space = rescue(plain, namespace=namespace)

    assert reply == Rescued("ok", 4, 0, more=False, mark="")
    queue = Keys(namespace).all_jobs.decode()
    found = space[queue]
    # Which worker comes first is not said; within one the order is kept.
    assert isinstance(found, list)
    assert (found[0], sorted(found), found.index("b") < found.index("a")) == ("z", ["a", "b", "d", "z"], True)
    space[queue] = MOVED["all:jobs"]
    assert space == under(namespace, MOVED)


@pytest.mark.parametrize("seen", ["6", "8", "7 1", "struck 7"])
def test_one_that_shows_something_else_is_left_alone(seen: str, plain: redis.Redis) -> None:
    """It has beaten since, or somebody else was faster."""
    seed(plain, HELD)

    assert rescue(plain, seen) == (Rescued("alive", 0, 0, more=False, mark=""), HELD)


def test_one_that_is_not_there_is_left_alone(plain: redis.Redis) -> None:
    """Whatever was seen: it has left."""
    seed(plain, ME)

    for seen in ("7", ""):
        assert rescue(plain, seen) == (Rescued("alive", 0, 0, more=False, mark=""), ME)


def test_one_whose_process_is_gone_may_show_anything(plain: redis.Redis) -> None:
    """Whoever knows that need not know its last beat."""
    seed(plain, {**there("8 12"), **jobs("a"), ONE: ["a"]})

    assert rescue(plain, "")[0].rescued == 1


def test_who_is_struck_off_rescues_nobody(plain: redis.Redis) -> None:
    """It may be the one that is wrong about who is alive."""
    before = {**HELD, "all:beats": {"mail.me": "struck 1", DEAD: "7"}}
    seed(plain, before)
    reply = run(plain, DispatcherScripts(Keys(), "mail", "me", []).rescue(DEAD, "7", forget=True))

    assert (reply.status, snapshot(plain)) == ("struck", before)


def test_the_second_sweep_finds_what_came_later(plain: redis.Redis) -> None:
    """A process that woke up may have claimed a job since: it is moved as well, and the mark stays."""
    seed(plain, {**there("struck 1"), **jobs("a"), TWO: ["a"]})
    reply, space = rescue(plain, "struck 1")

    assert reply == Rescued("ok", 1, 0, more=False, mark="")
    assert space == {
        **there("struck"), **jobs("a", qw_rescues="1"), "all:jobs": ["a"], "all:stats": {"rescued": "1"}
    }  # fmt: skip


def test_forgets_at_last(plain: redis.Redis) -> None:
    """The start and its workers are gone then; another start of that name stays, and so does a worker of qw 0.1.1."""
    seed(plain, there("struck 1"))
    after = {**there(""), "all:beats": {"mail.me": "3", "web.s10": "5"}, "web:workers": {"web.s10.0", "web.77"}}

    assert rescue(plain, "struck 1", forget=True)[1] == after
    assert rescue(plain, "struck 1", forget=True) == (Rescued("alive", 0, 0, more=False, mark=""), after)


def test_the_last_start_takes_the_manager_along(plain: redis.Redis) -> None:
    """Nothing is left of it."""
    beats = {"mail.me": "3", DEAD: "struck 1"}
    seed(plain, {"all:beats": beats, "all:managers": {"mail", "web"}, "web:workers": {"web.s1.0"}})

    assert rescue(plain, "struck 1", forget=True)[1] == ME


@pytest.mark.parametrize("workers", [{}, {"web:workers": {"web.s10.0"}}, {"web:workers": "text"}], ids=repr)
def test_workers_that_nobody_lists_are_found(workers: Space, plain: redis.Redis) -> None:
    """Somebody has deleted their set: whatever is in a list that a worker of the start may have had is moved."""
    beats = {"mail.me": "3", DEAD: "7", "web.s10": "5"}
    others = {**jobs("x", "y"), "web.s10.0:jobs": ["x"], "web.s1.1024:jobs": ["y"]}
    before = {"all:beats": beats, **workers, **others}
    seed(plain, {**before, **jobs("a", "b", "c"), ONE: ["b", "a"], "web.s1.1023:jobs": ["c"]})
    reply, space = rescue(plain)

    assert reply == Rescued("ok", 3, 0, more=False, mark="")
    assert space == {
        **before, "all:beats": {**beats, DEAD: "struck"}, **jobs("a", "b", "c", qw_rescues="1"),
        "all:jobs": ["b", "a", "c"], "all:stats": {"rescued": "3"},
    }  # fmt: skip


def test_workers_that_nobody_lists_keep_their_start_known(plain: redis.Redis) -> None:
    """As long as one of their lists is not empty it is not forgotten; then it is."""
    beats = {"mail.me": "3", DEAD: "struck 1"}
    seed(plain, {"all:beats": beats, **jobs("a"), "web.s1.7:jobs": ["a"], "all:jobs": "text"})
    assert rescue(plain, "struck 1", forget=True)[1]["web.s1.7:jobs"] == ["a"]
    assert DEAD.encode() in plain.hgetall("all:beats")

    plain.delete("all:jobs")
    assert rescue(plain, "struck 1", forget=True)[1]["all:jobs"] == ["a"]
    assert plain.hkeys("all:beats") == [b"mail.me"]


def test_names_are_tried_only_where_none_is_listed_and_below_a_manager(plain: redis.Redis) -> None:
    """One listed worker stands for all; of what is no start of a manager, other programs' workers have such names."""
    seed(plain, {**there("7"), **jobs("a"), "web.s1.5:jobs": ["a"]})
    assert rescue(plain)[0].rescued == 0

    plain.hset("all:beats", "web", "7")
    plain.lpush("web.77:jobs", "b")
    reply = run(plain, DispatcherScripts(Keys(), "mail", "me", ["mail.me.0"]).rescue("web", "7", forget=False))
    assert (reply.status, reply.rescued) == ("ok", 0)


def test_the_fifth_rescue_buries(plain: redis.Redis) -> None:
    """With the reason, for whoever waits as well."""
    seed(plain, {**there("7"), **jobs("a", qw_rescues="4"), ONE: ["a"]})
    reply, space = rescue(plain)
    job = space["job:a"]
    assert isinstance(job, dict)

    assert reply == Rescued("ok", 0, 1, more=False, mark="")
    assert (job["qw:rescues"], job["qw:error"]) == ("5", "it was in the hands of 5 managers that died")
    assert job["qw:worker"] == ONE.removesuffix(":jobs")
    assert (space["all:stats"], ONE in space, "result:a" in space) == ({"buried": "1"}, False, True)
    assert plain.zscore("all:dead", "a") == float(job["qw:dead_at"])


def test_a_thousand_at_a_time(plain: redis.Redis) -> None:
    """More than that takes more calls, which begin where the last one ended; then it may be forgotten."""
    ids = [f"j{n}" for n in range(1500)]
    seed(plain, {**there("7"), **jobs(*ids), ONE: ids})

    first, _ = rescue(plain)
    mark = text(plain.hget("all:beats", DEAD))
    second, space = rescue(plain, mark, forget=True)

    assert (first.rescued, first.more, second.rescued, second.more) == (1000, True, 500, False)
    assert space["all:jobs"] == ids
    assert DEAD not in plain.hgetall("all:beats")


def test_bad_data_stays_in_one_place(plain: redis.Redis) -> None:
    """An id without a hash, hashes and lists that are none, a count that is none: nothing is lost or stops the rest."""
    seed(plain, {**there("7"), **jobs("a", qw_rescues="many"), "job:b": "text", ONE: ["a", "b", "c"], TWO: "text"})
    reply, space = rescue(plain, forget=False)

    assert (reply.status, reply.rescued) == ("ok", 3)
    assert (space["all:jobs"], space["job:b"], space[TWO]) == (["a", "b", "c"], "text", "text")


def test_what_cannot_go_where_it_belongs_stays(plain: redis.Redis) -> None:
    """While a queue is another program's key, its jobs stay, and the start is not forgotten."""
    before = {**there("struck 1"), **jobs("a"), ONE: ["a"], "all:jobs": "text"}
    seed(plain, before)
    _, space = rescue(plain, "struck 1", forget=True)

    assert (space[ONE], space["all:jobs"]) == (["a"], "text")
    assert DEAD.encode() in plain.hgetall("all:beats")
