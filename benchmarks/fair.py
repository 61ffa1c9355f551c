"""
Whether a short job waits behind a long one though another slot is free (promise 4).

Of each slot it is known what it was given, what was taken back from it, and when its jobs began and ended. A job that
is in a slot and has not begun while another slot has nothing waits for nothing: the longest such time is shown. Beside
it stands for how long a slot ran nothing while jobs waited anywhere, which no promise is about: they may be in a queue.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

from benchmarks import gaps, handed, heat, jobs
from benchmarks.managing import Managed, managing_many
from benchmarks.measure import Comparison, Contender, Measured
from benchmarks.setting import Benchmark, Setting

MANAGERS = 2
#: Seconds of a long job (with --quick it is shorter), and one job in how many it is.
LONG, ONE_IN = (2.0, 0.25), 100
#: Seconds of a job that is about as long as one may wait behind another, and how many of them there are.
MEDIUM, MANY = 0.019, 300
#: Workers of each manager: more than there are long jobs, or fewer.
MORE, FEWER = 32, 8
#: Jobs in a round for each of these.
FREE, FULL = 6_000, 3_200
#: The unit of all comparisons.
UNIT = "jobs"


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield short jobs with and without long ones among them; then, in both modes, few slots, and jobs of 19 ms."""
    long = LONG[setting.quick]
    among = f"one in {ONE_IN} takes {long:g} s"

    def mixed(count: int) -> list[float]:
        return [long if number % ONE_IN == ONE_IN // 2 else 0.0 for number in range(count)]

    def contender(name: str, title: str, seconds: Sequence[float], mode: str, workers: int) -> Contender:
        title = f"{MANAGERS} × {workers} {mode}{title}"
        return Contender(name, len(seconds), lambda _work: _measured(setting, title, seconds, mode, workers))

    alone = contender("no-ops alone", "", [0.0] * (FREE - FREE // ONE_IN), "threads", MORE)
    yield Comparison(UNIT, [alone, contender(among, "", mixed(FREE), "threads", MORE)], warm_up=False)
    for mode in ("threads", "processes"):
        yield Comparison(UNIT, [contender(among, "", mixed(FULL), mode, FEWER)], warm_up=False)
        medium = contender(f"{MANY} jobs of {MEDIUM * 1000:g} ms", ", jobs of 19 ms", [MEDIUM] * MANY, mode, FEWER)
        yield Comparison(UNIT, [medium], warm_up=False)


def _measured(setting: Setting, title: str, seconds: Sequence[float], mode: str, workers: int) -> Measured:
    made = [jobs.Numbered("/images/0.png", number, repr(took)) for number, took in enumerate(seconds)]
    slots = MANAGERS * workers
    with tempfile.TemporaryDirectory(prefix="qw-bench-") as directory:
        crew = partial(_managers, setting, directory, mode, workers)
        ran = heat.run(setting, made, crew, warm_up=8 * slots)
        events = handed.read(Path(directory), ran.began)
    short = min(seconds)
    rest = [mark for mark in ran.marks if seconds[mark.number] == short]
    figures = {
        "short jobs/s": len(rest) / (max(mark.ended for mark in rest) - ran.began),
        "behind another, ms": 1000 * gaps.longest_behind(ran.marks, events, ran.began, slots),
        "a slot idle, ms": 1000 * gaps.longest_idle(ran.marks, ran.began, slots),
        "ideal time ÷ time": max(*seconds, sum(seconds) / slots) / ran.seconds,
    }
    return Measured({title: figures})


def _managers(
    setting: Setting, directory: str, mode: str, workers: int, variables: Mapping[str, str]
) -> AbstractContextManager[Managed]:
    target = f"{jobs.__name__}:{jobs.do_as_told.__name__}"
    options = ("--level=warn", f"--mode={mode}")
    environment = {**variables, handed.VARIABLE: directory}
    return managing_many(
        setting.server.url, MANAGERS, workers, target, *options, environment=environment, program=handed.__name__
    )


BENCHMARK = Benchmark(
    "fair",
    "mix long jobs among short ones: who waits, and who is idle meanwhile",
    {
        "workers": f"{MANAGERS} managers of {MORE} each, more slots than long jobs; or of {FEWER} each, fewer",
        "long jobs": f"wait for {LONG[0]:g} s ({LONG[1]:g} s with --quick)",
        "behind another": "the longest that a job was in a slot and had not begun while another slot had nothing",
        "a slot idle": "the longest that a slot ran nothing while jobs waited in slots or queues",
        "watched": "the managers write down what their slots are given, and what is taken back",
        "ideal": "what the waiting alone takes, shared by all slots",
    },
    comparisons,
)
