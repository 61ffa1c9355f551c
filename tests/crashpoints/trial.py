"""One run of the scenario with its faults, and what is found afterwards."""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Collection, Sequence
from contextlib import suppress
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Final

import attrs
import redis

from qw.client import Client
from qw.errors import QwError
from tests.conftest import Mode
from tests.crashpoints.dead import Dead
from tests.crashpoints.relay import Point, Relay
from tests.crashpoints.scenario import (
    BURIED,
    DELAY,
    DELAYED,
    LEASE_AFTER,
    LETTER,
    ORPHAN,
    USUAL_RUNS,
    Place,
    Victim,
    groups,
    job,
    start,
)
from tests.support.keyspace import Value, snapshot
from tests.support.server import RedisServer
from tests.support.targets import written
from tests.support.wait import wait_until

#: Seconds for anything that is waited for: long beside what it takes, short beside a lease that nobody can end early.
PATIENCE: Final = 10.0


@attrs.define
class Finding:
    """What a trial has come to."""

    mode: Mode
    points: Sequence[Point]
    #: How many of the points came.
    reached: int = 0
    names: Sequence[str] = ()
    runs: int = 0
    lost: list[str] = attrs.field(factory=list)
    left: dict[str, Value] = attrs.field(factory=dict)
    explained: list[str] = attrs.field(factory=list)
    unexplained: list[str] = attrs.field(factory=list)
    trouble: str = ""
    log: str = ""

    @property
    def bad(self) -> bool:
        """Whether something is wrong."""
        return bool(self.lost or self.left or self.unexplained or self.trouble)


def lives(points: Sequence[Point]) -> list[list[Point]]:
    """Return the points that strike each manager: one that was killed is followed by another."""
    out: list[list[Point]] = [[]]
    for point in points:
        out[-1].append(point)
        if point.fault == "kill":
            out.append([])
    return out if out[-1] or len(out) == 1 else out[:-1]


