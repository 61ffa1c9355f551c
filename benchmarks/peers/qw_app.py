"""qw's producer; its workers run the targets that all its benchmarks have."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.jobs import Numbered
from benchmarks.peers.tasks import Fields
from benchmarks.peers.variables import url
from qw.client import Client

_client = Client.from_url(url())


def _typed(fields: Fields) -> Numbered:
    return Numbered(str(fields["path"]), int(fields["number"]), str(fields["style"]))


# What a job does is the affair of its target, which the manager was started with.


def one(_what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with a call for each."""
    for each in jobs:
        _client.queue_job(_typed(each))


def many(_what: str, jobs: Iterable[Fields]) -> None:
    """Queue jobs with one call for all."""
    _client.queue_jobs(map(_typed, jobs))


CALLS = {"one": one, "many": many}
