"""Each script of the client on a real Redis: seed a key space, call it, and compare all that is there afterwards."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import attrs
import pytest
import redis

from qw.errors import UnknownName
from qw.keys import Keys, to_bytes
from qw.scripts import Call, ClientScripts
from qw.scripts.client import Fetched, Knock, Place
from tests.support.keyspace import Value, snapshot
from tests.support.scripts import NOW, Space, jobs, now_ms, run, seed, under
from tests.support.server import MakeServer
from tests.support.wait import wait_until

#: Makes the call of one row, under any namespace.
Make: TypeAlias = Callable[[ClientScripts], Call[Any]]

#: A byte that is not UTF-8, as the client hands it out.
ODD = "\udcff"

OPEN = ("qw:queued_at", "")
OPEN_ELSEWHERE = ("qw:queue", "", *OPEN)


@attrs.frozen
class Row:
    """A key space, a call, what it returns, and the key space afterwards (None: as it was)."""

    claim: str
    before: Space
    make: Make
    answer: object
    after: Space | None = None
    #: Whether a second call is to return something else; without it, it returns the same and changes nothing.
    again: object = None


def words(job_id: str, *fields: str, to: tuple[str, ...] = OPEN) -> list[bytes]:
    """Return the words of one job as `queue` takes them."""
    return [to_bytes(word) for word in (job_id, str(len(fields) + len(to)), *fields, *to)]


def queued(*ids: str) -> dict[str, Value]:
    """Return the keys of jobs that a client of qw has queued."""
    return jobs(*ids, **{"qw:queued_at": "1"})


def timeless(space: Space) -> dict[str, Value]:
    """Return a key space with `NOW` for each time that a script has written."""
    return {key: _timeless(value) for key, value in space.items()}


def _timeless(value: Any) -> Value:
    if isinstance(value, dict) and "qw:queued_at" in value:
        return {**value, "qw:queued_at": "now"}
    if isinstance(value, dict):
        return {name: NOW if isinstance(item, float) else item for name, item in value.items()}
    same: Value = value
    return same


def fetched(
    *taken: str, dropped: tuple[str, ...] = (), buried: tuple[str, ...] = (), gone: tuple[str, ...] = ()
) -> Fetched:
    """Return what `fetch` is to answer for plain jobs made by `jobs`."""
    return Fetched([(job_id, {"n": job_id}) for job_id in taken], list(dropped), list(buried), list(gone))


QUEUE = [
    Row(
        "a job goes to the head of all:jobs, with the time",
        {"all:jobs": ["a"], **jobs("a")},
        lambda s: s.queue([*words("b", "x", "1"), *words("c")]),
        2,
        {
            "all:jobs": ["c", "b", "a"],
            **jobs("a"),
            "job:b": {"x": "1", "qw:queued_at": "now"},
            "job:c": {"qw:queued_at": "now"},
        },
        again=0,
    ),
    Row(
        "an id that is there is passed over, whatever its key holds, and so is the second of two",
        {"job:s": "a string", **jobs("a")},
        lambda s: s.queue([*words("a", "x", "1"), *words("s"), *words("b", "x", "1"), *words("b", "x", "2")]),
        1,
        {"job:s": "a string", **jobs("a"), "all:jobs": ["b"], "job:b": {"x": "1", "qw:queued_at": "now"}},
        again=0,
    ),
    Row("so is the only one", {"job:s": "a string"}, lambda s: s.queue(words("s", "x", "1")), 0, {"job:s": "a string"}),
    Row("no jobs: nothing is there afterwards", {}, lambda s: s.queue([]), 0),
    Row(
        "a manager need not be registered, and its list is noted",
        {},
        lambda s: s.queue(words("b", to=OPEN_ELSEWHERE), "web"),
        1,
        {"web:jobs": ["b"], "job:b": {"qw:queue": "web:jobs", "qw:queued_at": "now"}},
        again=0,
    ),
    Row(
        "a worker is found with any manager, whose list is noted",
        {"all:managers": {"api", "web"}, "api:workers": {"api.1"}, "web:workers": {"web.1"}},
        lambda s: s.queue(words("b", to=OPEN_ELSEWHERE), None, "web.1"),
        1,
        {
            "all:managers": {"api", "web"},
            "api:workers": {"api.1"},
            "web:workers": {"web.1"},
            "web.1:jobs": ["b"],
            "job:b": {"qw:queue": "web:jobs", "qw:queued_at": "now"},
        },
        again=0,
    ),
    Row(
        "bytes that are not UTF-8 stay what they are",
        {},
        lambda s: s.queue(words(f"i{ODD}", f"f{ODD}", f"v{ODD}")),
        1,
        {"all:jobs": [f"i{ODD}"], f"job:i{ODD}": {f"f{ODD}": f"v{ODD}", "qw:queued_at": "now"}},
        again=0,
    ),
]

FETCH = [
    Row("nothing there: nothing is written", {}, lambda s: s.fetch("web", "web.1", 3), fetched()),
    Row(
        "first the own list, then the manager's, then all:jobs; oldest first in each",
        {
            "web.1:jobs": ["b", "a"],
            "web:jobs": ["d", "c"],
            "all:jobs": ["f", "e"],
            **queued("a", "b", "e", "f"),
            **jobs("c", "d"),
        },
        lambda s: s.fetch("web", "web.1", 5),
        fetched("a", "b", "c", "d", "e"),
        {
            "web.1:jobs": ["e", "d", "c", "b", "a"],
            "all:jobs": ["f"],
            **queued("a", "b", "e", "f"),
            **jobs("c", "d", **{"qw:queue": "web:jobs"}),
        },
    ),
    Row(
        "what is in hand stays in hand, and what is not there any more is told",
        {"web.1:jobs": ["b", "a"], **jobs("a", "b", **{"qw:queue": "web:jobs"})},
        lambda s: s.fetch("web", "web.1", 2, ["a", "z"]),
        fetched("b", gone=("z",)),
    ),
    Row(
        "a foreign job that is found in the own list belongs to the manager; one that a knock brought, to where it was",
        {"web.1:jobs": ["c", "b", "a"], **jobs("a", "b", "c")},
        lambda s: s.fetch("web", "web.1", 3, (), [Knock("b", None), Knock("c", "web")]),
        fetched("a", "b", "c"),
        {"web.1:jobs": ["c", "b", "a"], **jobs("a", "c", **{"qw:queue": "web:jobs"}), **jobs("b")},
    ),
    Row(
        "ids without a hash are dropped and counted, keys that are no hash are buried, and the next job is found",
        {"web.1:jobs": ["w", "v"], "job:w": "a string", "all:jobs": ["a", "y", "x"], "job:y": ["l"], **queued("a")},
        lambda s: s.fetch("web", "web.1", 1),
        fetched("a", dropped=("v", "x"), buried=("w", "y")),
        {
            "web.1:jobs": ["a"],
            "job:w": "a string",
            "job:y": ["l"],
            **queued("a"),
            "all:dead": {"w": NOW, "y": NOW},
            "all:stats": {"dropped": "2", "buried": "2"},
        },
        again=fetched("a"),
    ),
    Row(
        "bytes that are not UTF-8 come as they are",
        {"all:jobs": [f"i{ODD}"], f"job:i{ODD}": {f"f{ODD}": f"v{ODD}", "qw:queued_at": "1"}},
        lambda s: s.fetch("web", "web.1", 1),
        Fetched([(f"i{ODD}", {f"f{ODD}": f"v{ODD}"})], [], [], []),
        {"web.1:jobs": [f"i{ODD}"], f"job:i{ODD}": {f"f{ODD}": f"v{ODD}", "qw:queued_at": "1"}},
    ),
]

FINISH = [
    Row("nothing there", {}, lambda s: s.finish("web.1", ["a"]), [-1]),
    Row(
        "a job leaves its list, its hash goes, and the list of another is not touched",
        {"web.1:jobs": ["c", "b", "a"], "web.2:jobs": ["d"], **jobs("a", "b", "c", "d")},
        lambda s: s.finish("web.1", ["a", "d", "c"]),
        [1, 0, 1],
        {"web.1:jobs": ["b"], "web.2:jobs": ["d"], **jobs("b", "d"), "all:stats": {"finished": "2"}},
        again=[-1, 0, -1],
    ),
    Row(
        "an id that was pushed twice leaves the list once for each finish",
        {"web.1:jobs": ["a", "a"], **jobs("a")},
        lambda s: s.finish("web.1", ["a"]),
        [1],
        {"web.1:jobs": ["a"], "all:stats": {"finished": "1"}},
        again=[1],
    ),
    Row(
        "bytes that are not UTF-8",
        {"web.1:jobs": [f"i{ODD}"], **jobs(f"i{ODD}")},
        lambda s: s.finish("web.1", [f"i{ODD}"]),
        [1],
        {"all:stats": {"finished": "1"}},
        again=[-1],
    ),
]

RELEASE = [
    Row("nothing there", {}, lambda s: s.release("web.1", None, ["a"]), 0),
    Row(
        "jobs go to the taking end, the oldest outermost; what is another's stays there",
        {"web.1:jobs": ["b", "a", "h"], "web.2:jobs": ["x"], "all:jobs": ["z"]},
        lambda s: s.release("web.1", None, ["a", "b", "x"]),
        2,
        {"web.1:jobs": ["h"], "web.2:jobs": ["x"], "all:jobs": ["z", "b", "a"]},
        again=0,
    ),
    Row(
        "to the manager's list",
        {"web.1:jobs": [f"i{ODD}"]},
        lambda s: s.release("web.1", "web", [f"i{ODD}"]),
        1,
        {"web:jobs": [f"i{ODD}"]},
        again=0,
    ),
]

DEREGISTER = [
    Row("nothing there", {}, lambda s: s.deregister_workers("web", ["web.1"]), 0),
    Row("nobody", {"web:workers": {"web.1"}}, lambda s: s.deregister_workers("web", []), 0),
    Row(
        "what a worker holds goes back to the taking end of its queue, in order; others stay",
        {
            "web:workers": {"web.1", "web.2", "web.3"},
            "web.1:jobs": ["d", "c", "b", "a"],
            "web.2:jobs": ["e"],
            "web.3:jobs": "a string",
            "all:jobs": ["z"],
            **jobs("a", "c", **{"qw:queue": "web:jobs"}),
            **jobs("b", "d", "e"),
        },
        lambda s: s.deregister_workers("web", ["web.1", "web.3", "api.1"]),
        4,
        {
            "web:workers": {"web.2"},
            "web.2:jobs": ["e"],
            "web.3:jobs": "a string",
            "all:jobs": ["z", "d", "b"],
            "web:jobs": ["c", "a"],
            **jobs("a", "c", **{"qw:queue": "web:jobs"}),
            **jobs("b", "d", "e"),
            "all:stats": {"released": "4"},
        },
        again=0,
    ),
    Row(
        "the list of a worker of another manager is left alone",
        {"web:workers": {"web.2"}, "api:workers": {"api.1"}, "api.1:jobs": ["a"]},
        lambda s: s.deregister_workers("web", ["api.1"]),
        0,
    ),
]

LOCATE = [
    Row("nobody", {}, lambda s: s.locate([]), []),
    Row(
        "each job is in one place",
        {
            **jobs("a"),
            **jobs("b", **{"qw:ttl": "60"}),
            "result:c": ['{"result": 1}'],
            **jobs("d", **{"qw:error": f"E: {ODD}", "qw:traceback": "T"}),
            **jobs("e"),
            "job:s": "a string",
            "result:s": "a string",
            "all:dead": {"d": NOW, "e": NOW, "c": NOW},
        },
        lambda s: s.locate(["a", "b", "c", "d", "e", "s", "z"]),
        [
            Place("alive"),
            Place("alive", has_result=True),
            Place("result", '{"result": 1}'),
            Place("dead", error=f"E: {ODD}", traceback="T"),
            Place("dead"),
            Place("alive"),
            Place("gone"),
        ],
    ),
]

ROWS = [
    pytest.param(row, id=f"{name}: {row.claim}")
    for name, rows in {
        "queue": QUEUE,
        "fetch": FETCH,
        "finish": FINISH,
        "release": RELEASE,
        "deregister": DEREGISTER,
        "locate": LOCATE,
    }.items()
    for row in rows
]


@pytest.mark.parametrize("namespace", [None, "shop"])
@pytest.mark.parametrize("row", ROWS)
def test_what_a_script_makes_of_a_key_space(plain: redis.Redis, row: Row, namespace: str | None) -> None:
    """It returns what it should, and leaves the key space as it should, with a namespace too."""
    seed(plain, under(namespace, row.before))

    answer = run(plain, row.make(ClientScripts(Keys(namespace))))

    assert answer == row.answer
    after = row.before if row.after is None else row.after
    assert timeless(snapshot(plain)) == under(namespace, timeless(after))


@pytest.mark.parametrize("row", ROWS)
def test_a_script_called_twice(plain: redis.Redis, row: Row) -> None:
    """Called again it does nothing more, which is the whole of at-least-once."""
    seed(plain, row.before)
    call = row.make(ClientScripts(Keys()))
    run(plain, call)
    once = snapshot(plain)

    again = run(plain, call)

    assert again == (row.answer if row.again is None else row.again)
    if "pushed twice" not in row.claim:
        assert snapshot(plain) == once


WRONG_TYPES: list[tuple[str, Space, Make]] = [
    ("queue one, the list", {"all:jobs": "a string"}, lambda s: s.queue(words("a"))),
    ("queue many, the list", {"all:jobs": "a string"}, lambda s: s.queue([*words("a"), *words("b")])),
    (
        "fetch, the own list",
        {"web.1:jobs": "a string", "all:jobs": ["a"], **jobs("a")},
        lambda s: s.fetch("web", "web.1", 1),
    ),
    (
        "fetch, the manager's list",
        {"web:jobs": {"x"}, "all:jobs": ["a"], **jobs("a")},
        lambda s: s.fetch("web", "web.1", 1),
    ),
    ("fetch, all:jobs", {"all:jobs": "a string", "web:jobs": ["a"], **jobs("a")}, lambda s: s.fetch("web", "web.1", 1)),
    (
        "fetch, all:dead",
        {"all:dead": "a string", "all:jobs": ["a"], "job:a": "s"},
        lambda s: s.fetch("web", "web.1", 1),
    ),
    ("finish, the list", {"web.1:jobs": "a string", **jobs("a")}, lambda s: s.finish("web.1", ["a"])),
    ("release, the queue", {"web.1:jobs": ["a"], "all:jobs": {"x"}}, lambda s: s.release("web.1", None, ["a"])),
    (
        "deregister, all:jobs",
        {"web:workers": {"web.1"}, "web.1:jobs": ["a"], "all:jobs": {"x"}},
        lambda s: s.deregister_workers("web", ["web.1"]),
    ),
]


@pytest.mark.parametrize(("before", "make"), [pytest.param(b, m, id=claim) for claim, b, m in WRONG_TYPES])
def test_a_key_of_the_wrong_type_stops_a_script_before_it_writes(plain: redis.Redis, before: Space, make: Make) -> None:
    """Redis takes nothing back of a script that fails half way, so all that can fail comes first."""
    seed(plain, before)

    with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
        run(plain, make(ClientScripts(Keys())))

    assert snapshot(plain) == before


def test_counters_of_the_wrong_type_stop_nobody(plain: redis.Redis) -> None:
    """What is only counted does not keep a job from being run or finished."""
    seed(plain, {"all:stats": "a string", "all:jobs": ["a", "x"], **queued("a")})
    scripts = ClientScripts(Keys())

    assert run(plain, scripts.fetch("web", "web.1", 1)) == fetched("a", dropped=("x",))
    assert run(plain, scripts.finish("web.1", ["a"])) == [1]
    assert snapshot(plain) == {"all:stats": "a string"}


@pytest.mark.parametrize("manager", [None, "api"])
def test_a_worker_that_is_not_registered_is_refused(plain: redis.Redis, manager: str | None) -> None:
    """With a manager named, it must be that one's; nothing is written, and the error says who is meant."""
    before: Space = {"all:managers": {"web", "api"}, "api:workers": {"api.1"}, "web:workers": {"web.1"}}
    seed(plain, before)
    worker = "web.2" if manager is None else "web.1"

    with pytest.raises(UnknownName, match=worker):
        run(plain, ClientScripts(Keys()).queue(words("a", to=OPEN_ELSEWHERE), manager, worker))

    assert snapshot(plain) == before