class Trial:
    """Runs of the scenario: managers are struck, one after the other, and a healthy one does what is left."""

    def __init__(self, context: ForkServerContext, server: RedisServer, directory: Path) -> None:
        self._context = context
        self._server = server
        self._plain = redis.Redis.from_url(server.url)
        self._client = Client.from_url(server.url)
        self._directory = directory
        self._number = itertools.count()

    def run(self, mode: Mode, points: Sequence[Point]) -> Finding:
        """Run it once; no point: the dry run."""
        self._plain.flushall()
        self._plain.script_flush()
        run = _Run(self._directory / f"{next(self._number)}", mode, {ORPHAN}.union(*groups(mode)))
        finding = Finding(mode, points)
        dead = Dead("web")
        try:
            self._queue(run, {ORPHAN: "nothing"})
            dead.claims(self._plain, ORPHAN)
            for life in lives(points):
                self._live(run, finding, life)
            dead.is_forgotten(self._plain)
            self._recover(run)
        except AssertionError as error:
            finding.trouble = str(error)
        finally:
            dead.file.unlink(missing_ok=True)
        self._judge(run, finding)
        return finding

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        self._plain.close()

    # -- one manager's life -------------------------------------------------------------------------

    def _live(self, run: _Run, finding: Finding, points: Sequence[Point]) -> None:
        victims: list[Victim] = []

        def kill() -> None:
            victims[0].kill()

        with Relay(self._server.port, points, kill) as relay:
            victims.append(start(self._context, run.place(f"redis://127.0.0.1:{relay.port}/0")))
            try:
                self._give_work(run, relay, victims[0])
            finally:
                victims[0].stop()
                in_time = victims[0].end(PATIENCE)
        run.applied += relay.applied
        finding.reached += relay.struck
        finding.names = relay.names
        assert in_time, "the manager did not leave"

    def _give_work(self, run: _Run, relay: Relay, victim: Victim) -> None:
        def blocked() -> bool:
            return relay.armed > 0 or not victim.is_alive

        def ended() -> bool:
            return self._over(run.queued) or not victim.is_alive

        for group in run.unqueued():
            wait_until(blocked, PATIENCE, "a manager that waits for jobs")
            if not victim.is_alive:
                return
            self._queue(run, group)
            wait_until(ended, PATIENCE, f"an end of {', '.join(group)}")
        wait_until(ended, PATIENCE, "an end of all jobs")

    def _queue(self, run: _Run, group: dict[str, str]) -> None:
        jobs = [job(do, str(run.ledger)) for do in group.values()]
        run.queued.update(group)
        if LETTER in group:
            for worker in sorted(self._client.get_manager_workers("web"))[-1:]:
                with suppress(QwError):
                    self._client.queue_jobs(jobs, worker=worker, ids=list(group))
                    return
        self._client.queue_jobs(jobs, ids=list(group), delay=DELAY if DELAYED in group else None)

    def _over(self, ids: Collection[str]) -> bool:
        """Whether each job is buried, or has left nothing but its result."""
        pipe = self._plain.pipeline(transaction=False)
        for job_id in ids:
            pipe.exists(f"job:{job_id}")
            pipe.zscore("all:dead", job_id)
        said = pipe.execute()
        return all(not there or dead is not None for there, dead in zip(said[::2], said[1::2], strict=True))

    def _recover(self, run: _Run) -> None:
        """Let a healthy manager finish the rest."""
        for group in run.unqueued():
            self._queue(run, group)
        if self._over(run.ids) and not self._left(run):
            return
        before = self._starts()
        healthy = start(self._context, attrs.evolve(run.place(self._server.url), lease=LEASE_AFTER))
        try:
            wait_until(lambda: self._over(run.ids), PATIENCE, "all jobs to be over after the recovery")
            wait_until(lambda: self._starts() and not before & self._starts(), PATIENCE, "the dead to be forgotten")
        finally:
            healthy.stop()
            in_time = healthy.end(PATIENCE)
        assert in_time, "the manager that recovered did not leave"

    def _starts(self) -> set[str]:
        return set(snapshot(self._plain).get("all:beats", ()))

    # -- what is found ------------------------------------------------------------------------------

    def _left(self, run: _Run) -> dict[str, Value]:
        """Return the keys that should not be there."""
        buried = {name for name in BURIED if name in run.ids}
        own = {"all:stats", "all:dead", "result:result"}
        own |= {key for name in buried for key in (f"job:{name}", f"result:{name}")}
        return {key: value for key, value in snapshot(self._plain).items() if key not in own}

    def _judge(self, run: _Run, finding: Finding) -> None:
        starts, ends, mine = run.read()
        finding.runs = sum(starts.values())
        finding.left = self._left(run)
        for job_id in run.ids:
            if not self._is_accounted_for(job_id, ends):
                finding.lost.append(job_id)
            extra = starts[job_id] - USUAL_RUNS.get(job_id, 1)
            if extra <= 0:
                continue
            # A manager that was struck had started it, and Redis had not taken the outcome.
            open_runs = max(0, starts[job_id] - run.applied[job_id]) if finding.points else 0
            why = f"{job_id}: {starts[job_id]} runs by {mine[job_id]}, {run.applied[job_id]} outcomes taken"
            fits = extra <= min(open_runs, sum(point.fault == "kill" for point in finding.points))
            (finding.explained if fits else finding.unexplained).append(why)
        finding.log = run.log.read_text("utf-8", "replace") if run.log.exists() else ""

    def _is_accounted_for(self, job_id: str, ends: Counter[str]) -> bool:
        if job_id in BURIED:
            error = self._plain.hget(f"job:{job_id}", "qw:error") or b""
            return self._plain.zscore("all:dead", job_id) is not None and BURIED[job_id].encode() in error
        if job_id == "result" and not self._plain.exists("result:result"):
            return False
        return ends[job_id] > 0


@attrs.define
class _Run:
    """What belongs to one trial alone."""

    stem: Path
    mode: Mode
    ids: set[str]
    queued: set[str] = attrs.field(factory=set)
    applied: Counter[str] = attrs.field(factory=Counter)

    @property
    def ledger(self) -> Path:
        return self.stem.with_suffix(".ledger")

    @property
    def log(self) -> Path:
        return self.stem.with_suffix(".log")

    def place(self, url: str) -> Place:
        return Place(url, "web", self.mode, str(self.log))

    def unqueued(self) -> list[dict[str, str]]:
        return [group for group in groups(self.mode) if not self.queued.issuperset(group)]

    def read(self) -> tuple[Counter[str], Counter[str], dict[str, list[str]]]:
        starts: Counter[str] = Counter()
        ends: Counter[str] = Counter()
        by: dict[str, list[str]] = {}
        for line in written(self.ledger):
            what, job_id, worker = json.loads(line)
            (starts if what == "start" else ends)[job_id] += 1
            if what == "start":
                by.setdefault(job_id, []).append(worker)
        return starts, ends, by
