"""The plan of a trial: which jobs are queued when, and which faults come when. All of it follows from the seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final, Literal

import attrs

#: What a job does, and how many of a hundred do it.
JOBS: Final = {
    "wait": 66.0,
    "compute": 14.0,
    "raise": 7.0,
    "again": 4.0,
    "delayed": 5.0,
    "bury": 1.5,
    "dawdle": 0.5,
    "die": 0.5,
    "foreign": 1.5,
}

#: How long a job takes, ms.
DURATIONS: Final = (0, 1, 2, 5, 10, 20, 50, 100, 200)

FaultKind = Literal[
    "kill process",
    "kill manager",
    "stop manager",
    "hurry manager",
    "pause process",
    "pause manager",
    "pause manager past its lease",
    "cut",
    "tear",
    "black hole",
    "black hole past the lease",
    "latency",
    "kill Redis",
    "pause Redis",
    "fill Redis",
    "kill clients",
    "forget scripts",
]

#: Of a hundred faults.
FAULTS: Final[dict[FaultKind, float]] = {
    "kill process": 27,
    "kill clients": 13,
    "forget scripts": 10,
    "cut": 11,
    "tear": 9,
    "kill manager": 7,
    "pause process": 5,
    "pause manager": 3,
    "pause manager past its lease": 1.5,
    "black hole": 2.5,
    "black hole past the lease": 1,
    "latency": 2,
    "stop manager": 2.5,
    "hurry manager": 1,
    "kill Redis": 2,
    "pause Redis": 1.5,
    "fill Redis": 1,
}

#: What befell a manager without being planned: it died of the job that it ran.
OF_ITS_JOB: Final = "killed by its job"

#: Shares of the lease that a manager is silent at, so that it must not, and must, be taken for dead.
_SHORT, _LONG = (0.05, 0.35), (1.7, 2.2)


@attrs.frozen
class PlannedJob:
    """A job that is to be queued."""

    at: float
    job_id: str
    do: str
    ms: int
    delay: float = 0.0
    #: The manager whose list it goes to; None for all:jobs.
    manager: str | None = None


@attrs.frozen
class PlannedFault:
    """A fault that is to come."""

    at: float
    kind: FaultKind
    #: Which manager it strikes; of no meaning for those of Redis.
    manager: str
    #: Seconds it lasts, until what was killed is started again, or goes on.
    seconds: float
    #: Which process of the manager, and other choices: from 0 to 1.
    choice: float


@attrs.frozen
class Plan:
    """What happens in a trial; times are seconds from its start."""

    seed: int
    seconds: float
    jobs: Sequence[PlannedJob]
    faults: Sequence[PlannedFault]


def make_plan(
    seed: int, seconds: float, managers: Sequence[str], *, jobs_a_second: float, faults_a_second: float, lease: float
) -> Plan:
    """Return the plan of a trial: for the same arguments the same one."""
    chance = random.Random(seed)
    jobs = [_job(chance, number, at, managers) for number, at in enumerate(_times(chance, jobs_a_second, seconds))]
    faults = [_fault(chance, at, managers, lease) for at in _times(chance, faults_a_second, seconds)]
    return Plan(seed, seconds, jobs, faults)


def _times(chance: random.Random, rate: float, seconds: float) -> list[float]:
    times: list[float] = []
    at = chance.expovariate(rate)
    while at < seconds:
        times.append(at)
        at += chance.expovariate(rate)
    return times


def _job(chance: random.Random, number: int, at: float, managers: Sequence[str]) -> PlannedJob:
    (do,) = chance.choices([*JOBS], [*JOBS.values()])
    manager = chance.choice(managers) if chance.random() < 0.15 else None
    delay = chance.uniform(0.05, 3.0) if do == "delayed" else 0.0
    ms = chance.choice(DURATIONS)
    return PlannedJob(at, f"{do}-{number}", do, ms, delay, manager)


def _fault(chance: random.Random, at: float, managers: Sequence[str], lease: float) -> PlannedFault:
    (kind,) = chance.choices([*FAULTS], [*FAULTS.values()])
    least, most = _lasts(kind, lease)
    return PlannedFault(at, kind, chance.choice(managers), chance.uniform(least, most), chance.random())


def _lasts(kind: FaultKind, lease: float) -> tuple[float, float]:
    """Return how long a fault lasts, at least and at most."""
    if kind in {"pause manager past its lease", "black hole past the lease"}:
        return lease * _LONG[0], lease * _LONG[1]
    if kind in {"pause manager", "black hole", "pause Redis", "pause process"}:
        return lease * _SHORT[0], lease * _SHORT[1]
    if kind in {"kill manager", "stop manager", "hurry manager", "kill Redis"}:
        return 0.1, 1.0
    return (0.3, 1.0) if kind in {"latency", "fill Redis"} else (0.0, 0.0)
