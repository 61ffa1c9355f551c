"""What a peer is: what it is made of, and how its workers are started for each kind of work."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import attrs

from benchmarks.peers.environments import Environment

#: Stands in a command line for the number of the process, where a peer wants names for them.
COPY = "{copy}"

#: The note of a row whose workers pop jobs, and no more.
UNACKNOWLEDGED = "no acknowledgement: a job that has been taken is lost with its worker"


@attrs.frozen
class Peer:
    """One job queue."""

    #: As its modules here are called.
    name: str
    title: str
    #: None for what runs in the environment of the benchmarks.
    requirements: Sequence[str] | None
    #: The packages whose versions are told.
    tells: Sequence[str] = ()
    #: How it queues many jobs at once; empty when it has no call for that.
    many: str = ""
    #: How many times as many jobs it gets in that way, so that a round is not over at once.
    many_share: int = 1

    @property
    def environment(self) -> Environment:
        """Its virtual environment."""
        return Environment(self.name, self.requirements or ())

    def make(self) -> None:
        """See to it that its commands are there; raises `NotMeasured` when they cannot be had."""
        if self.requirements is not None:
            self.environment.make()

    def command(self, words: Sequence[str]) -> list[str]:
        """Return a command line, whose first word is the name of a command, as the system takes it."""
        name, *arguments = words
        return [sys.executable if self.requirements is None else self.environment.command(name), *arguments]

    def about(self) -> str:
        """Return the versions that are measured."""
        versions = self.environment.versions()
        return ", ".join(f"{name} {versions[name]}" for name in self.tells if name in versions)


@attrs.frozen
class Plan:
    """How workers are started for one kind of work."""

    command: Sequence[str]
    #: How many such processes are started.
    copies: int = 1
    environment: Mapping[str, str] = attrs.field(factory=dict)
    #: How many different processes must have run a job before the time runs, so that all of them have begun.
    processes: int = 2
    #: Jobs that run at once, all processes together, where that is asked for.
    at_once: int = 2
    #: Seconds between two looks for jobs, where it is not woken for them.
    looks: float = 0.0


@attrs.frozen
class Crew:
    """The workers of a row: one peer, set up in one way."""

    name: str
    peer: Peer
    #: How many no-op jobs it has in a round, in those of the slowest contenders of other benchmarks.
    share: float
    #: For jobs that do nothing, one at a time or many; None where another row says it.
    nothing: Plan | None = None
    #: For 64 jobs that wait at once, or as many as it can.
    wait: Plan | None = None
    #: For jobs that compute, in two processes.
    spin: Plan | None = None
    #: What its producer is told beside.
    environment: Mapping[str, str] = attrs.field(factory=dict)
    #: What is to be known of the row.
    note: str = ""
