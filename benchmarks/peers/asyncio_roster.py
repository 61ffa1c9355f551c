"""Those of the peers whose workers are event loops, and how each is set up."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.peers.crews import UNACKNOWLEDGED, Crew, Peer, Plan
from benchmarks.peers.variables import AHEAD, AT_ONCE, KIND, PATIENCE, POLL

#: Jobs that wait at once in each of two processes.
HALF = 32

ARQ = Peer(
    *("arq", "arq", ("arq", "redis[hiredis]", "uvloop"), ("arq", "redis", "hiredis", "uvloop")),
    many="50 calls gathered",
)
SAQ = Peer(
    "saq",
    "SAQ",
    # It imports typing_extensions without requiring it.
    ("saq[redis]", "redis[hiredis]", "uvloop", "typing_extensions"),
    ("saq", "redis", "hiredis", "uvloop"),
    many="50 calls gathered, of which it lets 20 through at once",
)
TASKIQ = Peer(
    *("taskiq", "taskiq", ("taskiq", "taskiq-redis", "redis[hiredis]", "uvloop")),
    tells=("taskiq", "taskiq-redis", "redis", "hiredis", "uvloop"),
    many="50 calls gathered",
)
STREAQ = Peer(
    *("streaq", "streaq", ("streaq", "uvloop"), ("streaq", "coredis", "uvloop")),
    many="`enqueue_many`, 1,000 a pipeline",
)

#: While jobs are queued the workers are stopped: a reply that is late by that is no lost connection.
PATIENT = {PATIENCE: "60"}


def _arq(at_once: int, poll: float = 0.005) -> Plan:
    return Plan(
        ("arq", "benchmarks.peers.arq_app.WorkerSettings"),
        copies=2,
        environment={AT_ONCE: str(at_once), POLL: str(poll)},
        at_once=2 * at_once,
        looks=poll,
    )


def _saq(at_once: int) -> Plan:
    return Plan(
        ("saq", "benchmarks.peers.saq_app.settings", "--workers=2", "--quiet"),
        environment={AT_ONCE: str(at_once), **PATIENT},
        at_once=2 * at_once,
    )


def _taskiq(at_once: int, environment: Mapping[str, str]) -> Plan:
    options = ("--workers=2", "--no-parse", "--ack-type=when_executed", f"--max-async-tasks={at_once}")
    return Plan(
        ("taskiq", "worker", "benchmarks.peers.taskiq_app:broker", *options, "--log-level=WARNING"),
        environment={**environment, **PATIENT},
        at_once=2 * at_once,
    )


def _streaq(at_once: int) -> Plan:
    return Plan(
        ("streaq", "run", "benchmarks.peers.streaq_app:worker", "--workers=2"),
        environment={AT_ONCE: str(at_once)},
        at_once=2 * at_once,
    )


LIST, STREAM = {KIND: "list"}, {KIND: "stream"}

CREWS = (
    Crew(*("arq, looks each 5 ms", ARQ, 1), nothing=_arq(100), wait=_arq(HALF), spin=_arq(4)),
    Crew(*("arq, looks each 0.5 s", ARQ, 0.5), nothing=_arq(100, 0.5), note="its own default"),
    Crew(*("SAQ", SAQ, 1), nothing=_saq(20), wait=_saq(HALF), spin=_saq(1)),
    Crew(
        *("taskiq, list", TASKIQ, 1.5),
        nothing=_taskiq(300, LIST),
        wait=_taskiq(HALF, LIST),
        spin=_taskiq(1, LIST),
        environment=LIST,
        note=UNACKNOWLEDGED,
    ),
    Crew(
        *("taskiq, stream", TASKIQ, 1.5),
        nothing=_taskiq(100, STREAM),
        # Whoever takes a hundred jobs that take their time leaves none to the other.
        wait=_taskiq(HALF, {**STREAM, AHEAD: str(HALF)}),
        spin=_taskiq(1, {**STREAM, AHEAD: "1"}),
        environment=STREAM,
        note="what has been done stays in the stream",
    ),
    Crew(*("streaq", STREAQ, 1), nothing=_streaq(16), wait=_streaq(HALF), spin=_streaq(1)),
)

KNOBS = {
    "arq": "keep_result=0, uvloop; max_jobs 100 for no-op jobs, 32 to wait, 4 to compute; looks each 5 ms, or 0.5 s, "
    "at 250, 64 or 8 ids",
    "SAQ": "ttl=-1, uvloop; concurrency 20 for no-op jobs, 32 to wait, 1 to compute",
    "taskiq": "--no-parse, ack when executed, uvloop; 300 (list) or 100 (stream) at once, 32 to wait, 1 to compute",
    # Also while they are idle: with less, workers of a list of taskiq would time out then, and have to connect again.
    "SAQ, taskiq": f"workers wait {PATIENT[PATIENCE]} s for a reply, since they are stopped while jobs are queued",
    "streaq": "ttl=0, silent, uvloop; concurrency 16 for no-op jobs, 32 to wait, 1 to compute",
}
