"""How large a job may be: checked before it is queued, by the client and by the command."""

from __future__ import annotations

import pickle
from pathlib import Path

import attrs
import pytest
import redis

from qw.client import Client
from qw.errors import PayloadTooLarge, UsageError
from qw.job import Job
from tests.support.keyspace import snapshot
from tests.test_client_cli import complaint, lines, qw_client

MIB = 1024 * 1024


@attrs.frozen
class Text(Job[None]):
    """A job of one field; its name has four letters."""

    text: str


def test_a_mib_is_the_most(client: Client, plain: redis.Redis) -> None:
    """Names and values together, in bytes: one more is refused, and nothing of that call is queued."""
    client.queue_jobs([{"n": "x" * (MIB - 1)}, Text("é" * (MIB // 2 - 2))])
    assert plain.llen("all:jobs") == 2

    for job in ({"n": "x" * MIB}, Text("é" * (MIB // 2 - 1))):
        with pytest.raises(PayloadTooLarge, match=r"1,048,57[78] bytes, and 1,048,576 are allowed") as raised:
            client.queue_jobs([{"n": "small"}, job])
        assert isinstance(raised.value, UsageError)
    assert plain.llen("all:jobs") == 2


def test_as_much_as_one_likes(redis_url: str, plain: redis.Redis) -> None:
    """More or less; a client that crosses to another process has the same bound."""
    with Client.from_url(redis_url, max_payload=5) as client, pickle.loads(pickle.dumps(client)) as copy:  # noqa: S301
        for each in (client, copy):
            each.queue_job({"n": "1234"})
            with pytest.raises(PayloadTooLarge):
                each.queue_job({"n": "12345"})
    assert plain.llen("all:jobs") == 2


def test_of_the_command(redis_url: str, plain: redis.Redis, tmp_path: Path) -> None:
    """With its place; of a file nothing is queued, not even what stands before it."""
    file = tmp_path / "jobs"
    file.write_text('{"n": "1"}\n{"n": "12345"}\n')

    said = complaint(qw_client(redis_url, "queue", "file", str(file), "--max-payload=5"), 8)
    assert said.startswith(f"{file}: line 2, column 1: the job holds 6 bytes, and 5 are allowed: queue where")
    assert "--max-payload" in said
    assert snapshot(plain) == {}
    assert len(lines(qw_client(redis_url, "queue", "file", str(file), "--max-payload=6"))) == 2
    assert "is no size" in complaint(qw_client(redis_url, "queue", "string", "{}", "--max-payload=much"), 2)


def test_of_a_typed_job_of_the_command(redis_url: str, plain: redis.Redis) -> None:
    """As it stands in Redis."""
    typed = ("--type=Text", "--app=tests.test_payload", "--max-payload=8")

    assert len(lines(qw_client(redis_url, "queue", "string", '{"text": "abcd"}', *typed))) == 1
    assert "the job holds 9 bytes" in complaint(qw_client(redis_url, "queue", "string", '{"text": "abcde"}', *typed), 8)
