"""Celery: results, events, rate limits and remote control are off, and there is one priority."""

from __future__ import annotations

from collections.abc import Iterable

from celery import Celery

from benchmarks.peers.tasks import PLAIN, Fields
from benchmarks.peers.variables import ahead, url

app = Celery("bench", broker=url())
app.conf.update(
    broker_connection_retry_on_startup=True,
    broker_transport_options={"priority_steps": [0]},
    task_ignore_result=True,
    worker_disable_rate_limits=True,
    worker_enable_remote_control=False,
    worker_prefetch_multiplier=ahead(64),
    worker_send_task_events=False,
)

_tasks = {what: app.task(name=what)(act) for what, act in PLAIN.items()}


def one(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    task = _tasks[what]
    for each in jobs:
        task.delay(each)


def many(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a producer that is taken out of its pool once; there is no call for many."""
    task = _tasks[what]
    with app.producer_pool.acquire(block=True) as producer:
        for each in jobs:
            task.apply_async((each,), producer=producer)


CALLS = {"one": one, "many": many}
