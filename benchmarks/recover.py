"""
Measure how long it takes until a job runs again after what it ran in, or its Redis, was killed.

    python -m benchmarks.recover [--rounds N] [--long N]

Each is done N times in each mode, `--long` times where a whole lease of 15 s has to go by. Managers are processes of
their own, started as `qw-manager` is, on a Redis of their own that writes to disk (`appendfsync always`). Times are
from the kill to the first line of the target, by the clock that all processes share.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from argparse import RawDescriptionHelpFormatter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Final, get_args

import redis

from benchmarks import environment
from qw.client import Client
from qw.dispatcher import LEASE
from qw.prove.fleet import Member, Mode, Post, await_end
from qw.prove.ledger import Ledger, Run
from qw.prove.relay import Relay
from qw.prove.server import Server
from qw.prove.work import Work

#: Seconds that anything may take before it counts as broken.
_WITHIN: Final = 60.0
#: Milliseconds: a job that is still running whatever happens, and one that is done at once.
_LONG: Final = 40_000


class Scene:
    """A Redis and its managers, for one mode."""

    def __init__(self, directory: Path, stack: ExitStack, mode: Mode) -> None:
        self.server = Server(directory)
        self.server.start()
        stack.callback(self.server.kill)
        self.mode: Mode = mode
        self._directory = directory
        self._stack = stack
        self._numbers = count()
        self.client = Client.from_url(self.server.url)

    def manager(self, host: str, *, target: str = "qw.prove.work:work") -> Member:
        """Start a manager with one worker, on a host of that name; returns it when it takes jobs."""
        relay = Relay(self.server.port)
        self._stack.callback(relay.close)
        post = Post(f"m{next(self._numbers)}", self.mode, host)
        member = Member(post, relay, self._directory, LEASE, target=target, workers=1)
        self._stack.callback(member.kill)
        member.start()
        self.await_manager(member)
        return member

    def await_manager(self, member: Member) -> None:
        """Return when a manager has a worker that waits."""
        _await(lambda: _is_ready(self.server, member.post.name))

    def queue(self, ms: int, manager: str | None = None) -> str:
        """Queue a job that takes so many milliseconds; returns its id."""
        return self.client.queue_job(Work("wait", ms), manager)

    def runs(self, job_id: str) -> Sequence[Run]:
        """Return the runs of a job so far."""
        return Ledger(self._directory).read().get(job_id, [])

    def began_after(self, moment: float) -> float | None:
        """Return when the first run after a moment began."""
        begins = (run.began for runs in Ledger(self._directory).read().values() for run in runs)
        return min((began for began in begins if began > moment), default=None)

    def await_run(self, job_id: str, number: int = 1) -> Run:
        """Wait for the n-th run of a job to begin."""
        _await(lambda: len(self.runs(job_id)) >= number)
        return self.runs(job_id)[number - 1]


def _await(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + _WITHIN
    while not condition():
        if time.monotonic() > until:
            message = "this takes far too long: something is broken"
            raise TimeoutError(message)
        time.sleep(0.005)


def _is_ready(server: Server, name: str) -> bool:
    with redis.Redis(port=server.port) as plain:
        return bool(plain.scard(f"{name}:workers"))


@contextmanager
def scene(mode: Mode) -> Iterator[Scene]:
    """Make a scene, and end all of it."""
    with tempfile.TemporaryDirectory(prefix="qw-recover-") as directory, ExitStack() as stack:
        yield Scene(Path(directory), stack, mode)


def process_killed(mode: Mode) -> float:
    """Kill a worker process; it was the only one."""
    with scene(mode) as here:
        here.manager("a")
        job_id = here.queue(_LONG)
        run = here.await_run(job_id)
        killed = time.monotonic()
        os.kill(run.pid, signal.SIGKILL)
        return here.await_run(job_id, 2).began - killed


def manager_killed(mode: Mode, other_host: str) -> float:
    """Kill a manager while another one runs, on the same host or on another one."""
    with scene(mode) as here:
        first = here.manager("a")
        job_id = here.queue(_LONG)
        here.await_run(job_id)
        here.manager(other_host)
        killed = time.monotonic()
        first.kill()
        return here.await_run(job_id, 2).began - killed


def manager_restarted(mode: Mode) -> float:
    """Kill a manager, and start it again at once on the same host: the start of Python is in it."""
    with scene(mode) as here:
        first = here.manager("a")
        job_id = here.queue(_LONG)
        here.await_run(job_id)
        killed = time.monotonic()
        first.kill()
        first.start()
        return here.await_run(job_id, 2).began - killed


def redis_back(mode: Mode, waiting: int) -> float:
    """Kill Redis for two seconds, under a manager that is idle, or that has this many jobs before it."""
    with scene(mode) as here:
        here.manager("a")
        jobs = [Work("wait", 20) for _ in range(waiting + 1)]
        here.await_run(here.client.queue_jobs(jobs)[0])
        here.server.kill()
        time.sleep(2)
        here.server.start()
        back = time.monotonic()
        if not waiting:
            return here.await_run(here.queue(0)).began - back
        _await(lambda: here.began_after(back) is not None)
        return (here.began_after(back) or back) - back


def told_to_stop(mode: Mode) -> float:
    """Send SIGTERM while nothing is to be done."""
    with scene(mode) as here:
        member = here.manager("a")
        here.await_run(here.queue(0))
        time.sleep(0.2)
        told = time.monotonic()
        member.signal(signal.SIGTERM)
        if member.wait(_WITHIN) != 0:
            message = "it did not leave"
            raise TimeoutError(message)
        return time.monotonic() - told


def orphans_gone(mode: Mode) -> float:
    """Kill a manager while its worker holds the interpreter's lock, in C."""
    with scene(mode) as here:
        member = here.manager("a", target="benchmarks.hog:hog")
        job_id = here.client.queue_job({"a": "b"})
        here.await_run(job_id)
        left = member.kill()
        gone = await_end(left, _WITHIN)
        if gone is None:
            message = "they are still there"
            raise TimeoutError(message)
        return gone


