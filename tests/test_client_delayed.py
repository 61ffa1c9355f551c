"""Queueing for later: what stands in Redis until a job is due, what is refused, and how one looks at it."""

from __future__ import annotations

import math
import time
from datetime import date, datetime, timedelta, timezone
from typing import Any, Final

import pytest
import redis

from qw.client import Client
from qw.errors import QueueUnsure, UnknownName, UsageError
from qw.keys import Keys
from qw.scripts import ClientScripts
from tests.support.keyspace import Value, snapshot
from tests.support.proxy import Proxy
from tests.support.scripts import run, seed
from tests.support.server import MakeServer, RedisServer

#: Seconds since 1970, far from now: 2033-05-18T03:33:20Z.
LATER: Final = 2_000_000_000.0

#: The ends of the calendar, without a time zone: there is no local time before the one, nor after the other.
FIRST: Final = datetime(1, 1, 1)  # noqa: DTZ001 - as said
LAST: Final = datetime(9999, 12, 31, 23, 59, 59, 999999)  # noqa: DTZ001 - as said


def timeless(client: redis.Redis) -> dict[str, Value]:
    """Return the whole key space without the times of queueing."""
    space = snapshot(client)
    for key, value in space.items():
        if isinstance(value, dict):
            space[key] = {k: v for k, v in value.items() if k != "qw:queued_at"}  # type: ignore[assignment]
    return space


def dues(client: Client) -> dict[str, float]:
    """Return the delayed jobs and when they are due, in seconds."""
    return dict(client.get_all_scheduled_jobs())


class TestWhere:
    """What is there until it is due."""

    def test_for_all(self, client: Client, plain: redis.Redis) -> None:
        """The hash is written as ever, and the id stands in all:scheduled alone."""
        client.queue_job({"n": "1"}, id="a", at=LATER)

        assert timeless(plain) == {"job:a": {"n": "1"}, "all:scheduled": {"a": LATER * 1000}}

    def test_for_a_manager(self, client: Client, plain: redis.Redis) -> None:
        """Its list is noted."""
        client.queue_job({}, "web", id="a", at=LATER)

        assert timeless(plain) == {"job:a": {"qw:queue": "web:jobs"}, "all:scheduled": {"a": LATER * 1000}}

    def test_for_a_worker(self, client: Client, plain: redis.Redis) -> None:
        """The worker is noted, and its manager's list."""
        client.register_manager("web")
        client.register_worker("web", "web.1")
        client.queue_jobs([{"n": "1"}], worker="web.1", ids=["a"], at=LATER)

        space = timeless(plain)
        assert space["job:a"] == {"n": "1", "qw:queue": "web:jobs", "qw:for": "web.1"}
        assert set(space) == {"all:managers", "web:workers", "job:a", "all:scheduled"}

    def test_for_a_worker_that_is_not_registered(self, client: Client) -> None:
        """It is refused now, not when it is due."""
        with pytest.raises(UnknownName):
            client.queue_job({}, worker="web.1", delay=5)

        assert client.dbsize() == 0

    def test_in_a_namespace(self, client: Client, plain: redis.Redis, redis_url: str) -> None:
        """Every key has the prefix; the field has none, as ever."""
        with Client.from_url(redis_url, namespace="shop") as shop:
            shop.queue_job({}, "web", id="a", at=LATER)
            assert dues(shop) == {"a": LATER}

        assert dues(client) == {}
        assert timeless(plain) == {
            "{shop}:job:a": {"qw:queue": "web:jobs"}, "{shop}:all:scheduled": {"a": LATER * 1000}
        }  # fmt: skip

    @pytest.mark.parametrize("later", [{"delay": 60}, {"at": LATER}])
    def test_an_id_that_is_there(self, client: Client, later: Any) -> None:
        """It queues nothing, whether that one is delayed or not."""
        client.queue_job({}, id="a", at=LATER + 9)
        client.queue_job({}, id="b")
        before = snapshot(client)

        client.queue_jobs([{}, {}], ids=["a", "b"], **later)
        client.queue_job({}, id="a")

        assert snapshot(client) == before


