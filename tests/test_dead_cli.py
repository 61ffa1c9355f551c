"""`qw-client dead` as a real process, and the client's methods beneath it: show, requeue, delete."""

from __future__ import annotations

import json

import pytest
import redis

from qw.client import Client
from tests.support.keyspace import snapshot
from tests.support.scripts import jobs, seed
from tests.test_client_cli import complaint, lines, qw_client
from tests.test_logs import FORBIDDEN, HOSTILE

WHY = {"qw:worker": "web.s1.0", "qw:tries": "3", "qw:queued_at": "1000", "qw:dead_at": "2000"}


@pytest.fixture
def dead(plain: redis.Redis) -> redis.Redis:
    """Return a client of a Redis with four buried jobs: two of a type, a plain one, and one without a hash."""
    seed(plain, jobs("a", "c", **WHY, **{"qw:type": "Size", "qw:error": "ValueError: no", "qw:traceback": "x\n y\n"}))
    seed(plain, jobs("b", **{"qw:error": "KeyError: 'k'", "qw:queue": "web:jobs"}))
    seed(plain, {"all:dead": {"a": 2000.0, "b": 3000.0, "c": 4000.0, "gone": 5000.0}})
    return plain


def left(plain: redis.Redis) -> dict[str, object]:
    """Return what is buried, and what is queued."""
    return {key: value for key, value in snapshot(plain).items() if not key.startswith(("job:", "all:stats"))}


@pytest.mark.parametrize("arguments", [["dead"], ["dead", "list"]])
def test_what_is_buried_is_listed(dead: redis.Redis, redis_url: str, arguments: list[str]) -> None:
    """The oldest first, a line each: id, type, when, why."""
    assert lines(qw_client(redis_url, *arguments)) == [
        "a\tSize\t1970-01-01T00:00:02.000Z\tValueError: no",
        "b\t-\t-\tKeyError: 'k'",
        "c\tSize\t1970-01-01T00:00:02.000Z\tValueError: no",
        "gone\t-\t-\tjob:gone is no hash, or is not there",
    ]


def test_of_one_type_as_json(dead: redis.Redis, redis_url: str) -> None:
    """An object a line."""
    shown = [json.loads(line) for line in lines(qw_client(redis_url, "dead", "list", "--type=Size", "--json"))]

    assert [row["id"] for row in shown] == ["a", "c"]
    assert shown[0] == {"id": "a", "type": "Size", "dead_at": "1970-01-01T00:00:02.000Z", "error": "ValueError: no"}


def test_all_of_one_is_shown(dead: redis.Redis, redis_url: str) -> None:
    """Fields, error, traceback, tries, crashes, where and when."""
    assert lines(qw_client(redis_url, "dead", "show", "a")) == [
        "id\ta", "type\tSize", "queue\tall:jobs", "queued_at\t1970-01-01T00:00:01.000Z",
        "dead_at\t1970-01-01T00:00:02.000Z", "worker\tweb.s1.0", "tries\t3", "crashes\t0", "rescues\t0",
        "error\tValueError: no", "data", "    n\ta", "traceback", "    x", "     y",
    ]  # fmt: skip
    shown = json.loads(lines(qw_client(redis_url, "dead", "show", "--json", "a"))[0])
    assert (shown["data"], shown["traceback"], shown["tries"]) == ({"n": "a"}, "x\n y\n", 3)


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_nothing_reaches_a_terminal_unescaped(plain: redis.Redis, redis_url: str, form: list[str]) -> None:
    """Neither in a list nor in a whole job, whatever a foreign program has written."""
    text = "".join(HOSTILE.values()).replace("\ud800", "")  # of all that, Redis can hold everything else
    fields = {"qw:error": text, "qw:traceback": text, "qw:type": text, "qw:worker": text, text: text}
    seed(plain, {"job:a": fields, f"job:{text}": fields, "all:dead": {"a": 1.0, text: 2.0}})

    shown = [*lines(qw_client(redis_url, "dead", *form)), *lines(qw_client(redis_url, "dead", "show", "a", *form))]
    assert not FORBIDDEN & set("".join(shown).replace("\t", ""))
    missing = complaint(qw_client(redis_url, "dead", "show", "x\x1b]0;y\x07"), 9)
    assert missing == "x\\x1b]0;y\\x07 is not buried: `qw-client dead` shows what is"


@pytest.mark.parametrize("which", [["a", "c"], ["--type=Size"]], ids=["by id", "by type"])
def test_requeued(dead: redis.Redis, redis_url: str, which: list[str]) -> None:
    """Those that were named, in the order in which they were buried; each id is printed."""
    assert lines(qw_client(redis_url, "dead", "requeue", *which)) == ["a", "c"]
    assert left(dead) == {"all:jobs": ["c", "a"], "all:dead": {"b": 3000.0, "gone": 5000.0}}


def test_deleted(dead: redis.Redis, redis_url: str) -> None:
    """One, and with it its hash."""
    assert lines(qw_client(redis_url, "dead", "delete", "b")) == ["b"]
    assert left(dead) == {"all:dead": {"a": 2000.0, "c": 4000.0, "gone": 5000.0}}
    assert not dead.exists("job:b")


def test_all_of_them(dead: redis.Redis, redis_url: str) -> None:
    """Nothing of them is left."""
    assert lines(qw_client(redis_url, "dead", "delete", "--all")) == ["a", "b", "c", "gone"]
    assert snapshot(dead) == {}
    assert lines(qw_client(redis_url, "dead", "delete", "--all")) == []


def test_what_is_not_buried_is_passed_over(dead: redis.Redis, redis_url: str) -> None:
    """It is told, and the others are seen to: exit code 9."""
    done = qw_client(redis_url, "dead", "requeue", "x", "a", "gone")

    assert (done.returncode, done.stdout) == (9, "a\n")
    assert done.stderr.splitlines() == [
        "x is not buried, or no job any more",
        "gone is not buried, or no job any more",
        "qw-client: 2 of 3 passed over; the others are done",
    ]
    assert left(dead) == {"all:jobs": ["a"], "all:dead": {"b": 3000.0, "c": 4000.0}}


@pytest.mark.parametrize("which", [[], ["a", "--all"], ["--all", "--type=Size"], ["a", "--type=Size"]], ids=str)
@pytest.mark.parametrize("what", ["requeue", "delete"])
def test_it_must_be_said_which(dead: redis.Redis, redis_url: str, what: str, which: list[str]) -> None:
    """In one way; else nothing is done."""
    before = snapshot(dead)

    said = complaint(qw_client(redis_url, "dead", what, *which), 2)
    assert said == "say which jobs: their ids, or --type=<name>, or --all"
    assert snapshot(dead) == before


def test_the_client_says_of_each(dead: redis.Redis, client: Client) -> None:
    """Whether it was buried; many thousands take many calls."""
    assert client.requeue_dead_jobs(["a", "x", "b"]) == [True, False, True]
    assert (client.requeue_dead_job("a"), client.delete_dead_job("c"), client.delete_dead_job("c")) == (
        False,
        True,
        False,
    )
    many = [f"j{n}" for n in range(2500)]
    seed(dead, {"all:dead": dict.fromkeys(many, 1.0)})
    assert client.delete_dead_jobs([*many, "x"]) == [True] * 2500 + [False]


def test_where_and_when_it_was_buried(dead: redis.Redis, client: Client) -> None:
    """As the client tells it."""
    infos = client.get_jobs(["a", "b"])

    assert [(info.worker, info.dead_at, info.tries) for info in infos if info] == [("web.s1.0", 2.0, 3), ("", None, 0)]
