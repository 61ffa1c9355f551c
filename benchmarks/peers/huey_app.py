"""Huey: a list in Redis, no results."""

from __future__ import annotations

from collections.abc import Iterable

from huey import RedisHuey

from benchmarks.peers.tasks import PLAIN, Fields
from benchmarks.peers.variables import url

huey = RedisHuey("bench", url=url(), results=False)

_tasks = {what: huey.task(name=what)(act) for what, act in PLAIN.items()}


def one(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    task = _tasks[what]
    for each in jobs:
        task(each)


CALLS = {"one": one}
