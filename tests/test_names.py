"""Names and ids as producers have them: members of an enum of str, and what is no str at all."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
import redis

from qw.client import Client
from qw.errors import BadName, UnknownJob
from qw.wire import pack
from tests.support.keyspace import snapshot
from tests.support.names import shown


class Name(str, enum.Enum):
    """Texts that show themselves as something else, as members of an enum do by default in some versions of Python."""

    MANAGER = "web"
    WORKER = "web.0"
    JOB = "id"

    def __str__(self) -> str:
        return "something else"


class Number(enum.IntEnum):
    """A number that shows itself as something else."""

    ONE = 1

    def __str__(self) -> str:
        return "something else"


def test_packed_as_what_they_are() -> None:
    """Not as they show themselves."""
    assert pack([Name.JOB, Number.ONE]) == pack(["id", 1]) == b"*2\r\n$2\r\nid\r\n$1\r\n1\r\n"


def test_a_job_from_its_queueing_to_its_end(client: Client, plain: redis.Redis) -> None:
    """Each method takes them for the text that they are."""
    client.register_manager(Name.MANAGER)
    client.register_worker(Name.MANAGER, Name.WORKER)
    assert client.get_all_managers() == ["web"]
    assert client.get_manager_workers(Name.MANAGER) == ["web.0"]

    client.queue_job({"a": "1"}, Name.MANAGER, id=Name.JOB)
    assert list(client.get_manager_queued_jobs(Name.MANAGER)) == ["id"]
    assert client.fetch_next_job(Name.MANAGER, Name.WORKER) == ("id", {"a": "1"})
    assert list(client.get_worker_pending_jobs(Name.WORKER)) == ["id"]
    assert client.finish_job(Name.JOB, Name.WORKER)
    with pytest.raises(UnknownJob):
        client.wait_job(Name.JOB, 0)

    client.queue_job({"a": "1"}, Name.MANAGER, Name.WORKER, id=Name.JOB)
    assert list(client.get_worker_pending_jobs(Name.WORKER)) == ["id"]
    client.deregister_worker(Name.MANAGER, Name.WORKER)
    client.deregister_manager(Name.MANAGER)
    assert snapshot(plain).keys() == {"web:jobs", "all:stats", "job:id"}


def test_a_job_that_was_buried(client: Client, plain: redis.Redis) -> None:
    """It is found, queued again and deleted."""
    client.queue_job({"a": "1"}, id=Name.JOB)
    plain.delete("all:jobs")
    plain.zadd("all:dead", {"id": 1})

    assert client.requeue_dead_job(Name.JOB)
    assert plain.lrange("all:jobs", 0, -1) == [b"id"]
    plain.zadd("all:dead", {"id": 1})
    assert client.delete_dead_job(Name.JOB)
    assert not plain.exists("job:id", "all:dead")


def test_what_has_no_encoding(client: Client) -> None:
    """Half of a surrogate pair, unless it stands for a byte: such names and ids are there, made by others."""
    for call in (client.get_job, client.wait_job, client.requeue_dead_job, client.delete_dead_job):
        with pytest.raises(BadName, match=r"'a\\ud800' holds half of a surrogate pair"):
            call("a\ud800")
    assert client.get_job("a\udcff") is None
    assert client.get_manager_workers("a\udcff") == []


@pytest.mark.parametrize("given", [UUID(int=5), 5, b"id", None], ids=shown)
@pytest.mark.parametrize(
    "call",
    [
        pytest.param(lambda client, given: client.register_manager(given), id="register_manager"),
        pytest.param(lambda client, given: client.register_worker("web", given), id="register_worker"),
        pytest.param(lambda client, given: client.queue_jobs([{}], ids=[given]), id="queue_jobs"),
        pytest.param(lambda client, given: client.get_job(given), id="get_job"),
        pytest.param(lambda client, given: client.fetch_next_job(given, "w"), id="fetch_next_job"),
        pytest.param(lambda client, given: client.finish_job(given, "w"), id="finish_job"),
        pytest.param(lambda client, given: client.wait_job(given, 0), id="wait_job"),
        pytest.param(lambda client, given: client.requeue_dead_job(given), id="requeue_dead_job"),
        pytest.param(lambda client, given: client.delete_dead_job(given), id="delete_dead_job"),
    ],
)
def test_what_is_no_str(client: Client, call: Callable[[Client, Any], object], given: Any) -> None:
    """It says what it is, and what to give."""
    with pytest.raises(BadName, match=f"give it as a str, not as {type(given).__name__}$"):
        call(client, given)

    assert client.dbsize() == 0
