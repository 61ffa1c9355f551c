"""One soak in one mode: a Redis and a manager of its own, looked at from its first job to its last."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, cast

import attrs
import redis

from qw.client import Client
from tests.conftest import Mode
from tests.soak.flow import Flow
from tests.soak.judge import Finding, judge, judge_empty
from tests.soak.samples import Samples, is_worker, look_at, processes_of
from tests.support.programs import ROOT
from tests.support.server import RedisServer
from tests.support.wait import wait_until

#: Looks in the course of a run.
LOOKS: Final = 100
WORKERS: Final = 2
#: Seconds that a manager may take to start, and to leave; without a job that ends; until the last results expire.
BRIEFLY: Final = 30.0
STALLED: Final = 60.0

#: What is in Redis while a manager is there and nothing else is.
_STANDING: Final = {"all:stats", "all:managers", "all:beats", "soak:workers"}


@attrs.frozen
class Soaked:
    """What came of one soak."""

    mode: Mode
    jobs: int
    seconds: float
    findings: list[Finding]
    #: What else is wrong: jobs that do not add up, keys that are left, processes that are not those of the start.
    wrong: list[str]

    @property
    def holds(self) -> bool:
        """Whether nothing grew, and nothing else is wrong."""
        return not (self.wrong or any(finding.wrong for finding in self.findings))


def soak(mode: Mode, jobs: int, seconds: float, show: Callable[[int], None], binary: str | None = None) -> Soaked:
    """Work off so many jobs, or those that can be queued in so many seconds; `show` is told how many are done."""
    with RedisServer(binary) as server, _manager(server, mode) as process:
        with redis.Redis.from_url(server.url, decode_responses=True) as plain, Client.from_url(server.url) as client:
            wait_until(lambda: _is_ready(process.pid, mode, plain), BRIEFLY, "a manager and its workers")
            flow, samples = Flow(plain, client, jobs), Samples()
            there = {**processes_of(process.pid), "producer": os.getpid()}
            empty, began = _used(plain), time.monotonic()
            _work_off(flow, began + seconds, lambda: _look(samples, flow.done, there, plain), show)
            took = time.monotonic() - began
            wrong = flow.accounts()
            with suppress(AssertionError):  # what is left then is told below
                wait_until(lambda: set(_keys(plain)) <= _STANDING, BRIEFLY)
            findings = [*judge(samples.series), judge_empty(empty, _used(plain), max(1, flow.done))]
            if {**processes_of(process.pid), "producer": os.getpid()} != there:
                wrong.append("a process was replaced, or has come or gone")
            process.terminate()
            if process.wait(BRIEFLY) != 0:
                wrong.append(f"the manager ended with {process.returncode}")
            wrong += [f"{key} is left in Redis" for key in _keys(plain) if key != "all:stats"]
        return Soaked(mode, flow.done, took, findings, wrong)


def _work_off(flow: Flow, until: float, look: Callable[[], None], show: Callable[[int], None]) -> None:
    """Turn the flow until it is over, with a look whenever another part of the jobs is done."""
    due = 0

    def turn() -> bool:
        nonlocal due
        if time.monotonic() > until:
            flow.stop()
        flow.turn()
        show(flow.done)
        if flow.done >= due:
            look()
            due = flow.done + max(1, flow.jobs // LOOKS)
        if flow.stands_still_for > STALLED:
            raise AssertionError(f"no job has come to its end for {STALLED:g} s: {flow.done} of {flow.queued}")
        return flow.is_over

    wait_until(turn, within=float("inf"))


def _is_ready(manager: int, mode: Mode, plain: redis.Redis) -> bool:
    """Tell whether all workers are known to Redis, and their processes, if they have any, are what they will be."""
    processes = WORKERS if mode == "processes" else 0
    return plain.scard("soak:workers") == WORKERS and sum(map(is_worker, processes_of(manager))) == processes


def _look(samples: Samples, done: int, there: dict[str, int], plain: redis.Redis) -> None:
    for who, pid in there.items():
        try:
            samples.note(done, who, look_at(pid))
        except OSError as error:
            raise AssertionError(f"{who} is gone after {done:,} jobs") from error
    connections = cast("dict[str, int]", plain.info("clients"))["connected_clients"]
    samples.note(done, "Redis", {"full": _used(plain), "connections": connections})


def _used(plain: redis.Redis) -> int:
    return cast("dict[str, int]", plain.info("memory"))["used_memory"]


def _keys(plain: redis.Redis) -> list[str]:
    return sorted(map(str, plain.scan_iter(count=1000)))


@contextmanager
def _manager(server: RedisServer, mode: Mode) -> Iterator[subprocess.Popen[bytes]]:
    """Have a `qw-manager` as a user starts it; where it does not do what it should, its log's last words are told."""
    options = ["--name=soak", f"--mode={mode}", f"--workers={WORKERS}", "--level=warn", "tests.soak.work:work"]
    path = Path(server.directory) / "manager.log"
    with (
        path.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "qw.manager", *options],
            cwd=ROOT,
            env={**os.environ, "QW_URL": server.url},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        except AssertionError as error:
            raise AssertionError(f"{error}; its log ends so:\n{path.read_text('utf-8', 'replace')[-2000:]}") from error
        finally:
            process.kill()
