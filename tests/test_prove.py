"""The proof that can be run by hand: its plan follows from the seed, its judge finds what is wrong, and it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs
import pytest

from qw.prove.faults import Fault
from qw.prove.fleet import LEASE, POSTS
from qw.prove.judge import Evidence, Verdict, judge
from qw.prove.ledger import Ledger, Run
from qw.prove.plan import FAULTS, JOBS, OF_ITS_JOB, make_plan
from qw.prove.table import lines
from qw.prove.trial import Rates, run_trial

KIWI, LIME = "kiwi.0a1b.1", "lime.2c3d.1"


def ran(
    began: float, ended: float | None = None, how: str = "done", *, on: str = KIWI, pid: int = 7, attempt: int = 1
) -> Run:
    """Return a run of the job `j`; without an end it was cut off."""
    return Run("j", on, pid, attempt, began, ended, how if ended is not None else "")


def evidence(
    *runs: Run,
    faults: Sequence[Fault] = (),
    buried: Mapping[str, str] | None = None,
    unsure: bool = False,
    left: Sequence[str] = (),
    wrong: Sequence[str] = (),
) -> Evidence:
    """Return what is known of a trial with one job, `j`."""
    ids = frozenset("j")
    return Evidence(
        accepted=frozenset() if unsure else ids,
        unsure=ids if unsure else frozenset(),
        runs={"j": list(runs)} if runs else {},
        faults=faults,
        buried=buried or {},
        left=left,
        wrong_results=wrong,
        lease=LEASE,
    )


def reasons(verdict: Verdict) -> list[str]:
    """Return what explained the second runs."""
    return [*verdict.explained]


def test_a_job_that_was_run_once_is_well() -> None:
    """One run that came to its end, nothing left."""
    assert judge(evidence(ran(1, 2))).holds


@pytest.mark.parametrize("runs", [(), (ran(1),), (ran(1, 2, "PlannedError"),)])
def test_a_job_that_came_to_no_end_is_lost(runs: Sequence[Run]) -> None:
    """Not run, cut off, or never tried again."""
    verdict = judge(evidence(*runs))

    assert verdict.lost == ["j"]
    assert not verdict.holds


def test_a_job_of_which_nobody_knows_may_be_missing_but_not_half_done() -> None:
    """Its queueing was not confirmed: it may never have come. Once it has begun it is a job like any other."""
    assert judge(evidence(unsure=True)).holds
    assert judge(evidence(ran(1), unsure=True)).lost == ["j"]


def test_a_job_that_is_buried_is_not_lost_but_must_have_a_reason() -> None:
    """Deaths around it are one."""
    assert judge(evidence(buried={"j": "its process was killed by SIGKILL, 3 times"})).buried_by_faults == 1
    assert not judge(evidence(buried={"j": "ValueError: whatever"})).holds


def test_what_is_left_or_wrong_is_found() -> None:
    """A key, or a result."""
    assert not judge(evidence(ran(1, 2), left=["job:x"])).holds
    assert not judge(evidence(ran(1, 2), wrong=["j"])).holds


def test_a_second_run_without_a_fault_is_unexplained() -> None:
    """A job that was done is run again, or one that was never heard of again."""
    assert judge(evidence(ran(1, 2), ran(3, 4))).unexplained
    assert judge(evidence(ran(1), ran(3, 4))).unexplained


def test_a_run_that_the_job_asked_for_needs_no_explanation() -> None:
    """It raised, asked for another try, or took too long."""
    verdict = judge(evidence(ran(1, 2, "Retry"), ran(3, 4, "PlannedError"), ran(5, 6)))

    assert verdict.holds
    assert verdict.planned == 2


@pytest.mark.parametrize("kind", ["kill manager", "hurry manager", OF_ITS_JOB])
def test_the_death_of_its_manager_explains(kind: str) -> None:
    """Of its own manager, while it ran."""
    assert reasons(judge(evidence(ran(1), ran(5, 6), faults=[Fault(kind, "kiwi", 2)]))) == [kind]


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault("kill manager", "lime", 2), id="another manager"),
        pytest.param(Fault("kill manager", "kiwi", 0.2), id="before it began"),
        pytest.param(Fault("kill manager", "kiwi", 9), id="after it was run again"),
        pytest.param(Fault("kill process", "kiwi", 2, pid=8), id="another process"),
        pytest.param(Fault("pause process", "kiwi", 2, 3, pid=7), id="a pause of its process"),
        pytest.param(Fault("pause manager", "kiwi", 2, 3), id="a short pause of its manager"),
        pytest.param(Fault("kill Redis", "", 2, 3), id="a restart of Redis"),
        pytest.param(Fault("kill clients", "", 2), id="a cut connection"),
    ],
)
def test_what_must_do_no_harm_explains_nothing(fault: Fault) -> None:
    """A fault that strikes something else, or that qw has to bear."""
    assert judge(evidence(ran(1), ran(5, 6), faults=[fault])).unexplained


def test_the_death_of_its_process_explains() -> None:
    """While it ran, or before its outcome was out of the process; not long after."""
    killed = Fault("kill process", "kiwi", 3, pid=7)

    assert reasons(judge(evidence(ran(1), ran(5, 6), faults=[killed]))) == ["process killed"]
    assert reasons(judge(evidence(ran(1, 2.9), ran(5, 6), faults=[killed]))) == ["process killed"]
    assert judge(evidence(ran(1, 1.5), ran(5, 6), faults=[killed])).unexplained


def test_a_manager_that_dies_long_after_the_run_explains_only_with_a_broken_line() -> None:
    """An outcome reaches Redis within a second, unless the manager was cut off from it up to its death."""
    killed, cut = Fault("kill manager", "kiwi", 6), Fault("cut", "kiwi", 2.5)

    assert judge(evidence(ran(1, 2), ran(8, 9), faults=[killed])).unexplained
    assert judge(evidence(ran(1, 2), ran(8, 9), faults=[killed, cut])).holds
    assert judge(evidence(ran(1, 2), ran(8, 9), faults=[killed, attrs.evolve(cut, manager="lime")])).unexplained


def test_a_silence_longer_than_the_lease_explains() -> None:
    """In one stretch, or in several that leave no time between them."""
    paused = Fault("pause manager past its lease", "kiwi", 2, 2 + 2 * LEASE)

    assert judge(evidence(ran(1, 3), ran(9, 10, on=LIME), faults=[paused])).holds


def test_who_wakes_up_may_begin_what_was_rescued() -> None:
    """It had the job in hand before its silence: this is an earlier attempt than the one that was run meanwhile."""
    paused = Fault("pause manager past its lease", "kiwi", 2, 2 + 2 * LEASE)
    rescued = ran(9, 10, on=LIME, attempt=2)

    assert judge(evidence(rescued, ran(12.1, 13), faults=[paused])).holds
    assert judge(evidence(rescued, ran(12.1, 13, attempt=3), faults=[paused])).unexplained
    assert judge(evidence(rescued, ran(30, 31), faults=[paused])).unexplained
    assert judge(evidence(rescued, ran(12.1, 13), faults=[attrs.evolve(paused, ended=3.0)])).unexplained


def test_the_same_seed_brings_the_same_plan() -> None:
    """And another one another."""
    names = [post.name for post in POSTS]

    def plan(seed: int) -> object:
        return make_plan(seed, 600, names, jobs_a_second=20, faults_a_second=2, lease=LEASE)

    assert plan(1) == plan(1)
    assert plan(1) != plan(2)


def test_a_long_plan_has_everything_in_it() -> None:
    """Each kind of job and of fault."""
    made = make_plan(3, 600, ["a", "b"], jobs_a_second=20, faults_a_second=5, lease=LEASE)

    assert {job.do for job in made.jobs} == set(JOBS)
    assert {fault.kind for fault in made.faults} == set(FAULTS)


def test_the_ledger_tells_what_was_written(tmp_path: Path) -> None:
    """A run that ended, and one that did not."""
    ledger = Ledger(tmp_path)
    first = ledger.begin("a", KIWI, 1)
    ledger.end(first, "a", "done")
    ledger.begin("b", LIME, 2)

    (a,), (b,) = ledger.read()["a"], ledger.read()["b"]

    assert (a.how, a.manager, b.ended, b.manager, b.attempt) == ("done", "kiwi", None, "lime", 2)
    assert a.ended is not None
    assert a.ended >= a.began
    assert [ledger.is_first("c"), ledger.is_first("c")] == [True, False]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_short_trial_keeps_all_promises(tmp_path: Path) -> None:
    """Real managers, a real Redis, real kills."""
    trial = run_trial(tmp_path, 7, 6.0, Rates(jobs=40, faults=3), lambda _: None)

    assert trial.holds, "\n".join(lines(trial))
    assert trial.verdict.runs > 100
    assert trial.evidence.faults
