"""
The keeper of an embedded Redis: a small process that starts the server, and ends it when its last user is gone.

    user ──shared lock──┐
    user ──shared lock──┼──▶ <state>/users ◀──waits for the exclusive lock── keeper ──parent of──▶ redis-server
    user ──shared lock──┘

The kernel drops a lock when its process ends, however it ends: so the keeper gets the exclusive one
when nobody uses the server any more, after `kill -9` too. It holds it until the server has written
everything and is gone. Who comes meanwhile waits at that lock, and then starts a new server.

A keeper that is killed takes the server along on Linux; elsewhere the server runs on until the next keeper ends it.
The users find Redis gone then, until one of them opens the directory again. A server that ends by itself, or
is killed, is started again at once.

Four files in the state directory are only ever locked (`lockf`, which forked children do not inherit):

    users         shared by each user; exclusive for the keeper, while the server ends
    start.lock    by a user, while it looks whether a server must be started, and starts it
    keeper.lock   by the keeper, as long as it lives
    server.lock   by redis-server itself, as such a lock outlives `exec`: never two servers on the same files

It runs by its path, without `site` and without the rest of qw, to be there within milliseconds.
"""

# ruff: noqa: PTH106, PTH108, PTH109, PTH120
# To import pathlib would take longer than all the rest.

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import threading
import time
from typing import Final

USERS: Final = "users"
START_LOCK: Final = "start.lock"
KEEPER_LOCK: Final = "keeper.lock"
SERVER_LOCK: Final = "server.lock"

#: Seconds that a server has to end by itself. All it was told is written already; fsync can be slow.
END_WITHIN: Final = 30.0

#: A server that ended by itself is started again, but not more often than this in so many seconds.
STARTS: Final = 5
STARTS_WITHIN: Final = 60.0

# A terminal, or a service manager that stops a whole group, sends these to the keeper as well. Its users decide.
# They are blocked, not ignored: a child that starts by ignoring SIGTERM could miss the one that is to end it.
_NOT_FOR_US: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# From <linux/prctl.h>: the signal that the kernel sends to a process when its parent has died.
_PR_SET_PDEATHSIG: Final = 1


def hold(path: str | os.PathLike[str], how: int) -> int:
    """
    Open `path`, lock it, and return the descriptor: to close it, or any other one of that file, drops the lock.

    `how` is one of `fcntl.LOCK_…`. Raises `OSError`; with `LOCK_NB` `BlockingIOError` if another process has the lock.
    """
    number = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.lockf(number, how)
    except BaseException:
        os.close(number)
        raise
    return number


def is_held(path: str | os.PathLike[str]) -> bool:
    """Tell whether another process has locked `path`. Not to be asked by the one that has: that drops the lock."""
    try:
        os.close(hold(path, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except BlockingIOError:
        return True
    return False


class Keeper:
    """
    One server and its end.

    1. Starts redis-server, as a child that ends when the keeper is killed.
    2. Starts it again when it ends by itself while there are users.
    3. Waits for the last user, ends the server, and returns.
    """

    def __init__(self, command: list[str]) -> None:
        self._command = command
        self._starts: list[float] = []
        # Between the two threads: one starts the server, the other ends it for good.
        self._guard = threading.Lock()
        self._leaving = False
        self._pid = 0

    def run(self) -> None:
        """Return when the last user is gone and the server too, or when the server cannot be run."""
        self._start()
        threading.Thread(target=self._end_after_last_user, daemon=True).start()
        while self._goes_on(os.waitpid(self._pid, 0)[1]):
            pass

    def _start(self) -> None:
        self._starts.append(time.monotonic())
        self._pid = spawn(self._command)

    def _goes_on(self, status: int) -> bool:
        """Start the server again, now that it has ended with `status`, or return False."""
        with self._guard:
            # Redis ends with 1 when it cannot work with these files: it would not be able to a second time.
            unable = os.WIFEXITED(status) and os.WEXITSTATUS(status) != 0
            if self._leaving or unable or self._starts_too_often():
                return False
            self._start()
            return True

    def _starts_too_often(self) -> bool:
        return len(self._starts) >= STARTS and time.monotonic() - self._starts[-STARTS] < STARTS_WITHIN

    def _end_after_last_user(self) -> None:
        hold(USERS, fcntl.LOCK_EX)
        with self._guard:
            self._leaving = True
            self._send(signal.SIGTERM)
        time.sleep(END_WITHIN)  # the process is gone long before, if all is well
        self._send(signal.SIGKILL)

    def _send(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, number)


def spawn(command: list[str]) -> int:
    """Start the server in the working directory, its output going to standard error; return its pid."""
    keeper = os.getpid()
    pid = os.fork()
    if pid == 0:
        try:
            _become_server(command, keeper)
        except BaseException as error:  # noqa: BLE001 - nothing of the keeper may go on in its child
            os.write(2, f"cannot run {command[0]}: {error}\n".encode("utf-8", "backslashreplace"))
        finally:
            os._exit(1)
    return pid


def _become_server(command: list[str], keeper: int) -> None:
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _end_with(keeper)
    os.dup2(2, 1)
    # The wait here is for a server whose keeper was killed, and which is still writing.
    os.set_inheritable(hold(SERVER_LOCK, fcntl.LOCK_EX), True)
    os.execv(command[0], command)  # noqa: S606 - no shell is what is wanted


def _end_with(keeper: int) -> None:
    """Have the kernel send SIGTERM when the keeper dies. Where it cannot, the next keeper ends the server."""
    if sys.platform == "linux":
        with contextlib.suppress(ImportError, OSError, AttributeError):
            import ctypes  # a Python may have been built without it

            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != keeper:  # it died before that call
        os._exit(1)


def end_orphan(path: str) -> None:
    """End a server that has outlived its keeper, and take its socket away, so that no user takes it for the new one."""
    if is_held(SERVER_LOCK):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as orphan:
            orphan.settimeout(1.0)
            orphan.connect(path)
            orphan.sendall(b"SHUTDOWN\r\n")
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def arguments(path: str) -> list[str]:
    """Return the server's settings: it listens at the socket `path` only, and writes down each change."""
    settings = {
        "port": "0",
        "unixsocket": path,
        "unixsocketperm": "700",
        "dir": os.getcwd(),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "daemonize": "no",
    }
    return [word for name, value in settings.items() for word in (f"--{name}", value)]


def main() -> None:
    """
    Keep a server: `keeper.py <redis-server> <socket>`, in the state directory.

    Writes one byte to standard output when the server is about to listen; ends without when another keeper was faster.
    """
    binary, path = sys.argv[1:]
    if os.fork():
        os._exit(0)  # the user waits for this process, and is not the parent of the other
    signal.pthread_sigmask(signal.SIG_SETMASK, _NOT_FOR_US)
    for number in (signal.SIGCHLD, *_NOT_FOR_US):  # who started it may have ignored them
        signal.signal(number, signal.SIG_DFL)
    try:
        hold(KEEPER_LOCK, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return
    end_orphan(path)
    with contextlib.suppress(BrokenPipeError):  # the user may be gone; there may be others
        os.write(1, b"\n")
    os.dup2(2, 1)
    Keeper([binary, *arguments(path)]).run()
    with contextlib.suppress(OSError):
        os.rmdir(os.path.dirname(path))  # only a short path's own directory is empty


if __name__ == "__main__":
    main()
