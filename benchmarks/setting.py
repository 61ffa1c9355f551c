"""What a benchmark is given, and what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

from benchmarks.measure import Comparison
from benchmarks.server import Server

#: Names under which the benchmarks register.
MANAGER = "bench"
WORKER = "bench.1"

#: Those who send many jobs in one round trip get so many times as many, that their rounds are not over at once.
BATCHED = 10


@attrs.frozen
class Setting:
    """Where a benchmark runs, and how much it does."""

    server: Server
    #: Jobs that the slowest contenders run in a round.
    jobs: int
    rounds: int
    #: Whether to be done soon.
    quick: bool = False


@attrs.frozen
class Benchmark:
    """Something that can be asked for by name."""

    name: str
    about: str
    #: What was chosen, and could have been chosen otherwise.
    knobs: Mapping[str, str]
    comparisons: Callable[[Setting], Iterable[Comparison]]
    #: Who is measured beside qw, and in which versions: asked for once, before anything is measured.
    versions: Callable[[], Mapping[str, str]] = dict
