"""RQ: jobs are pickled, results and logs of jobs are not kept."""

from __future__ import annotations

from collections.abc import Iterable

import redis
from rq import Queue

from benchmarks.peers import tasks
from benchmarks.peers.tasks import Fields, batches
from benchmarks.peers.variables import url

#: The name of the queue, which its workers are told as well.
NAME = "bench"

_queue = Queue(NAME, connection=redis.Redis.from_url(url()))


def one(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    act = tasks.PLAIN[what]
    for each in jobs:
        _queue.enqueue(act, each, result_ttl=0)


def many(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs in pipelines."""
    act = tasks.PLAIN[what]
    for some in batches(jobs):
        _queue.enqueue_many([Queue.prepare_data(act, (each,), result_ttl=0) for each in some])


CALLS = {"one": one, "many": many}
