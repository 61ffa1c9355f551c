"""
What the same Redis can do at all: the same commands from `redis-benchmark`, which is C, and packed beforehand.

A program that has its bytes ready and does nothing with the answers is as fast as any client could be, whatever
language it is written in: what is left of its time is Redis's.
"""

from __future__ import annotations

import csv
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from benchmarks import run
from benchmarks.jobs import typed
from benchmarks.measure import Comparison, Contender, Measured, NotMeasured, Stopwatch, rates
from benchmarks.packed import Sender, exchange_calls, leave_call, queue_calls, register_call, words_of
from benchmarks.setting import BATCHED, Benchmark, Setting
from qw.client import Client
from qw.scripts.client import QUEUE
from qw.scripts.dispatcher import EXCHANGE
from qw.wire import pack

PROGRAM = "redis-benchmark"
#: What it replaces by a random number of as many digits.
RANDOM = "__rand_int__"
#: Commands that a program sends before it waits for their answers.
PIPELINES = (1, 16, 64)
#: Plain commands, of the design of 2013.
COMMANDS = {
    "SET": ("SET", f"key:{RANDOM}", "value"),
    "HSET, three fields": ("HSET", f"job:{RANDOM}", "path", "/a.png", "width", "1", "style", "plain"),
    "LPUSH": ("LPUSH", "all:jobs", RANDOM),
    "RPOPLPUSH": ("RPOPLPUSH", "all:jobs", "all:jobs"),
}
#: Jobs of an exchange for two slots, as many as a manager asks for when jobs take no time.
AT_ONCE = 600


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield four: queueing one by one, and many at once; running; and plain commands."""
    few, many = setting.jobs, setting.jobs * BATCHED
    client = setting.server.client()  # connected before the time runs, as those are that it is compared with
    yield Comparison(
        "jobs",
        [
            Contender(f"`{PROGRAM}`, the call of `queue_job`", few, partial(_queue_in_c, setting)),
            Contender("qw, `queue_job`, typed", few, partial(_queue_one_by_one, setting, client)),
        ],
    )
    yield Comparison(
        "jobs",
        [
            Contender("packed beforehand, the calls of `queue_jobs`", many, partial(_queue_packed, setting)),
            Contender("qw, `queue_jobs`, typed", many, partial(_queue, setting, client)),
        ],
    )
    yield Comparison(
        "jobs",
        [
            Contender(f"packed beforehand, exchanges of {AT_ONCE} jobs", many, partial(_run_packed, setting, 1)),
            Contender("the same, two of them under way", many, partial(_run_packed, setting, 2)),
            *run.ours(setting),
        ],
        warm_up=False,
    )
    for title, words in COMMANDS.items():
        contenders = [
            Contender(f"{title}, {depth} at a time", few * depth, partial(_command, setting, words, depth))
            for depth in PIPELINES
        ]
        yield Comparison("commands", contenders, warm_up=False)


# -- queueing ---------------------------------------------------------------------------------------


def _queue_one_by_one(setting: Setting, client: Client, work: int) -> Measured:
    def act() -> None:
        for job in typed(work):
            client.queue_job(job)

    return _watched(setting, "queue, one call a job", work, act)


def _queue(setting: Setting, client: Client, work: int) -> Measured:
    return _watched(setting, "queue, many at once", work, lambda: client.queue_jobs(typed(work)))


def _queue_packed(setting: Setting, work: int) -> Measured:
    calls = queue_calls(_ids(work))
    with Sender(setting.server.entrance) as sender:
        sender.send([pack(("SCRIPT", "LOAD", QUEUE.source))])
        return _watched(setting, "queue, many at once", work, lambda: sender.send(calls, 2))


def _queue_in_c(setting: Setting, work: int) -> Measured:
    """Have the script of `queue_job` called, each time with another id."""
    setting.server.flush()
    with Sender(setting.server.entrance) as sender:
        sender.send([pack(("SCRIPT", "LOAD", QUEUE.source))])
    (call,) = queue_calls([f"00000000-0000-4000-{RANDOM}"])
    with Stopwatch(setting.server.cpu) as watch:
        rate = _redis_benchmark(setting, words_of(call), work, 1)
    return Measured({"queue, one call a job": {"jobs/s": rate, "Redis CPU, µs each": watch.lap.redis / work * 1e6}})


def _watched(setting: Setting, title: str, work: int, act: Callable[[], object]) -> Measured:
    setting.server.flush()
    with Stopwatch(setting.server.cpu) as watch:
        act()
    setting.server.expect_keys(work + 1)
    return rates("jobs", work, {title: watch.lap})


def _ids(work: int) -> list[str]:
    """Return ids as long as those that qw makes."""
    return [f"00000000-0000-4000-8000-{number:012d}" for number in range(work)]


# -- running ----------------------------------------------------------------------------------------


def _run_packed(setting: Setting, under_way: int, work: int) -> Measured:
    """Queue, then fetch and finish, with nothing between Redis and the bytes."""
    setting.server.flush()
    ids = _ids(work)
    queueing, running = queue_calls(ids), exchange_calls(ids, AT_ONCE)
    with Sender(setting.server.entrance) as sender:
        sender.send([pack(("SCRIPT", "LOAD", script.source)) for script in (QUEUE, EXCHANGE)])
        with Stopwatch(setting.server.cpu) as queued:
            sender.send(queueing, 2)
        sender.send([register_call()])
        with Stopwatch(setting.server.cpu) as ran:
            sender.send(running, under_way)
        sender.send([leave_call()])
    setting.server.expect_no_jobs()
    return rates("jobs", work, {"queue and run": queued.lap + ran.lap, "run alone": ran.lap})


# -- plain commands ---------------------------------------------------------------------------------


def _command(setting: Setting, words: Sequence[str], depth: int, work: int) -> Measured:
    setting.server.flush()
    with setting.server.redis() as bare:
        bare.lpush("all:jobs", *range(1000))
    with Stopwatch(setting.server.cpu) as watch:
        rate = _redis_benchmark(setting, words, work, depth)
    title = f"`{PROGRAM}`, one connection, {words[0]}"
    return Measured({title: {"commands/s": rate, "Redis CPU, µs each": watch.lap.redis / work * 1e6}})


def _redis_benchmark(setting: Setting, words: Sequence[str], work: int, depth: int) -> float:
    """Return how many of a command, each with random numbers of its own, it gets done in a second."""
    program = shutil.which(PROGRAM)
    if program is None:
        raise NotMeasured(f"{PROGRAM} is not on PATH; it comes with Redis")
    options = {"-p": setting.server.entrance, "-c": 1, "-n": work, "-P": depth, "-r": 10**12 - 1}
    command = [program, "--csv", *(str(word) for pair in options.items() for word in pair), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    *_, last = csv.reader(done.stdout.splitlines())
    return float(last[1])


BENCHMARK = Benchmark(
    "limit",
    "what this Redis can do: redis-benchmark, and bytes that are packed beforehand",
    {
        "packed": "the very calls of qw, made before the time runs; the answers are read and thrown away",
        "exchanges": f"of {AT_ONCE} jobs for two workers, each when the last is answered, or one sooner",
        PROGRAM: f"one connection, {', '.join(map(str, PIPELINES))} commands at a time",
    },
    comparisons,
)
