"""The soak: that its judge refuses what grows, that its accounts are right, and that a short one holds."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from random import Random

import pytest
import redis

from qw.client import Client
from tests.soak.flow import Flow
from tests.soak.judge import MIB, PER, Finding, judge, judge_empty, judge_one, slope
from tests.soak.samples import Quantity, Samples, What, look_at
from tests.soak.work import Doomed, Flaky, job_of
from tests.support.programs import run_python

JOBS = 1_000_000
LOOKS = 100


def judged(value: Callable[[float], float], what: What = "memory", jobs: int = JOBS) -> Finding:
    """Return the finding on something that has this value at each share of a run."""
    points = [(jobs * look // LOOKS, value(look / LOOKS)) for look in range(LOOKS + 1)]
    return judge_one(Quantity("manager", what), points)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(lambda _: 40 * MIB, id="still"),
        pytest.param(lambda at: (30 + 10 * min(at / 0.15, 1)) * MIB, id="warms up"),
        pytest.param(lambda at: (40 + 0.1 * math.sin(100 * at)) * MIB, id="swings"),
        pytest.param(lambda at: (40 + (at > 0.5)) * MIB, id="one step"),
        pytest.param(lambda at: (40 - 5 * at) * MIB, id="shrinks"),
        pytest.param(lambda at: (40 + 2 * at) * MIB, id="half a MiB in 250,000"),
    ],
)
def test_what_does_not_grow_is_well(value: Callable[[float], float]) -> None:
    """A warm-up, a swing, or a single step are no leak."""
    assert judged(value).wrong == ""


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(lambda at: (40 + 6 * at) * MIB, id="a little with each job"),
        pytest.param(lambda at: (40 + 6 * at + Random(at).random()) * MIB, id="the same in noise"),
        pytest.param(lambda at: (40 + 6 * (at > 0.5)) * MIB, id="a large step"),
        pytest.param(lambda at: (40 + 8 * max(0, at - 0.5)) * MIB, id="late"),
        pytest.param(lambda at: 40 * MIB * 1.5**at, id="faster and faster"),
    ],
)
def test_memory_that_grows_is_refused(value: Callable[[float], float]) -> None:
    """Seven bytes a job are 1.5 MiB in 250,000 of them."""
    assert judged(value).wrong


def test_a_short_run_sees_only_noise() -> None:
    """What little it grows by would be much, were it to go on like this; a leak of megabytes is seen even so."""
    assert judged(lambda at: (40 + 0.5 * at) * MIB, jobs=2_000).wrong == ""
    assert judged(lambda at: (40 + 5 * at) * MIB, jobs=2_000).wrong


@pytest.mark.parametrize("what", ["descriptors", "threads", "connections"])
def test_one_more_is_one_too_many(what: What) -> None:
    """Of whatever is counted; in the warm-up they may come and go."""
    assert judged(lambda _: 12, what).wrong == ""
    assert judged(lambda at: 12 + (at < 0.1), what).wrong == ""
    assert judged(lambda at: 12 + (at > 0.9), what).wrong == "from 12 to 13"


def test_redis_may_be_full_but_is_empty_in_the_end() -> None:
    """What waits in it comes and goes; what is there without any job is compared with what was there before."""
    assert judged(lambda at: (2 + 5 * at) * MIB, "full").wrong == ""
    assert judge_empty(2 * MIB, 2.5 * MIB, JOBS).wrong == ""
    assert judge_empty(2 * MIB, 5 * MIB, JOBS).wrong == "has grown by 3.00 MiB"


def test_growth_is_told_for_so_many_jobs() -> None:
    """Along the line that fits best."""
    assert judged(lambda at: 3 * at * JOBS).growth == pytest.approx(3 * PER)
    assert slope([(0, 0), (10, 20), (20, 40)]) == pytest.approx(2)


def test_a_few_looks_say_nothing() -> None:
    """Nor are they taken for a proof."""
    with pytest.raises(ValueError, match="3 looks are too few"):
        judge({Quantity("manager", "memory"): [(0, 1), (1, 1), (2, 1)]})


def test_a_process_can_be_looked_at() -> None:
    """Its memory, its descriptors, its threads, at each look."""
    samples = Samples()
    for done in (0, 10):
        samples.note(done, "me", look_at(os.getpid()))

    assert {quantity.what for quantity in samples.series} == {"memory", "descriptors", "threads"}
    assert all([done for done, _ in points] == [0, 10] for points in samples.series.values())
    assert all(value >= 1 for points in samples.series.values() for _, value in points)


def test_all_jobs_are_accounted_for(redis_url: str, client: Client) -> None:
    """Those that are missing, and those that came to another end than they should."""
    with redis.Redis.from_url(redis_url, decode_responses=True) as plain:
        flow = Flow(plain, client, 100)
        while flow.queued < 100:
            flow.turn()
        jobs = [job_of(number) for number in range(100)]
        flaky, doomed = (sum(isinstance(job, kind) for job in jobs) for kind in (Flaky, Doomed))
        plain.hset("all:stats", mapping={"finished": 100 - doomed, "buried": doomed, "retried": flaky, "released": 7})
        assert flow.accounts() == []

        plain.hset("all:stats", mapping={"finished": 98 - doomed, "crashed": 1})
        assert flow.accounts() == ["crashed: 1 instead of 0", f"finished: {98 - doomed} instead of {100 - doomed}"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_short_soak_holds(redis_binary: str) -> None:
    """In both modes, with real managers: all jobs are accounted for, and nothing is left."""
    done = run_python("-m", "tests.soak", "--jobs=2000", "--redis-server", redis_binary, within=150)

    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    assert [line.split(" jobs")[0] for line in done.stdout.splitlines() if " jobs in " in line] == [
        "processes: 2,000",
        "threads: 2,000",
    ]
