"""A Redis server of the benchmarks' own, so that nobody else's is touched and nobody else's jobs are measured."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import takewhile
from pathlib import Path

import redis

from benchmarks.delay import delayed
from benchmarks.waiting import wait_until
from qw.client import Client
from qw.embedded_binary import newest_binary

#: A free port may be taken by somebody else before the server listens on it.
ATTEMPTS = 3

#: Said to the server where listening to it ends.
OVER = "qw-bench-over"

#: Seconds that an empty server may take to answer.
START = 20.0


class Server:
    """
    A `redis-server` that keeps nothing on disk, on a free port of the loopback interface.

    1. Is started by `with`, and gone after it.
    2. Makes clients of itself.
    3. Says what it has spent, for the measurements.

    `latency`: milliseconds that a round trip takes longer, for all who find it by `url`.
    """

    def __init__(self, latency: float = 0.0) -> None:
        self._latency = latency
        self._stack = ExitStack()
        self.binary = newest_binary()
        self.port = self.entrance = 0
        self._directory = tempfile.TemporaryDirectory(prefix="qw-bench-")
        self._process: subprocess.Popen[bytes] | None = None
        self._admin = redis.Redis()

    @property
    def url(self) -> str:
        """The URL of its database 0."""
        return f"redis://127.0.0.1:{self.entrance}/0"

    @property
    def socket(self) -> str:
        """The unix socket that leads to it without any delay."""
        return str(self._path / "redis.sock")

    @property
    def process_id(self) -> int:
        """The server's own process."""
        return self._process.pid if self._process else 0

    @property
    def distance(self) -> str:
        """What is to be said of the way to it."""
        return f", a round trip made {self._latency:g} ms longer" if self._latency else ""

    @property
    def version(self) -> str:
        """Its version, such as `7.0.15`."""
        return self.binary.version

    def client(self) -> Client:
        """Return a client of qw's."""
        return Client.from_url(self.url)

    def redis(self) -> redis.Redis:
        """Return redis-py's own client."""
        return redis.Redis.from_url(self.url)

    def flush(self) -> None:
        """Forget everything."""
        self._admin.flushall()

    def keys(self) -> int:
        """Return how many keys there are."""
        return self._admin.dbsize()

    def expect_keys(self, count: int) -> None:
        """Raise `RuntimeError` unless there are so many keys: else what was measured is not what was meant."""
        if self.keys() != count:
            raise RuntimeError(f"Redis holds {self.keys()} keys where {count} should be: jobs are missing, or not done")

    def expect_no_jobs(self) -> None:
        """Raise `RuntimeError` when there is anything but counters."""
        self._admin.delete("all:stats")
        self.expect_keys(0)

    def cpu(self) -> float:
        """Return the seconds of CPU that it has used so far."""
        said = self._admin.info("cpu")
        return float(said["used_cpu_user"]) + float(said["used_cpu_sys"])

    def memory(self) -> int:
        """Return the bytes that what it holds takes, without what its allocator keeps."""
        return int(self._admin.info("memory")["used_memory"])

    @contextmanager
    def listening(self) -> Iterator[Callable[[], int]]:
        """Count what others ask of it over TCP, but for what their scripts do; yields what says how much that was."""
        with self._admin.monitor() as monitor:

            def heard() -> int:
                self._admin.echo(OVER)
                said = iter(monitor.next_command, None)
                return sum(command["client_type"] == "tcp" for command in takewhile(_goes_on, said))

            yield heard

    def __enter__(self) -> Server:
        for _ in range(ATTEMPTS):
            if self._starts():
                self.entrance = self.port
                if self._latency:
                    self.entrance = self._stack.enter_context(delayed(self.port, self._latency))
                return self
        log = (self._path / "log").read_text("utf-8", "replace")
        self.close()
        raise RuntimeError(f"{self.binary.path} did not start; its last words:\n{log[-1000:]}")

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Kill it, and remove its directory."""
        self._stack.close()
        self._admin.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._directory.cleanup()

    @property
    def _path(self) -> Path:
        return Path(self._directory.name)

    def _starts(self) -> bool:
        self.port = _free_port()
        with (self._path / "log").open("wb") as log:
            # In a session of its own: Ctrl-C is for those who ask it, which need it until they have ended.
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, start_new_session=True)
        # Not by the port, which might be somebody else's by now; it has the socket only once it has the port.
        process = self._process
        wait_until(lambda: process.poll() is not None or _answers(self.socket), "an answer of redis-server", START)
        self._admin = redis.Redis(unix_socket_path=self.socket)
        return process.poll() is None

    def _command(self) -> list[str]:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": self.socket,
            "dir": str(self._path),
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
        }
        return [self.binary.path, *(word for name, value in settings.items() for word in (f"--{name}", value))]


def _goes_on(command: Mapping[str, str]) -> bool:
    return OVER not in command["command"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _answers(path: str) -> bool:
    try:
        with redis.Redis(unix_socket_path=path) as client:
            return client.ping() is True
    except redis.RedisError:
        return False
