"""Queueing: what becomes of a job's fields, where it goes, and what happens when the connection breaks."""

from __future__ import annotations

import enum
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import RFC_4122, UUID

import attrs
import pytest
import redis

from qw.client import Client
from qw.client._connections import Connection
from qw.client._packing import PlainId, _Names
from qw.errors import BadName, QueueUnsure, UnknownName, UsageError
from qw.job import Job, JobId, Options, job_type
from tests.support.keyspace import snapshot
from tests.support.names import shown
from tests.support.proxy import Proxy
from tests.support.scripts import seed
from tests.support.server import MakeServer, RedisServer
from tests.support.wait import wait_until

#: What a call of the queue script has in it, and no other command.
QUEUE = b"all:bell"


@attrs.frozen
class Thumbnail(Job[int]):
    """A typed job with a result."""

    path: str
    width: int = 128
    options = Options(result_ttl=60)


@attrs.frozen
class Note(Job[None]):
    """A typed job without one."""

    text: str


class Colour(enum.IntEnum):
    """A number that shows itself as something else."""

    RED = 1


class Word(str, enum.Enum):
    """A text that shows itself as something else."""

    NAME = "name"
    VALUE = "value"
    ID = "id"

    def __str__(self) -> str:
        return f"the word {self.value}"


@pytest.fixture
def far(proxy: Proxy) -> Iterator[Client]:
    """Return a client behind the proxy, which has talked to Redis already."""
    with Client.from_url(proxy.url, patience=0.5, socket_timeout=1.0) as made:
        made.queue_job({}, "warm")
        yield made


def queued(client: Client, manager: str | None = None) -> list[str]:
    """Return the ids in a queue, the oldest first."""
    return [job_id for owner, job_id in client.get_all_queued_jobs() if owner == manager][::-1]


