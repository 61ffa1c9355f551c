"""The table at the end of a trial: what was to happen, what did, and how long the fleet took to notice."""

from __future__ import annotations

import platform
import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

import attrs

from qw.logs import safe
from qw.prove.faults import Fault
from qw.prove.fleet import LEASE, POSTS
from qw.prove.judge import SLACK, Evidence
from qw.prove.ledger import Run
from qw.prove.trial import Trial


@attrs.frozen
class Times:
    """Seconds that something took, each time it came."""

    what: str
    seconds: Sequence[float]

    def __str__(self) -> str:
        if not self.seconds:
            return f"{self.what:<52} did not come"
        median, most = statistics.median(self.seconds), max(self.seconds)
        return f"{self.what:<52} median {median:6.3f} s   most {most:6.3f} s   ({len(self.seconds)})"


def lines(trial: Trial) -> Iterator[str]:
    """Yield the table, a line at a time."""
    evidence, verdict = trial.evidence, trial.verdict
    modes = ", ".join(f"{post.name} ({post.mode}, {post.host or 'moving'})" for post in POSTS)
    yield f"Python {platform.python_version()}, Redis {trial.redis_version} (append-only), managers: {modes}"
    yield f"seed {trial.plan.seed}, {trial.plan.seconds:.0f} s: {len(evidence.faults)} faults"
    for kind, count in Counter(fault.kind for fault in evidence.faults).most_common():
        yield f"  {count:6} {kind}"
    yield f"{len(evidence.accepted):8} jobs queued; of {len(evidence.unsure)} more the answer never came"
    yield f"{verdict.runs:8} runs; {verdict.planned} of them were asked for by the job itself"
    yield f"{verdict.explained.total():8} second runs that a fault explains"
    for reason, count in verdict.explained.most_common():
        yield f"  {count:6} {reason}"
    yield f"{verdict.buried_by_plan:8} jobs buried that were to be; {verdict.buried_by_faults} by too many deaths"
    for times in _times(evidence):
        yield str(times)
    yield from _findings(trial)


def _findings(trial: Trial) -> Iterator[str]:
    verdict = trial.verdict
    yield f"{len(verdict.lost):8} jobs lost" + _some(verdict.lost)
    yield f"{len(verdict.unexplained):8} second runs that nothing explains" + _some(
        [f"{run.job_id} of {run.worker}" for run, _ in verdict.unexplained]
    )
    wrongly = [f"{job_id}: {why}" for job_id, why in verdict.buried_wrongly.items()]
    yield f"{len(wrongly):8} jobs buried without a reason" + _some(wrongly)
    yield f"{len(verdict.wrong_results):8} results missing or wrong" + _some(verdict.wrong_results)
    yield f"{len(verdict.left):8} keys left over" + _some(verdict.left)
    if not trial.is_over:
        yield "the fleet did not finish what was queued, or did not leave, in time"
    yield "all promises kept" if trial.holds else "NOT all promises kept"


def _some(names: Sequence[str]) -> str:
    few = ", ".join(safe(name) for name in names[:5])
    return f": {few}{', …' if len(names) > 5 else ''}" if names else ""


def _times(evidence: Evidence) -> Iterator[Times]:
    """Yield how long it took from each fault that ended a run until that job ran again, and the like."""
    faults, hosts = evidence.faults, {post.name: post.host for post in POSTS}
    killed = [fault for fault in faults if fault.kind == "kill process"]
    near = [fault for fault in faults if fault.kind == "kill manager" and hosts[fault.manager]]
    far = [fault for fault in faults if fault.kind == "kill manager" and not hosts[fault.manager]]
    yield Times("worker process killed -> its job running again", _again(evidence, killed))
    yield Times("manager killed -> its job running, same host", _again(evidence, near))
    yield Times(f"manager killed -> its job running, lease {LEASE:g} s", _again(evidence, far))
    begins = sorted(run.began for runs in evidence.runs.values() for run in runs)
    backs = [fault.over for fault in faults if fault.kind == "kill Redis" and fault.ended]
    after = [begins[at] - back for back in backs if (at := bisect_right(begins, back)) < len(begins)]
    yield Times("Redis back -> a job begins", after)
    stopped = [fault.over - fault.began for fault in faults if fault.kind == "stop manager" and fault.ended]
    yield Times("SIGTERM, busy -> gone (grace 2 s)", stopped)
    gone = [fault.orphans_gone for fault in faults if fault.orphans and fault.orphans_gone is not None]
    yield Times("manager killed -> its processes gone", gone)


def _again(evidence: Evidence, faults: Sequence[Fault]) -> list[float]:
    return [
        following.began - fault.began
        for runs in evidence.runs.values()
        for run, following in pairwise(runs)
        if run.ended is None
        for fault in _of(run, following, faults)[:1]
    ]


def _of(run: Run, following: Run, faults: Sequence[Fault]) -> list[Fault]:
    return [
        fault
        for fault in faults
        if run.began - SLACK <= fault.began <= following.began
        and fault.strikes(run.manager)
        and fault.pid in (None, run.pid)
    ]
