"""Dramatiq: its default middleware, no results."""

from __future__ import annotations

from collections.abc import Iterable

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from benchmarks.peers.tasks import PLAIN, Fields
from benchmarks.peers.variables import url

broker = RedisBroker(url=url())
dramatiq.set_broker(broker)

_actors = {what: dramatiq.actor(act, actor_name=what) for what, act in PLAIN.items()}


def one(what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    actor = _actors[what]
    for each in jobs:
        actor.send(each)


CALLS = {"one": one}