@pytest.mark.parametrize("count", [1, 2])
def test_the_time_of_queueing_early_in_a_second(plain: redis.Redis, count: int) -> None:
    """It is put together from two texts, and Redis leaves out the zeros that the second one would start with."""
    wait_until(lambda: now_ms(plain) % 1000 < 50)
    before = now_ms(plain)

    run(plain, ClientScripts(Keys()).queue([*words("a"), *words("b")][: count * len(words("a"))]))

    queued_at: Any = plain.hget("job:a", "qw:queued_at")
    assert before - 1 <= int(queued_at) <= now_ms(plain)


def test_fetch_is_bounded(plain: redis.Redis) -> None:
    """One call hands out at most 1,000 jobs or a MiB of them, and passes over 1,000 ids that make no job."""
    small, large = [f"s{n}" for n in range(1500)], [f"l{n}" for n in range(5)]
    seed(plain, {"all:jobs": small, "web:jobs": large, "web.1:jobs": [f"x{n}" for n in range(1500)]})
    seed(plain, {**queued(*small), **{key: {"n": "x" * 400_000} for key in jobs(*large)}})
    scripts = ClientScripts(Keys())

    replies = [run(plain, scripts.fetch("web", f"web.{n}", 2000)) for n in (1, 1, 2, 2)]

    assert [len(reply.dropped) for reply in replies] == [1000, 500, 0, 0]
    assert [len(reply.jobs) for reply in replies] == [0, 3, 1000, 1000]


