"""All trials, in two lanes, and what they come to."""

from __future__ import annotations

import itertools
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, get_args

import attrs

from tests.conftest import Mode
from tests.crashpoints.relay import Fault, Phase, Point
from tests.crashpoints.scenario import RESCUES, forkserver
from tests.crashpoints.trial import Finding, Trial
from tests.support.server import RedisServer

#: How many trials run at a time, each lane with a Redis of its own.
LANES: Final = 4
#: How often a trial is tried whose point did not come: what a manager sends depends a little on time.
TRIES: Final = 3

#: After so many trials that went wrong it is plain that something is, and each may take long.
ENOUGH: Final = 10

#: A trial to be made: the mode and its points.
Order = tuple[Mode, tuple[Point, ...]]


def faults() -> Sequence[Fault]:
    """Return what can be done to a manager that another one can make good."""
    return get_args(Fault) if RESCUES else ("cut",)


def numbered(names: Iterable[str]) -> list[tuple[str, int]]:
    """Count the commands of one name."""
    seen: dict[str, int] = {}
    out: list[tuple[str, int]] = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        out.append((name, seen[name]))
    return out


def select(commands: Sequence[tuple[str, int]], most: int | None) -> list[tuple[str, int]]:
    """Return all, or of each name the first `most`: the others are like them."""
    return [(name, n) for name, n in commands if most is None or n <= most]


def points(commands: Sequence[tuple[str, int]], faults: Iterable[Fault]) -> Iterator[Point]:
    """Return each command in each phase with each fault."""
    for fault, (name, number), phase in itertools.product(faults, commands, get_args(Phase)):
        # For who is dead it makes no difference how much of the answer came.
        if (fault, phase) != ("kill", "torn"):
            yield Point(name, number, phase, fault)


@attrs.define
class Table:
    """What was found, in sum and in detail."""

    findings: list[Finding] = attrs.field(factory=list)

    @property
    def bad(self) -> list[Finding]:
        """Return the trials in which something is wrong."""
        return [finding for finding in self.findings if finding.bad]

    @property
    def missed(self) -> list[Finding]:
        """Return the trials whose points did not come."""
        return [finding for finding in self.findings if finding.reached < len(finding.points)]

    def lines(self) -> Iterator[str]:
        """Return the table, and below it what is wrong."""
        heads = ("mode", "fault", "points", "reached", "runs", "lost", "keys left", "explained", "unexplained", "stuck")
        yield "".join(f"{head:>12}" for head in heads)
        for (mode, fault), group in self._groups():
            cells: list[object] = [mode, fault, len(group), sum(f.reached == len(f.points) for f in group)]
            cells += [sum(f.runs for f in group), sum(len(f.lost) for f in group), sum(len(f.left) for f in group)]
            cells += [sum(len(f.explained) for f in group), sum(len(f.unexplained) for f in group)]
            cells += [sum(bool(f.trouble) for f in group)]
            yield "".join(f"{cell!s:>12}" for cell in cells)
        for finding in self.bad:
            yield f"\n{finding.mode}: {' then '.join(map(str, finding.points)) or 'dry run'}"
            yield f"  lost={finding.lost} left={finding.left} unexplained={finding.unexplained} {finding.trouble}"
            yield from (f"    {line}" for line in finding.log.splitlines()[-40:])

    def _groups(self) -> Iterator[tuple[tuple[str, str], list[Finding]]]:
        def kind(finding: Finding) -> tuple[str, str]:
            return finding.mode, "+".join(point.fault for point in finding.points) or "none"

        for key, group in itertools.groupby(sorted(self.findings, key=kind), kind):
            yield key, list(group)


class Lanes:
    """Where trials run: each lane is a thread with a Redis and a directory of its own."""

    def __init__(self, directory: Path, binary: str | None = None) -> None:
        self._context = forkserver()
        self._binary = binary
        self._directory = directory
        self._lock = threading.Lock()

    def run(self, orders: Iterable[Order], table: Table) -> None:
        """Make all trials."""
        queue = iter(orders)
        with ThreadPoolExecutor(LANES) as threads:
            for lane in [threads.submit(self._work, queue, table) for _ in range(LANES)]:
                lane.result()

    def _work(self, queue: Iterator[Order], table: Table) -> None:
        with RedisServer(self._binary) as server, tempfile.TemporaryDirectory(dir=self._directory) as directory:
            trial = Trial(self._context, server, Path(directory))
            while len(table.bad) < ENOUGH and (order := self._next(queue)):
                table.findings.append(self._try(trial, order))
            trial.close()

    @staticmethod
    def _try(trial: Trial, order: Order) -> Finding:
        finding = trial.run(*order)
        for _ in range(TRIES - 1):
            if finding.bad or finding.reached == len(finding.points):
                break
            finding = trial.run(*order)
        return finding

    def _next(self, queue: Iterator[Order]) -> Order | None:
        with self._lock:
            return next(queue, None)
