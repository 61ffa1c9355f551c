"""The managers of a trial: each a `qw-manager` as a user starts it, and started again when it has gone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

import attrs

from qw.prove.relay import Relay
from qw.prove.work import LEDGER_VARIABLE

Mode = Literal["processes", "threads"]

#: Seconds of silence after which a manager of the fleet is dead for the others.
LEASE: Final = 5.0
#: Seconds that a manager gives to what runs, when it is told to stop.
GRACE: Final = 2.0
#: Workers of a manager.
WORKERS: Final = 2


@attrs.frozen
class Post:
    """A manager's place in the fleet: what stays the same when it is started anew."""

    name: str
    mode: Mode
    #: Those with the same one know of each other's death at once, as on one host. Empty: on another one at each start.
    host: str


#: A pair on one host; one alone, which learns of its own death when it is started again; one that always moves on, so
#: that its death is known by its silence only.
POSTS: Final = (
    Post("kiwi", "processes", "north"),
    Post("lime", "threads", "north"),
    Post("plum", "processes", "south"),
    Post("fig", "threads", ""),
)


class Member:
    """A manager that runs, or that is to be started again."""

    def __init__(
        self,
        post: Post,
        relay: Relay,
        directory: Path,
        lease: float,
        *,
        target: str = "qw.prove.work:work",
        workers: int = WORKERS,
    ) -> None:
        self.post = post
        self.relay = relay
        self._directory = directory
        self._lease = lease
        self._target = target
        self._workers = workers
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self.is_paused = False
        #: Seconds, `time.monotonic`: when it is to be started again.
        self.due: float | None = None

    @property
    def runs(self) -> bool:
        """Whether it has a process."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """Its process, if it runs."""
        return self._process.pid if self._process is not None and self.runs else None

    def start(self) -> None:
        """Start it."""
        self._starts += 1
        runtime = self._directory / "hosts" / (self.post.host or f"{self.post.name}-{self._starts}")
        runtime.mkdir(mode=0o700, parents=True, exist_ok=True)
        environment = {
            **os.environ,
            "XDG_RUNTIME_DIR": str(runtime),
            LEDGER_VARIABLE: str(self._directory),
            "QW_URL": self.relay.url,
        }
        options = [
            f"--name={self.post.name}",
            f"--mode={self.post.mode}",
            f"--workers={self._workers}",
            f"--grace={GRACE}",
        ]
        with (self._directory / f"{self.post.name}.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - this Python, with qw
                [sys.executable, "-m", "qw.manager", *options, f"--lease={self._lease}", self._target],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.is_paused, self.due = False, None

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; one that was stopped gets to see it."""
        if self._process is not None and self.runs:
            self._process.send_signal(number)
            if number not in (signal.SIGSTOP, signal.SIGCONT):
                self._process.send_signal(signal.SIGCONT)

    def kill(self) -> list[int]:
        """Kill it (SIGKILL); returns which processes it leaves behind."""
        if self._process is None or not self.runs:
            return []
        children = [pid for pid in members(self._process.pid) if pid != self._process.pid]
        self._process.kill()
        self._process.wait()
        return children

    def workers(self) -> Sequence[int]:
        """Return its worker processes: each leads a group of its own in the manager's session."""
        pid = self.pid
        return [] if pid is None else [each for each in members(pid) if each != pid and _group(each) == each]

    def wait(self, within: float) -> int | None:
        """Wait for its end; returns the exit code, None when it has not ended."""
        if self._process is None:
            return None
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(within)
        return None


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def members(session: int) -> list[int]:
    """Return the processes of a session that are not dead yet."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            # After the name, which may hold anything: state, parent, group, session.
            state, *_, its_session = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()[:4]
            if int(its_session) == session and state not in "ZX":
                found.append(int(entry.name))
    return found


def is_there(pid: int) -> bool:
    """Tell whether a process is there and not dead."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()[0] not in "ZX"
    return False


def await_end(pids: Sequence[int], within: float) -> float | None:
    """Wait until processes are gone; returns after how many seconds, None when one is still there."""
    began = time.monotonic()
    while any(map(is_there, pids)):
        if time.monotonic() - began > within:
            return None
        time.sleep(0.01)
    return time.monotonic() - began
