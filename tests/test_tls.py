"""Work over TLS, where a connection that has something to read may have no reply, and the reverse."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import attrs
import pytest
import redis

from qw.client import Client
from qw.job import Job
from qw.manager import Manager
from tests.conftest import Mode
from tests.support.managers import jobs_in, stat
from tests.support.programs import run_python
from tests.support.tls import Certificates, TlsServer, find_openssl, serving, speaks_tls
from tests.support.wait import wait_until

#: Characters of a job: more than one record of TLS holds (16 KiB).
SIZE: Final = 20_000
JOBS: Final = 200

COMMANDS: Final = pytest.mark.parametrize("command", ["client", "manager"])

pytestmark = pytest.mark.slow


@attrs.frozen
class Echo(Job[str]):
    """Return a text."""

    text: str


def echo(job: Echo) -> str:
    """Return it."""
    return job.text


@pytest.fixture(scope="module")
def tls(redis_binary: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsServer]:
    """Return a server with TLS; without openssl, skip on a laptop and fail in CI."""
    if not speaks_tls(redis_binary):
        pytest.skip(f"{redis_binary} was built without TLS")
    openssl = find_openssl()
    if openssl is None:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end("no openssl: put one on PATH")
    certificates = Certificates(tmp_path_factory.mktemp("tls"))
    certificates.make(openssl)
    with serving(redis_binary, certificates) as server:
        yield server


@pytest.fixture
def plain(tls: TlsServer) -> Iterator[redis.Redis]:
    """Return a client of its plain port; the database is empty."""
    with redis.Redis.from_url(tls.server.url) as made:
        made.flushall()
        yield made


@pytest.fixture
def client(tls: TlsServer) -> Iterator[Client]:
    """Return qw's client, over TLS."""
    with Client.from_url(tls.url) as made:
        yield made


def texts(number: int) -> list[str]:
    """Return so many different ones."""
    return [f"{n}:".ljust(SIZE, "x") for n in range(number)]


def test_large_jobs_and_large_results(tls: TlsServer, client: Client, mode: Mode, plain: redis.Redis) -> None:
    """More than one record each, both ways; a manager and a client."""
    with Manager(echo, num_workers=2, name="web", mode=mode, url=tls.url):
        ids = client.queue_jobs(Echo(text) for text in texts(JOBS))
        assert client.wait_jobs(ids, timeout=30) == texts(JOBS)
        wait_until(lambda: stat(plain, "finished") == JOBS)

    assert {key for key in jobs_in(plain) if not key.startswith("result:")} == set()


def test_connections_that_are_cut(tls: TlsServer, client: Client, mode: Mode, plain: redis.Redis) -> None:
    """Again and again, while jobs are run and waited for: all of them come to their end."""
    with Manager(echo, num_workers=2, name="web", mode=mode, url=tls.url):
        for _ in range(5):
            ids = client.queue_jobs(Echo(text) for text in texts(JOBS // 5))
            for kind in ("normal", "pubsub"):
                plain.execute_command("CLIENT", "KILL", "TYPE", kind)
            assert client.wait_jobs(ids, timeout=30) == texts(JOBS // 5)
        wait_until(lambda: stat(plain, "finished") == JOBS)

    assert {key for key in jobs_in(plain) if not key.startswith("result:")} == set()


class TestRefused:
    """What cannot be is said in one line, with the exit code of a Redis that does not answer."""

    @COMMANDS
    def test_an_authority_that_nobody_knows(self, tls: TlsServer, command: str) -> None:
        """A certificate is not taken on trust."""
        assert "certificate verify failed" in complaint(command, f"rediss://127.0.0.1:{tls.port}/0")

    @COMMANDS
    def test_an_authority_that_is_not_there(self, tls: TlsServer, command: str, tmp_path: Path) -> None:
        """Nor is one forgotten whose file is missing."""
        complaint(command, f"rediss://127.0.0.1:{tls.port}/0?ssl_ca_certs={tmp_path / 'none.crt'}")

    @COMMANDS
    def test_without_tls_where_there_is_some(self, tls: TlsServer, command: str) -> None:
        """The server hangs up."""
        complaint(command, f"redis://127.0.0.1:{tls.port}/0")

    def test_with_tls_where_there_is_none(self, tls: TlsServer) -> None:
        """The server answers nothing, or what is no TLS: after five seconds that is enough."""
        complaint("client", f"rediss://127.0.0.1:{tls.server.port}/0")


def complaint(command: str, url: str) -> str:
    """Return the one line with which a command ends that finds no Redis at this URL."""
    arguments = ["managers"] if command == "client" else ["tests.support.targets:succeed"]
    done = run_python("-m", f"qw.{command}", f"--url={url}", *arguments)
    assert done.returncode == 4, done.stderr
    (line,) = done.stderr.splitlines()
    shown = url.partition("?")[0]
    assert line.startswith(f"qw-{command}: {shown}: Redis does not answer: ")
    return line
