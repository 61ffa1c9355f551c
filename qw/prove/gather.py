"""Evidence, gathered when all is quiet: what the ledger says, what was buried, and what is left in Redis."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import redis

from qw.prove.faults import Fault
from qw.prove.fleet import LEASE
from qw.prove.judge import Evidence
from qw.prove.ledger import Ledger, Run
from qw.prove.plan import Plan
from qw.prove.producer import Producer
from qw.prove.server import Server


def gather(directory: Path, server: Server, plan: Plan, producer: Producer, faults: Sequence[Fault]) -> Evidence:
    """Return all that is known, once the fleet has left."""
    runs = Ledger(directory).read()
    with redis.Redis(port=server.port, decode_responses=True) as plain:
        dead = cast("list[str]", plain.zrange("all:dead", 0, -1))
        return Evidence(
            accepted=frozenset(producer.accepted),
            unsure=frozenset(producer.unsure),
            runs=runs,
            faults=faults,
            buried={job_id: str(plain.hget(f"job:{job_id}", "qw:error")) for job_id in dead},
            left=sorted(_left(plain, frozenset(dead))),
            wrong_results=sorted(_wrong_results(plain, plan, runs, frozenset(dead))),
            lease=LEASE,
        )


def _left(plain: redis.Redis, dead: Collection[str]) -> Iterator[str]:
    """Yield the keys that nothing accounts for: not counters, not buried jobs, not results that go by themselves."""
    for key in plain.scan_iter(count=1000):
        room, _, name = str(key).partition(":")
        is_buried = room == "job" and name in dead
        expires = room == "result" and plain.ttl(key) > 0
        if not (is_buried or expires or key in {"all:stats", "all:dead"}):
            yield str(key)


def _wrong_results(
    plain: redis.Redis, plan: Plan, runs: Mapping[str, Sequence[Run]], dead: Collection[str]
) -> Iterator[str]:
    """Yield the ids of jobs that were done and whose result is not there, or not what they returned."""
    for job in plan.jobs:
        done = any(run.how == "done" for run in runs.get(job.job_id, ()))
        if done and job.job_id not in dead and job.do != "dawdle":
            found = plain.lindex(f"result:{job.job_id}", 0)
            if not found or json.loads(str(found)).get("result") != job.ms:
                yield job.job_id