def test_a_job_of_ten_thousand_fields_is_queued_and_fetched(plain: redis.Redis) -> None:
    """More than Lua can spread over one call."""
    fields = [word for n in range(10_000) for word in (f"f{n}", str(n))]

    run(plain, ClientScripts(Keys()).queue(words("a", *fields)))

    (job,) = run(plain, ClientScripts(Keys()).fetch("web", "web.1", 1)).jobs
    assert job == ("a", dict(zip(fields[::2], fields[1::2], strict=True)))


def test_a_full_redis_is_drained(plain: redis.Redis, make_server: MakeServer) -> None:
    """Fetching, giving back and finishing work when Redis takes nothing new; queueing leaves nothing half done."""
    server = make_server()
    scripts = ClientScripts(Keys())
    with redis.Redis.from_url(server.url) as full:
        before: Space = {
            "web:jobs": ["b", "a"],
            "web:workers": {"web.1", "web.2"},
            "web.2:jobs": ["c"],
            **jobs("a", "b", "c"),
        }
        seed(full, before)
        full.config_set("maxmemory", 1)

        with pytest.raises(redis.ResponseError, match="maxmemory"):
            run(full, scripts.queue(words("d")))

        assert snapshot(full) == before
        assert [job_id for job_id, _ in run(full, scripts.fetch("web", "web.1", 2)).jobs] == ["a", "b"]
        assert run(full, scripts.fetch("web", "web.2", 1)) == fetched("c")
        assert snapshot(full)["job:c"] == {"n": "c", "qw:queue": "web:jobs"}
        assert run(full, scripts.release("web.1", None, ["b"])) == 1
        assert run(full, scripts.finish("web.1", ["a"])) == [1]
        assert run(full, scripts.deregister_workers("web", ["web.2"])) == 1
        assert (snapshot(full)["all:jobs"], snapshot(full)["web:jobs"]) == (["b"], ["c"])