Measure = Callable[[Mode], float]

#: What is measured, whether a lease goes by in it, in which modes, and how.
FIGURES: Final[Sequence[tuple[str, bool, Sequence[Mode], Measure]]] = (
    ("worker process killed -> its job runs again", False, ("processes",), process_killed),
    ("manager killed -> runs with its neighbour", False, get_args(Mode), lambda mode: manager_killed(mode, "a")),
    ("manager killed and started again -> runs", False, get_args(Mode), manager_restarted),
    ("manager killed -> runs on another host", True, get_args(Mode), lambda mode: manager_killed(mode, "b")),
    ("Redis back -> a job runs, idle before", False, get_args(Mode), lambda mode: redis_back(mode, 0)),
    ("Redis back -> a job runs, busy before", False, get_args(Mode), lambda mode: redis_back(mode, 500)),
    ("SIGTERM, idle -> gone", False, get_args(Mode), told_to_stop),
    ("manager killed, GIL held -> no process left", False, ("processes",), orphans_gone),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure all, print the table, return the exit code."""
    parser = argparse.ArgumentParser("benchmarks.recover", None, __doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="how often each is done in each mode")
    parser.add_argument("--long", type=int, default=3, help="how often what takes a lease is")
    options = parser.parse_args(arguments)
    with scene("threads") as here:
        environment.show(
            {"machine": environment.machine(), "versions": environment.versions(here.server.binary.version)}
        )
    for what, is_long, modes, measure in FIGURES:
        for mode in modes:
            times = [measure(mode) for _ in range(options.long if is_long else options.rounds)]
            said = f"median {statistics.median(times):7.3f} s, {min(times):.3f} to {max(times):.3f}"
            print(f"{what:<46} {mode:<10} {said}  ({len(times)})", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
