"""The Redis of a trial: killed, stopped and started again, on the same port and with what it had on disk."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from qw.embedded_binary import newest_binary
from qw.errors import EmbeddedError

#: Seconds in which it has to answer after its start; it reads what is on disk.
_WITHIN: Final = 30.0
#: Seconds between two looks whether it answers.
_PAUSE: Final = 0.01


class Server:
    """
    A redis-server with an append-only file, on a free port.

    Each write is on disk before it is answered (`appendfsync always`). With `everysec` Redis may put off its writes
    behind a slow disk, and forget in a crash what it has answered: that would be Redis's loss, not a queue's.
    """

    def __init__(self, directory: Path) -> None:
        self.binary = newest_binary()
        self._directory = directory
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where it is, without any relay."""
        return f"redis://127.0.0.1:{self.port}/0"

    def launch(self) -> None:
        """Start it, and do not wait for it."""
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "dir": str(self._directory),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - the user's own redis-server
                [self.binary.path, *(word for name, value in settings.items() for word in (f"--{name}", value))],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> None:
        """Start it, and return when it answers."""
        self.launch()
        until = time.monotonic() + _WITHIN
        while not self.answers():
            if time.monotonic() > until or self._process is None or self._process.poll() is not None:
                raise EmbeddedError(f"the Redis of the trial does not start: see {self._directory}/redis.log")
            time.sleep(_PAUSE)

    def answers(self) -> bool:
        """Tell whether it takes commands."""
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1) as connection:
            connection.settimeout(1)
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
        return False

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Let it hang (SIGSTOP)."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on (SIGCONT)."""
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)