class TestWhen:
    """When it is due."""

    @pytest.mark.parametrize("delay", [90, 90.0, timedelta(minutes=1.5)])
    def test_a_delay_counts_from_the_clock_of_redis(self, client: Client, delay: float | timedelta) -> None:
        """Never early, be it by a part of a millisecond."""
        before = _now(client)
        client.queue_job({}, id="a", delay=delay)

        assert before + 90 <= dues(client)["a"] <= _now(client) + 90

    @pytest.mark.parametrize(
        "at",
        [
            LATER,
            int(LATER),
            datetime.fromtimestamp(LATER),  # noqa: DTZ006 - a local time is what is tried here
            datetime.fromtimestamp(LATER, timezone.utc),
            datetime.fromtimestamp(LATER, timezone(timedelta(hours=-7))),
        ],
        ids=repr,
    )
    def test_a_moment(self, client: Client, at: float | datetime) -> None:
        """A datetime without a time zone is local."""
        client.queue_job({}, id="a", at=at)

        assert dues(client) == {"a": LATER}

    @pytest.mark.parametrize(
        "past",
        [
            {"delay": 0},
            {"delay": timedelta()},
            {"at": 0},
            {"at": -5.5},
            {"at": 1.0},
            {"at": datetime(1999, 1, 1, tzinfo=timezone.utc)},
            {"at": FIRST},
        ],
        ids=str,
    )
    def test_what_is_past_is_now(self, client: Client, plain: redis.Redis, past: Any) -> None:
        """It goes to its queue, as a job without a delay."""
        client.queue_job({}, "web", id="a", **past)

        assert timeless(plain) == {"job:a": {"qw:queue": "web:jobs"}, "web:jobs": ["a"]}

    def test_as_late_as_can_be(self, client: Client) -> None:
        """At the end of the calendar, and beyond it."""
        client.queue_job({}, id="a", at=LAST)
        client.queue_job({}, id="b", delay=1e12)

        assert dues(client)["a"] == pytest.approx(253402300800, abs=86400)
        assert dues(client)["b"] > 1e12

    @pytest.mark.parametrize(
        "wrong",
        [
            {"delay": -1},
            {"delay": timedelta(seconds=-1)},
            {"delay": math.nan},
            {"delay": math.inf},
            {"delay": 1e300},
            {"delay": 10**400},
            {"delay": "5"},
            {"delay": LAST},
            {"at": math.nan},
            {"at": -math.inf},
            {"at": 10**5000},
            {"at": "2030-01-01"},
            {"at": date(2030, 1, 1)},
            {"at": timedelta(1)},
            {"delay": 0, "at": 0},
        ],
        ids=lambda wrong: f"{wrong}"[:60] if wrong.get("at") != 10**5000 else "huge",
    )
    def test_what_is_no_time(self, client: Client, wrong: Any) -> None:
        """Said in one line, and nothing is queued."""
        for queue in (lambda: client.queue_job({}, **wrong), lambda: client.queue_jobs([{}, {}], **wrong)):
            with pytest.raises(UsageError, match=r"delay|at ") as caught:
                queue()
            assert "\n" not in caught.value.message
            assert len(caught.value.message) < 200

        assert client.dbsize() == 0


class TestMany:
    """Many at once."""

    def test_keep_their_order(self, client: Client) -> None:
        """Within a call of Redis, and from one to the next."""
        ids = client.queue_jobs([{}] * 2500, delay=3600) + client.queue_jobs([{}] * 10, delay=3600)

        found = dues(client)
        assert list(found) == ids
        assert found[ids[999]] - found[ids[0]] < 0.001

    def test_for_a_moment(self, client: Client) -> None:
        """Less than a millisecond lies between the first and the last of a call."""
        client.queue_jobs([{}] * 1000, at=LATER)

        assert [*dues(client).values()] == [LATER + n / 2048 / 1000 for n in range(1000)]

    def test_one_add_and_one_ring_a_call(self, client: Client, plain: redis.Redis) -> None:
        """However many there are."""
        plain.config_resetstat()
        client.queue_jobs([{}] * 1000, delay=3600)

        stats: Any = plain.info("commandstats")
        calls = [stats[f"cmdstat_{command}"]["calls"] for command in ("zadd", "publish")]
        assert (calls, "cmdstat_lpush" in stats) == ([1, 1], False)


