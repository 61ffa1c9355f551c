"""
The judge: holds the ledger against what was queued and what befell the fleet.

A job is *lost* when Redis had taken it and it neither ended nor was buried. A *second run* is a run after one that
was not to be repeated; it must be explained by a fault that struck the process or the manager of the earlier
run before its end, or before its outcome was surely in Redis.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Final

import attrs

from qw.prove.faults import Fault
from qw.prove.ledger import Run
from qw.prove.plan import OF_ITS_JOB

#: Endings after which the same job is to be run again.
AGAIN: Final = frozenset(("PlannedError", "Retry", "TimedOut"))
#: Seconds within which the outcome of a run is in Redis, when nothing is wrong.
SETTLED: Final = 1.0
#: Seconds that a manager needs to be itself again after its line or Redis was disturbed.
SHAKEN: Final = 4.0
#: Seconds by which the clock of the nemesis may be behind what the ledger says.
SLACK: Final = 0.3

_ENDS_ALL: Final = frozenset(("kill manager", "hurry manager", OF_ITS_JOB))
_SILENCES: Final = frozenset(
    ("pause manager", "pause manager past its lease", "black hole", "black hole past the lease")
)
_DISTURBS: Final = frozenset(("cut", "tear", "kill Redis", "pause Redis", "fill Redis", "kill clients", "latency"))


#: From when to when, seconds of `time.monotonic`.
Stretch = tuple[float, float]


@attrs.frozen
class Evidence:
    """What is known at the end of a trial."""

    #: Ids that Redis has taken, and those of which nobody knows.
    accepted: Collection[str]
    unsure: Collection[str]
    runs: Mapping[str, Sequence[Run]]
    faults: Sequence[Fault]
    #: Buried jobs: id → why.
    buried: Mapping[str, str]
    #: Keys that nothing accounts for.
    left: Sequence[str]
    #: Ids of finished jobs whose result is missing, or is not theirs.
    wrong_results: Sequence[str]
    #: Seconds.
    lease: float


@attrs.define
class Verdict:
    """What the judge finds."""

    lost: list[str] = attrs.field(factory=list)
    unexplained: list[tuple[Run, Run]] = attrs.field(factory=list)
    #: Reason → how many second runs it explains.
    explained: Counter[str] = attrs.field(factory=Counter)
    #: How many runs were asked for by the job itself.
    planned: int = 0
    runs: int = 0
    buried_by_plan: int = 0
    buried_by_faults: int = 0
    #: Buried jobs without a good reason, and why they were.
    buried_wrongly: dict[str, str] = attrs.field(factory=dict)
    left: Sequence[str] = ()
    wrong_results: Sequence[str] = ()

    @property
    def holds(self) -> bool:
        """Whether all promises were kept."""
        return not (self.lost or self.unexplained or self.buried_wrongly or self.left or self.wrong_results)


def judge(evidence: Evidence) -> Verdict:
    """Return the verdict."""
    verdict = Verdict(left=evidence.left, wrong_results=evidence.wrong_results)
    managers = {run.manager for runs in evidence.runs.values() for run in runs}
    silent = {manager: _silences(evidence.faults, manager) for manager in managers}
    for job_id in evidence.accepted:
        if job_id not in evidence.buried and not any(run.how == "done" for run in evidence.runs.get(job_id, ())):
            verdict.lost.append(job_id)
    for job_id in evidence.unsure:
        runs = evidence.runs.get(job_id, ())
        if runs and job_id not in evidence.buried and not any(run.how == "done" for run in runs):
            verdict.lost.append(job_id)
    for runs in evidence.runs.values():
        verdict.runs += len(runs)
        for run, following in pairwise(runs):
            _judge_second(run, following, evidence, silent, verdict)
    for job_id, why in evidence.buried.items():
        _judge_buried(job_id, why, verdict)
    return verdict


def _judge_second(
    run: Run, following: Run, evidence: Evidence, silent: Mapping[str, Sequence[Stretch]], verdict: Verdict
) -> None:
    if run.how in AGAIN:
        verdict.planned += 1
        return
    reason = explain(run, following, evidence, silent)
    if reason is None:
        verdict.unexplained.append((run, following))
    else:
        verdict.explained[reason] += 1


def _judge_buried(job_id: str, why: str, verdict: Verdict) -> None:
    if job_id.startswith("bury-"):
        verdict.buried_by_plan += 1
    # A job may have been near too many deaths; then the reason says how many.
    elif "process" in why or "manager" in why:
        verdict.buried_by_faults += 1
    else:
        verdict.buried_wrongly[job_id] = why


def explain(run: Run, following: Run, evidence: Evidence, silent: Mapping[str, Sequence[Stretch]]) -> str | None:
    """Return which fault explains that a run was followed by another one; None when none does."""
    if run.job_id.startswith("die-") and run.ended is None:
        return "the job itself"
    for fault in evidence.faults:
        if not run.began - SLACK <= fault.began <= following.began + SLACK or not fault.strikes(run.manager):
            continue
        if fault.kind == "kill process" and fault.pid == run.pid and _in_time(run, fault, ()):
            return "process killed"
        if fault.kind in _ENDS_ALL and _in_time(run, fault, evidence.faults):
            return fault.kind
        if fault.kind == "stop manager" and (run.ended is None or _is_shaken(evidence.faults, run.manager, run.ended)):
            return "stopped at the end of its grace, or without Redis"
    return _silence_that_explains(run, following, evidence.lease, silent)


def _silence_that_explains(
    run: Run, following: Run, lease: float, silent: Mapping[str, Sequence[Stretch]]
) -> str | None:
    def long_ones(manager: str) -> Iterator[Stretch]:
        return ((began, ended) for began, ended in silent[manager] if ended - began >= 0.9 * lease)

    if any(run.began <= ended + SLACK and began <= following.began for began, ended in long_ones(run.manager)):
        return "silent for longer than the lease"
    # The later run may be of the earlier attempt, since a rescue raises them: it was in the hands of a manager that
    # fell silent, and that begins it when it wakes up, before it can know.
    woken = any(began <= following.began <= ended + SHAKEN for began, ended in long_ones(following.manager))
    return "silent for longer than the lease, begun later" if woken and following.attempt < run.attempt else None


def _in_time(run: Run, fault: Fault, faults: Sequence[Fault]) -> bool:
    """Tell whether a fault came before the outcome of a run was surely in Redis."""
    if run.ended is None or fault.began <= run.ended + SETTLED:
        return True
    # Without a line to Redis an outcome waits; so it was if the manager was shaken all the time up to the fault.
    at = run.ended + SETTLED
    for other in sorted(faults, key=lambda each: each.began):
        if other.strikes(run.manager) and other.kind in _DISTURBS | _SILENCES and other.began <= at:
            at = max(at, other.over + SHAKEN)
    return fault.began <= at


def _is_shaken(faults: Iterable[Fault], manager: str, at: float) -> bool:
    return any(
        fault.strikes(manager) and fault.kind in _DISTURBS and fault.began - SHAKEN <= at <= fault.over + SHAKEN
        for fault in faults
    )


def _silences(faults: Iterable[Fault], manager: str) -> list[Stretch]:
    """Return the stretches in which a manager could not be heard, those that touch taken together."""
    stretches: list[Stretch] = []
    for fault in sorted(faults, key=lambda each: each.began):
        if fault.manager != manager or fault.kind not in _SILENCES:
            continue
        # In a black hole a connection stays dead until its silence is noticed.
        began, ended = fault.began, fault.over + (2 * SHAKEN if "hole" in fault.kind else SLACK)
        if stretches and began <= stretches[-1][1] + SHAKEN:
            began, ended = stretches[-1][0], max(stretches.pop()[1], ended)
        stretches.append((began, ended))
    return stretches