class TestFields:
    """What stands in the hash."""

    @pytest.mark.parametrize("manager", [None, "web"])
    def test_words_that_show_themselves_as_others(
        self, client: Client, plain: redis.Redis, manager: str | None
    ) -> None:
        """A name, a value and an id may be members of an enum of str: what counts is the text that they are."""
        assert [f"{word}" for word in Word] != [word.value for word in Word], "these do not"
        job_id = client.queue_job({Word.NAME: Word.VALUE}, manager, id=Word.ID)

        assert (type(job_id), job_id) == (PlainId, "id")
        assert plain.hget("job:id", "name") == b"value"
        assert plain.lrange(f"{manager or 'all'}:jobs", 0, -1) == [b"id"]

    def test_more_names_than_are_kept(self, client: Client, plain: redis.Redis) -> None:
        """Each job may have names of its own, of which no more than some are kept packed."""
        names = _Names()
        assert {names[f"name{n}"][:6] for n in range(2 * _Names.MOST)} == {
            "$5\r\nna",
            "$6\r\nna",
            "$7\r\nna",
            "$8\r\nna",
        }
        assert len(names) == _Names.MOST
        names.clear()
        assert len(names["x" * (_Names.LONGEST + 1)]) > _Names.LONGEST
        assert not names, "as long as they like"

        *_, last = client.queue_jobs([{f"name{n}": "x", f"é{n}": "y"} for n in range(_Names.MOST)])
        assert plain.hmget(f"job:{last}", f"name{_Names.MOST - 1}", f"é{_Names.MOST - 1}") == [b"x", b"y"]

    def test_a_plain_job(self, client: Client, plain: redis.Redis) -> None:
        """Strings and bytes as they are, numbers as Python writes them."""
        job_id = client.queue_job({"s": "é", "b": b"\xff", "i": 10**20, "f": 0.1, "e": "", "c": Colour.RED, "": "x"})

        job: Any = plain.hgetall(f"job:{job_id}")
        assert job.pop(b"qw:queued_at").isdigit()
        assert job == {
            b"s": "é".encode(),
            b"b": b"\xff",
            b"i": b"100000000000000000000",
            b"f": b"0.1",
            b"e": b"",
            b"c": b"1",
            b"": b"x",
        }

    @pytest.mark.parametrize("path", ["/a.png", "/é.png"])
    def test_a_typed_job(self, client: Client, plain: redis.Redis, path: str) -> None:
        """One field for each of its attributes, its type, and how long a result is kept; the id knows its class."""
        job_id = client.queue_job(Thumbnail(path))

        job: Any = snapshot(plain)[f"job:{job_id}"]
        assert job.pop("qw:queued_at").isdigit()
        assert job == {"path": path, "width": "128", "qw:type": "Thumbnail", "qw:ttl": "60"}
        assert isinstance(job_id, JobId)
        assert job_id.job_type is job_type(Thumbnail)

    def test_a_typed_job_without_a_result(self, client: Client, plain: redis.Redis) -> None:
        """No result, no time to keep it."""
        job_id = client.queue_job(Note("hello"), "web")

        job: Any = snapshot(plain)[f"job:{job_id}"]
        assert job.pop("qw:queued_at").isdigit()
        assert job == {"text": "hello", "qw:type": "Note", "qw:queue": "web:jobs"}

    def test_a_job_without_fields(self, client: Client) -> None:
        """It is there, and it is run."""
        job_id = client.queue_job({})

        assert client.fetch_next_job("web", "web.1") == (job_id, {})

    @pytest.mark.parametrize("value", [True, None, [1], {"a": 1}, object(), 1j])
    def test_values_that_cannot_stand_in_a_plain_job(self, client: Client, value: Any) -> None:
        """`str(None)` is a mistake nobody finds; the error names the field."""
        with pytest.raises(UsageError, match="'flag'"):
            client.queue_job({"flag": value})

        assert client.dbsize() == 0

    @pytest.mark.parametrize(
        "job", [{"qw:tries": "1"}, {1: "a"}, "text", None, 5, Job(), {"a": "\ud800"}, {"\ud800": "a"}], ids=shown
    )
    def test_what_is_no_job(self, client: Client, job: Any) -> None:
        """Fields of qw's own, names that are no text, and what is no mapping at all."""
        with pytest.raises(UsageError):
            client.queue_job(job)

        assert client.dbsize() == 0

    def test_a_number_too_long_to_be_written(self, client: Client) -> None:
        """As Python sees it: it takes too long."""
        with pytest.raises(UsageError, match=r"^field 'n': .*4300"):
            client.queue_job({"n": 10**5000})

        assert client.dbsize() == 0

    @pytest.mark.parametrize("value", ["", "a b", "a:b", "a\nb", "{a}", "x" * 256, "\ud800"], ids=shown)
    def test_ids_are_checked(self, client: Client, value: str) -> None:
        """They become parts of keys."""
        with pytest.raises(BadName):
            client.queue_job({}, id=value)

        assert client.dbsize() == 0


class TestWhere:
    """To all, to a manager, to a worker."""

    def test_to_all_to_a_manager_to_a_worker(self, client: Client) -> None:
        """By place, as in qw 0.1.1."""
        client.register_manager("web")
        client.register_worker("web", "web.1")

        free, bound, sent = client.queue_job({}), client.queue_job({}, "web"), client.queue_job({}, None, "web.1")
        both = client.queue_job({}, "web", "web.1")

        assert queued(client) == [free]
        assert queued(client, "web") == [bound]
        assert list(client.get_worker_pending_jobs("web.1")) == [both, sent]

    def test_a_worker_that_is_not_there(self, client: Client) -> None:
        """Its job would be lost."""
        client.register_manager("web")
        client.register_worker("web", "web.1")
        for manager, worker in (("api", "web.1"), ("web", "web.2"), (None, "web.2")):
            with pytest.raises(UnknownName, match=worker):
                client.queue_jobs([{}] * 2500, manager, worker)

        assert list(client.get_worker_pending_jobs("web.1")) == list(client.get_worker_pending_jobs("web.2")) == []
        assert client.dbsize() == 2

    def test_an_id_that_is_there_queues_nothing(self, client: Client) -> None:
        """Whoever is not sure queues it again."""
        first = client.queue_job({"n": 1}, id="one")
        second = client.queue_job({"n": 2}, "web", id="one")

        assert first == second == "one"
        assert queued(client) == ["one"]
        assert queued(client, "web") == []
        info = client.get_job("one")
        assert info is not None
        assert info.data == {"n": "1"}


