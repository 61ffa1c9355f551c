"""
Whether a short job waits behind a long one though another slot is free (promise 4).

Of every slot it is known when its jobs began and ended. While jobs wait that nobody has begun, a slot that does nothing
could have had one of them: the longest such gap is how long a job stood behind another one for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

from benchmarks import heat, jobs
from benchmarks.ledger import Mark
from benchmarks.managing import Managed, managing_many
from benchmarks.measure import Comparison, Contender, Measured
from benchmarks.setting import Benchmark, Setting

MANAGERS = 2
#: Seconds of a long job (with --quick it is shorter), and one job in how many it is.
LONG, ONE_IN = (2.0, 0.25), 100
#: Seconds of a job that is about as long as one may wait behind another, and how many of them there are.
MEDIUM, MANY = 0.019, 300
#: Threads of each manager: more than there are long jobs, or fewer.
MORE, FEWER = 32, 8
#: Jobs in a round for each of these.
FREE, FULL = 6_000, 3_200


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield three: short jobs with and without long ones among them; more long ones than slots; jobs of 19 ms."""
    long = LONG[setting.quick]

    def mixed(count: int) -> list[float]:
        return [long if number % ONE_IN == ONE_IN // 2 else 0.0 for number in range(count)]

    def contender(name: str, title: str, seconds: Sequence[float], workers: int) -> Contender:
        return Contender(name, len(seconds), lambda _work: _measured(setting, title, seconds, workers))

    free, full = f"{MANAGERS} × {MORE} slots", f"{MANAGERS} × {FEWER} slots"
    among = f"one in {ONE_IN} takes {long:g} s"
    yield Comparison(
        "jobs",
        [
            contender("no-ops alone", free, [0.0] * (FREE - FREE // ONE_IN), MORE),
            contender(among, free, mixed(FREE), MORE),
        ],
        warm_up=False,
    )
    yield Comparison("jobs", [contender(among, full, mixed(FULL), FEWER)], warm_up=False)
    medium = contender(f"{MANY} jobs of {MEDIUM * 1000:g} ms", f"{full}, jobs of 19 ms", [MEDIUM] * MANY, FEWER)
    yield Comparison("jobs", [medium], warm_up=False)


def _measured(setting: Setting, title: str, seconds: Sequence[float], workers: int) -> Measured:
    made = [jobs.Numbered("/images/0.png", number, repr(took)) for number, took in enumerate(seconds)]
    slots = MANAGERS * workers
    ran = heat.run(setting, made, partial(_managers, setting, workers), warm_up=8 * slots)
    short = min(seconds)
    rest = [mark for mark in ran.marks if seconds[mark.number] == short]
    figures = {
        "short jobs/s": len(rest) / (max(mark.ended for mark in rest) - ran.began),
        "longest wait for nothing, ms": 1000 * longest_gap(ran.marks, ran.began, slots),
        "ideal time ÷ time": max(*seconds, sum(seconds) / slots) / ran.seconds,
    }
    return Measured({title: figures})


def _managers(setting: Setting, workers: int, variables: Mapping[str, str]) -> AbstractContextManager[Managed]:
    target = f"{jobs.__name__}:{jobs.do_as_told.__name__}"
    options = ("--level=warn", "--mode=threads")
    return managing_many(setting.server.url, MANAGERS, workers, target, *options, environment=variables)


def longest_gap(marks: Sequence[Mark], began: float, slots: int) -> float:
    """Return for how long (s) at most one of so many slots had nothing to do while there were jobs not yet begun."""
    last_begin = max(mark.began for mark in marks)
    of_slots: dict[int, list[Mark]] = defaultdict(list)
    for mark in marks:
        of_slots[mark.who].append(mark)
    # One that never ran anything stood idle all the time.
    gaps = [last_begin - began if len(of_slots) < slots else 0.0]
    for of in of_slots.values():
        ends = [began, *sorted(mark.ended for mark in of)]
        begins = [*sorted(mark.began for mark in of), last_begin]
        gaps += [min(begin, last_begin) - end for end, begin in zip(ends, begins, strict=True)]
    return max(gaps)


BENCHMARK = Benchmark(
    "fair",
    "mix long jobs among short ones: who waits, and who is idle meanwhile",
    {
        "workers": f"{MANAGERS} managers of {MORE} threads each, more slots than long jobs; or of {FEWER} each, fewer",
        "long jobs": f"wait for {LONG[0]:g} s ({LONG[1]:g} s with --quick)",
        "wait for nothing": "a slot stood idle so long while jobs waited, in a slot or a queue, that nobody had begun",
        "ideal": "what the waiting alone takes, shared by all slots",
    },
    comparisons,
)
