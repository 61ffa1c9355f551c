"""No queue at all: the producer runs the jobs itself, which is what the others are compared with."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.peers.tasks import PLAIN, Fields


def run(what: str, jobs: Iterable[Fields]) -> None:
    """Run each job at once."""
    act = PLAIN[what]
    for each in jobs:
        act(each)


CALLS = {"one": run}