class TestBell:
    """Who waits for the next one must hear of an earlier one."""

    def test_rings_when_the_first_is_earlier_than_before(self, client: Client, plain: redis.Redis) -> None:
        """And not for what is later."""
        with plain.pubsub(ignore_subscribe_messages=True) as bell:
            bell.subscribe("all:bell")
            bell.get_message(timeout=5)
            client.register_manager("web")
            client.register_worker("web", "web.1")
            for at in (LATER, LATER + 1, LATER, LATER - 1):
                client.queue_job({}, worker="web.1" if at < LATER else None, at=at)
                client.publish("all:bell", str(at))
            client.queue_job({}, worker="web.1", at=1)

            heard: list[Any] = [bell.get_message(timeout=5) for _ in range(7)]
        first, other = "all:scheduled", [str(at) for at in (LATER, LATER + 1, LATER, LATER - 1)]
        said = [message["data"].decode() for message in heard]
        assert said == [first, other[0], other[1], other[2], first, other[3], "web.1"]

    def test_that_may_not_be_rung(self, client: Client, redis_server: RedisServer) -> None:
        """The job is queued all the same."""
        admin: Any = client
        admin.execute_command("ACL", "SETUSER", "mute", "on", ">m", "~*", "&*", "+@all", "-publish")
        with Client("127.0.0.1", redis_server.port, username="mute", password="m") as mute:
            mute.queue_job({}, id="a", at=LATER)

        assert dues(client) == {"a": LATER}


class TestRefusals:
    """Nothing is half done."""

    @pytest.mark.parametrize("later", [{"delay": 60}, {"at": LATER}])
    def test_scheduled_of_another_type(self, client: Client, plain: redis.Redis, later: Any) -> None:
        """The error names the key; what is due now is queued as ever."""
        seed(plain, {"all:scheduled": "a string"})

        with pytest.raises(redis.ResponseError, match="all:scheduled is not a sorted set: nothing was queued"):
            client.queue_jobs([{}, {}], **later)
        assert snapshot(plain) == {"all:scheduled": "a string"}
        client.queue_job({}, id="a", delay=0)
        assert snapshot(plain)["all:jobs"] == ["a"]

    def test_a_full_redis(self, make_server: MakeServer) -> None:
        """Nothing is queued, not even in part."""
        with Client.from_url(make_server().url, patience=60) as client:
            client.config_set("maxmemory", 1)
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                client.queue_jobs([{}] * 1500, delay=60)

            assert client.dbsize() == 0

    def test_a_lost_reply(self, client: Client, redis_server: RedisServer) -> None:
        """As with every job: queued or not, and once if the same id is queued again."""
        with Proxy(redis_server.port) as proxy, Client.from_url(proxy.url, patience=0.5) as far:
            far.queue_job({}, "warm")
            proxy.lose("reply", b"all:bell")
            with pytest.raises(QueueUnsure) as caught:
                far.queue_job({}, id="a", delay=60)
            assert caught.value.ids == ("a",)
            due = dues(client)["a"]
            far.queue_job({}, id="a", delay=60, retry_unsure=True)

        assert dues(client) == {"a": due}

    def test_a_script_that_redis_has_forgotten(self, client: Client) -> None:
        """It is sent with its text."""
        client.queue_job({}, at=LATER)
        client.script_flush()
        client.queue_job({}, at=LATER)

        assert len(dues(client)) == 2


class TestLooking:
    """What one sees."""

    def test_in_chunks_in_their_order(self, client: Client, plain: redis.Redis) -> None:
        """More than one reading takes, many of them at the same moment; scores of other programs too."""
        many = {f"j{n:04}": 7000.0 for n in range(2500)}
        plain.zadd("all:scheduled", {"past": -math.inf, "never": math.inf, **many})

        found = list(client.get_all_scheduled_jobs())
        assert found == [("past", -math.inf), *((job_id, 7.0) for job_id in many), ("never", math.inf)]

    def test_a_delayed_job_is_not_in_a_queue(self, client: Client) -> None:
        """Nor with a worker; but it is known, and waited for."""
        job_id = client.queue_job({"n": "1"}, "web", at=LATER)

        assert [*client.get_all_queued_jobs(), *client.get_manager_queued_jobs("web")] == []
        found = client.get_job(job_id)
        assert found is not None
        assert (found.data, found.queue) == ({"n": "1"}, "web:jobs")
        with pytest.raises(TimeoutError):
            client.wait_job(str(job_id), timeout=0.05)


def test_the_script_is_called_for_now_as_ever(plain: redis.Redis) -> None:
    """`when` left out is now: nothing of the schedule is read or written."""
    plain.config_resetstat()
    run(plain, ClientScripts(Keys()).queue([b"a", b"2", b"qw:queued_at", b""]))

    stats: Any = plain.info("commandstats")
    assert not {"cmdstat_zadd", "cmdstat_zrange", "cmdstat_publish"} & set(stats)


def _now(client: redis.Redis) -> float:
    seconds, micros = client.time()
    assert abs(seconds - time.time()) < 60
    return float(seconds + micros / 1e6)