class TestMany:
    """`queue_jobs`."""

    def test_ids_come_in_the_order_of_the_jobs(self, client: Client) -> None:
        """Over several chunks, of every kind, out of a generator."""
        jobs = ({"n": n} if n % 2 else Thumbnail(str(n)) for n in range(2500))

        ids = client.queue_jobs(jobs)

        assert queued(client) == ids
        assert len(set(ids)) == 2500
        assert [info.data.get("n") or info.data["path"] for info in client.get_jobs(ids) if info] == [
            *map(str, range(2500))
        ]

    def test_new_ids_are_random_uuids(self, client: Client) -> None:
        """Of version 4, as RFC 9562 has them, and written as it has them; each another one."""
        ids = [client.queue_job({}), *client.queue_jobs([{}] * 2500)]

        assert [str(UUID(job_id)) for job_id in ids] == ids
        assert {(UUID(job_id).version, UUID(job_id).variant) for job_id in ids} == {(4, RFC_4122)}
        assert len(set(ids)) == 2501

    def test_own_ids(self, client: Client) -> None:
        """One for each job, or none at all."""
        assert client.queue_jobs([{}, {}], ids=iter(["a", "b"])) == ["a", "b"]
        for ids in (["c"], ["c", "d", "e"], []):
            with pytest.raises(UsageError):
                client.queue_jobs([{}, {}], ids=ids)

        assert queued(client) == ["a", "b"]

    def test_no_jobs(self, client: Client) -> None:
        """Nothing is sent."""
        assert client.queue_jobs([]) == []
        assert client.dbsize() == 0

    def test_all_are_checked_before_the_first_is_sent(self, client: Client) -> None:
        """One mistake in the last of them queues none."""
        jobs: list[Any] = [*({"n": n} for n in range(2500)), {"n": None}]
        with pytest.raises(UsageError):
            client.queue_jobs(jobs)

        assert client.dbsize() == 0

    def test_refused_for_now(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        """A thousand that go again after the next are returned in their place."""
        replies: list[object] = []

        def receive(connection: Connection) -> object:
            replies.append(usual(connection))
            return replies[-1] if len(replies) != 2 else redis.ReadOnlyError("READONLY for a moment")

        client.queue_job({"n": -1})  # Redis knows the script now
        usual = Connection.receive
        monkeypatch.setattr(Connection, "receive", receive)
        texts = [f"j{n}" for n in range(2500)]
        ids = client.queue_jobs([{"n": n} for n in range(2500)], ids=texts)
        monkeypatch.undo()

        assert replies == [1000, 1000, 500, 0]
        assert ids == texts
        assert client.llen("all:jobs") == 2501

    @pytest.mark.parametrize("error", ["NoneType", "dictionary changed size"])
    def test_one_that_changes_on_the_way(self, client: Client, error: str) -> None:
        """It was a job when it was checked, and is none when its turn comes: those before it are queued."""

        class Moody(dict[str, int]):
            asked = 0

            def items(self) -> Any:
                self.asked += 1
                if self.asked > 1 and error != "NoneType":
                    raise RuntimeError(error)
                return {"n": None if self.asked > 1 else 1}.items()

        jobs = [{"n": n} for n in range(2500)]
        jobs[1500] = Moody()
        with pytest.raises(QueueUnsure, match=error) as unsure:
            client.queue_jobs(jobs, ids=[f"j{n}" for n in range(2500)])

        assert client.llen("all:jobs") == 1000
        assert unsure.value.ids == tuple(f"j{n}" for n in range(1000, 2500))

    def test_large_jobs(self, client: Client) -> None:
        """A MiB to a call, and one that is larger goes alone."""
        client.max_payload = 3_000_001
        ids = client.queue_jobs([{"n": "x" * size} for size in (600_000, 600_000, 3_000_000, 10, 600_000)])

        found: Any = client.info("commandstats")
        assert queued(client) == ids
        assert found["cmdstat_lpush"]["calls"] >= 4

    def test_from_many_threads(self, client: Client) -> None:
        """A client is one for all of them."""
        made: list[list[JobId[None]]] = []
        threads = [
            threading.Thread(target=lambda: made.append(client.queue_jobs([{"n": n} for n in range(1500)])))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(queued(client)) == sorted(job_id for ids in made for job_id in ids)


class TestLostReplies:
    """What Redis may have applied is not sent again without leave."""

    def test_a_lost_reply(self, far: Client, proxy: Proxy) -> None:
        """The error names the id; the job is there, once."""
        proxy.lose("reply", QUEUE)

        with pytest.raises(QueueUnsure) as caught:
            far.queue_job({}, id="one")

        assert caught.value.ids == ("one",)
        assert isinstance(caught.value.__cause__, redis.ConnectionError)
        assert queued(far) == ["one"]

    def test_a_lost_request_looks_the_same(self, far: Client, proxy: Proxy) -> None:
        """From here nobody can tell; queued again under its id, it is there once."""
        proxy.lose("request", QUEUE)

        with pytest.raises(QueueUnsure) as caught:
            far.queue_job({})
        (job_id,) = caught.value.ids
        far.queue_job({}, id=job_id)

        assert queued(far) == [job_id]

    def test_a_reply_that_does_not_come(self, far: Client, proxy: Proxy) -> None:
        """A Redis that is silent for longer than the bound is as good as gone."""
        proxy.lose("silence", QUEUE)

        with pytest.raises(QueueUnsure) as caught:
            far.queue_job({}, id="one")

        assert isinstance(caught.value.__cause__, redis.TimeoutError)

    @pytest.mark.parametrize("loss", ["reply", "request"])
    def test_with_leave_it_is_sent_again(self, far: Client, proxy: Proxy, loss: Any) -> None:
        """Under the same ids, so that as long as it lives it is there once."""
        proxy.lose(loss, QUEUE, times=2)

        ids = far.queue_jobs([{"n": n} for n in range(2500)], retry_unsure=True)

        assert queued(far) == ids

    def test_with_leave_and_nobody_to_send_it_to(self, client: Client, far: Client, proxy: Proxy) -> None:
        """It may be queued all the same, whatever came of the attempts that followed."""
        proxy.lose("silence", QUEUE)
        with ThreadPoolExecutor(1) as pool:
            call = pool.submit(far.queue_job, {}, id="one", retry_unsure=True)
            wait_until(lambda: client.llen("all:jobs") == 1)
            proxy.refuse()

            with pytest.raises(QueueUnsure) as caught:
                call.result()

        assert caught.value.ids == ("one",)

    @pytest.mark.parametrize("skip", [1, 2])
    def test_the_ids_are_those_of_the_last_jobs(self, far: Client, proxy: Proxy, skip: int) -> None:
        """The jobs before them are queued, so the rest can be given again as it is."""
        jobs = [{"n": n} for n in range(4500)]
        proxy.lose("reply", QUEUE, skip=skip)

        with pytest.raises(QueueUnsure) as caught:
            far.queue_jobs(jobs)
        rest = caught.value.ids
        far.queue_jobs(jobs[-len(rest) :], ids=rest, retry_unsure=True)

        # With the second chunk in flight, the reply to it is lost beside that to the third.
        assert len(rest) in {4500 - skip * 1000, 3500}
        infos = far.get_jobs(queued(far))
        assert [info.data["n"] for info in infos if info] == [*map(str, range(4500))]

    def test_what_was_not_sent_is_sent_again(self, proxy: Proxy) -> None:
        """A job of which the kernel did not take the last byte cannot be queued: there is no doubt about it."""
        # A busy machine may need seconds for so much.
        with Client.from_url(proxy.url, socket_timeout=60.0) as far:
            far.queue_job({}, "warm")
            proxy.lose("request", QUEUE)
            far.max_payload = 30_000_001
            job_id = far.queue_job({"n": "x" * 30_000_000})

            assert queued(far) == [job_id]

    def test_while_redis_is_away(self, far: Client, proxy: Proxy) -> None:
        """It is waited for, and then the error is redis-py's: nothing was queued."""
        proxy.refuse()
        with pytest.raises(redis.ConnectionError):
            far.queue_job({})

        proxy.refuse(refusing=False)
        assert queued(far) == []

    def test_an_idle_connection_that_was_closed(self, far: Client, proxy: Proxy) -> None:
        """It is not used for another job, so there is no doubt."""
        for _ in range(5):
            proxy.cut()
            far.queue_job({})

        assert len(queued(far)) == 5


class TestRefusals:
    """What Redis has refused it has not applied."""

    def test_a_redis_that_is_loading_or_busy(self, client: Client) -> None:
        """A script that runs too long is waited for."""
        client.config_set("lua-time-limit", 10)
        hog = threading.Thread(target=_hog, args=(client,))
        hog.start()
        wait_until(lambda: _busy(client))

        job_id = client.queue_job({})

        hog.join()
        client.config_set("lua-time-limit", 5000)
        assert queued(client) == [job_id]

    def test_a_replica_takes_nothing(self, make_server: MakeServer) -> None:
        """It is tried for a while, for it may become the master; then the error is Redis's own."""
        server = make_server()
        with Client.from_url(server.url, patience=0.2) as client:
            client.replicaof("127.0.0.1", "1")
            with pytest.raises(redis.exceptions.ReadOnlyError):
                client.queue_job({})

            turning = threading.Thread(target=lambda: client.replicaof("NO", "ONE"))
            with Client.from_url(server.url, patience=20) as patient:
                turning.start()
                patient.queue_job({}, id="one")
            turning.join()

            assert queued(client) == ["one"]

    def test_a_full_redis(self, make_server: MakeServer) -> None:
        """Nothing is queued, not even in part, and nothing is tried again."""
        with Client.from_url(make_server().url, patience=60) as client:
            client.config_set("maxmemory", 1)
            with pytest.raises(redis.exceptions.OutOfMemoryError):
                client.queue_jobs([{}] * 1500)

            assert client.dbsize() == 0

    def test_a_redis_that_becomes_full_on_the_way(self, make_server: MakeServer) -> None:
        """What is left has no good reply: its ids come in the error."""
        with Client.from_url(make_server().url) as client:
            client.config_set("maxmemory", 6_000_000)
            ids = [str(n) for n in range(20)]
            with pytest.raises(QueueUnsure) as caught:
                client.queue_jobs([{"n": "x" * 900_000} for _ in ids], ids=ids)

            assert isinstance(caught.value.__cause__, redis.exceptions.OutOfMemoryError)
            assert [*queued(client), *caught.value.ids] == ids

    def test_a_user_who_may_not(self, client: Client, redis_server: RedisServer) -> None:
        """Said at once."""
        admin: Any = client
        admin.execute_command("ACL", "SETUSER", "bob", "on", ">b", "~*", "+@all", "-eval", "-evalsha")
        with (
            Client("127.0.0.1", redis_server.port, username="bob", password="b", patience=60) as bob,
            pytest.raises(redis.exceptions.NoPermissionError),
        ):
            bob.queue_job({})

    def test_a_list_of_the_wrong_type(self, client: Client, plain: redis.Redis) -> None:
        """The error names the key."""
        seed(plain, {"web:jobs": "a string"})

        with pytest.raises(redis.ResponseError, match="web:jobs"):
            client.queue_job({}, "web")

        assert snapshot(plain) == {"web:jobs": "a string"}

    def test_a_script_that_is_forgotten_on_the_way(self, client: Client) -> None:
        """Chunks in flight come back as unknown, and go out again in order."""
        over = threading.Event()

        def forget() -> None:
            while not over.is_set():
                client.script_flush()

        forgetting = threading.Thread(target=forget)
        forgetting.start()
        ids = client.queue_jobs([{"n": n} for n in range(30_000)])
        over.set()
        forgetting.join()

        assert queued(client) == ids


def _hog(client: Client) -> None:
    client.eval("local t = redis.call('TIME') repeat local n = redis.call('TIME') until n[1] - t[1] >= 2", 0)


def _busy(client: Client) -> bool:
    try:
        client.ping()
    except redis.ResponseError as error:
        return "BUSY" in str(error)
    return False
