"""
Who is measured, and how each is set up: as its own documentation advises for throughput.

Results are off everywhere, hiredis is installed where redis-py is used, uvloop where there is an event loop.
"""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks import jobs
from benchmarks.peers import asyncio_roster
from benchmarks.peers.crews import COPY, UNACKNOWLEDGED, Crew, Peer, Plan
from benchmarks.peers.variables import AHEAD

PLAIN = Peer("plain", "no queue", None)
QW = Peer("qw", "qw", None, many="one `queue_jobs`", many_share=10)
RQ = Peer("rq", "RQ", ("rq", "redis[hiredis]"), ("rq", "redis", "hiredis"), "`enqueue_many`, 1,000 a pipeline")
CELERY = Peer(
    "celery",
    "Celery",
    ("celery[redis]", "redis[hiredis]"),
    ("celery", "kombu", "redis", "hiredis"),
    "a producer taken out of its pool once for all, a call each",
)
DRAMATIQ = Peer("dramatiq", "Dramatiq", ("dramatiq[redis]", "redis[hiredis]"), ("dramatiq", "redis", "hiredis"))
HUEY = Peer("huey", "Huey", ("huey", "redis[hiredis]"), ("huey", "redis", "hiredis"))

#: Jobs that Celery takes ahead, for each that it runs, when they take their time: else one process may take them all.
FEW = 4

#: Jobs that wait at once, both processes together.
WIDE = 64


def _qw(target: str, workers: int, mode: str) -> Plan:
    words = ("-m", "qw.manager", "--name=bench", "--level=warn", f"--workers={workers}", f"--mode={mode}")
    processes = 2 if mode == "processes" else 1
    return Plan(("python", *words, f"{jobs.__name__}:{target}"), processes=processes, at_once=workers)


def _rq(worker: str) -> Plan:
    options = ("worker-pool", "--num-workers=2", "--quiet", f"--worker-class=rq.worker.{worker}")
    return Plan(("rq", *options, "bench"))


def _celery(pool: str, *, copies: int, concurrency: int, ahead: int = 64) -> Plan:
    options = ("worker", "--without-gossip", "--without-mingle", "--without-heartbeat", "--loglevel=WARNING")
    return Plan(
        (
            *("celery", "--app=benchmarks.peers.celery_app", *options, f"--hostname=bench{COPY}@%h"),
            *(f"--pool={pool}", f"--concurrency={concurrency}"),
        ),
        copies,
        {AHEAD: str(ahead)},
        at_once=copies * concurrency,
    )


def _dramatiq(threads: int, environment: Mapping[str, str] | None = None) -> Plan:
    options = ("--processes=2", f"--threads={threads}", "--path=.")
    return Plan(
        ("dramatiq", *options, "benchmarks.peers.dramatiq_app"),
        environment=environment or {},
        at_once=2 * threads,
    )


def _huey(kind: str, *, copies: int, workers: int) -> Plan:
    options = (f"--worker-type={kind}", f"--workers={workers}", "--no-periodic", "--quiet")
    return Plan(
        ("huey_consumer", "benchmarks.peers.huey_app.huey", *options),
        copies,
        at_once=copies * workers,
    )


OURS = (
    Crew(
        *("qw, 2 processes", QW, 10),
        nothing=_qw(jobs.do_nothing.__name__, 2, "processes"),
        spin=_qw(jobs.do_spin.__name__, 2, "processes"),
    ),
    Crew(
        *("qw, threads", QW, 10),
        nothing=_qw(jobs.do_nothing.__name__, 2, "threads"),
        wait=_qw(jobs.do_wait.__name__, WIDE, "threads"),
    ),
    Crew(
        *("qw, async", QW, 10),
        wait=_qw(jobs.do_wait_async.__name__, WIDE, "threads"),
        note="an `async` target, in threads mode",
    ),
)

SYNC = (
    Crew(
        *("RQ, Worker", RQ, 0.05),
        nothing=_rq("Worker"),
        wait=_rq("Worker"),
        spin=_rq("Worker"),
        note="forks for each job",
    ),
    Crew(
        *("RQ, SimpleWorker", RQ, 0.2),
        nothing=_rq("SimpleWorker"),
        wait=_rq("SimpleWorker"),
        spin=_rq("SimpleWorker"),
    ),
    Crew(
        *("Celery, prefork", CELERY, 0.4),
        nothing=_celery("prefork", copies=1, concurrency=2),
        wait=_celery("prefork", ahead=FEW, copies=1, concurrency=2),
        spin=_celery("prefork", ahead=FEW, copies=1, concurrency=2),
    ),
    Crew(
        *("Celery, 2 × solo", CELERY, 0.75),
        nothing=_celery("solo", copies=2, concurrency=1),
        spin=_celery("solo", ahead=FEW, copies=2, concurrency=1),
    ),
    Crew(*("Celery, 2 × threads", CELERY, 0.75), wait=_celery("threads", ahead=FEW, copies=2, concurrency=WIDE // 2)),
    Crew(
        *("Dramatiq, 2 processes of threads", DRAMATIQ, 2),
        nothing=_dramatiq(4, {"dramatiq_queue_prefetch": "1000"}),
        wait=_dramatiq(WIDE // 2),
        spin=_dramatiq(1),
        note="looks for jobs after pauses that grow while there are none",
    ),
    Crew(
        *("Huey, 2 processes", HUEY, 2),
        nothing=_huey("process", copies=1, workers=2),
        spin=_huey("process", copies=1, workers=2),
        note=UNACKNOWLEDGED,
    ),
    Crew(
        *("Huey, 2 × threads", HUEY, 2),
        nothing=_huey("thread", copies=2, workers=1),
        wait=_huey("thread", copies=2, workers=WIDE // 2),
        note=UNACKNOWLEDGED,
    ),
)

CREWS = (*OURS, *SYNC, *asyncio_roster.CREWS)

KNOBS = {
    "RQ": "worker-pool of 2; result_ttl=0, --quiet",
    "Celery": "no results, events, limits, remote control, gossip, mingle, heartbeat; one priority; prefetch 64, or 4",
    "Dramatiq": "default middleware, no results; no-op jobs: 4 threads a process, prefetch 1,000, else its own",
    "Huey": "results off, no periodic tasks",
    **asyncio_roster.KNOBS,
}
