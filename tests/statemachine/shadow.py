"""What Redis ought to hold, in plain Python: written from what is promised, not from the scripts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from tests.support.keyspace import Value

#: The name of the list for anyone, among those of managers and workers.
ALL: Final = "all"
#: A score that Redis's clock has made and nobody has read yet.
UNREAD: Final = float("inf")


@attrs.define(repr=False)
class Job:
    """A key `job:<id>`."""

    #: The manager to whose list it goes back; None: to all:jobs.
    manager: str | None = None
    #: The worker that a delayed one is for.
    worker: str | None = None
    #: Whether a client of qw has queued it, who says where it belongs.
    is_ours: bool = False
    #: Whether its key is a hash.
    is_hash: bool = True
    tries: int = 0
    crashes: int = 0
    rescues: int = 0

    def __repr__(self) -> str:
        # It stands in the steps of an example that fails: only what is special about it.
        told = [f"{a.name}={getattr(self, a.name)!r}" for a in attrs.fields(Job) if getattr(self, a.name) != a.default]
        return f"Job({', '.join(told)})"

    @property
    def is_suspicious(self) -> bool:
        """Whether a process or a manager has died of it, so that it runs alone."""
        return bool(self.crashes or self.rescues)

    def belongs_to(self, queue: str | None) -> None:
        """Note the queue that it was taken from (`<manager>:jobs`), unless one is noted already."""
        if queue:
            self.manager = self.manager or queue.removesuffix(":jobs")

    def fields(self) -> dict[str, str]:
        """Return qw's own fields of its hash, those that decide."""
        counts = {"qw:tries": self.tries, "qw:crashes": self.crashes, "qw:rescues": self.rescues}
        where = {"qw:queue": self.manager and f"{self.manager}:jobs", "qw:for": self.worker}
        return {name: str(value) for name, value in {**counts, **where}.items() if value}


@attrs.define
class Beat:
    """What a start shows in all:beats."""

    counter: int = 1
    number: int = 0
    #: Its mark as it stands in Redis, once it is struck off.
    mark: str = ""
    is_struck: bool = False

    def __str__(self) -> str:
        return "struck" if self.is_struck else f"{self.counter} {self.number or ''}".rstrip()


class Shadow:
    """All that is in Redis."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        #: `all`, a manager or a worker → ids, as Redis has them: pushed left, taken right.
        self.lists: defaultdict[str, list[str]] = defaultdict(list)
        self.scheduled: dict[str, float] = {}
        self.dead: set[str] = set()
        self.results: set[str] = set()
        self.beats: dict[str, Beat] = {}
        self.managers: set[str] = set()
        self.workers: defaultdict[str, set[str]] = defaultdict(set)
        self.stats: Counter[str] = Counter()
        #: Ids that a foreign program has pushed twice, or without a hash: they may be in several places.
        self.odd: set[str] = set()

    # -- where a job is ------------------------------------------------------------------------------------------------

    def queue_of(self, job_id: str) -> str:
        """Return the name of the list that a job goes back to."""
        job = self.jobs.get(job_id)
        return job.manager if job and job.manager else ALL

    def places(self, job_id: str) -> int:
        """Count in how many places an id is."""
        listed = sum(ids.count(job_id) for ids in self.lists.values())
        return listed + (job_id in self.scheduled) + (job_id in self.dead)

    def is_hash(self, job_id: str) -> bool:
        """Whether there is a hash to be run."""
        return job_id in self.jobs and self.jobs[job_id].is_hash

    def is_rescued(self, job_id: str) -> bool:
        """Whether a manager has died with this job."""
        return job_id in self.jobs and self.jobs[job_id].rescues > 0

    # -- moves ---------------------------------------------------------------------------------------------------------

    def push(self, name: str, job_id: str) -> None:
        """Put an id at the end of a list; in a second place at once it is odd from then on."""
        if self.places(job_id):
            self.odd.add(job_id)
        self.lists[name].insert(0, job_id)

    def give_back(self, job_id: str, what: str) -> None:
        """Put a job at the taking end of its queue."""
        self.lists[self.queue_of(job_id)].append(job_id)
        self.stats[what] += 1

    def strike(self, name: str, job_id: str) -> None:
        """Take the oldest entry of an id out of a list."""
        ids = self.lists[name]
        del ids[len(ids) - 1 - ids[::-1].index(job_id)]

    def schedule(self, job_id: str) -> None:
        """Let a job wait for a time that Redis's clock makes."""
        self.scheduled[job_id] = UNREAD

    def finish(self, job_id: str) -> None:
        """Delete a job: it is done."""
        self.jobs.pop(job_id, None)
        self.stats["finished"] += 1

    def bury(self, job_id: str, *, told: bool = True) -> None:
        """Put a job into all:dead, with the reason as its result if anybody is told."""
        self.dead.add(job_id)
        self.stats["buried"] += 1
        if told:
            self.results.add(job_id)

    def drop(self, job_id: str) -> str:
        """Note an id that makes no job; returns what is said of it."""
        if job_id not in self.jobs:
            self.stats["dropped"] += 1
            return f"job:{job_id} is not there"
        self.bury(job_id, told=False)
        return f"buried: job:{job_id} is not a hash"

    # -- held against Redis --------------------------------------------------------------------------------------------

    def learn(self, space: Mapping[str, Value]) -> None:
        """Take over what only Redis can tell: the times that it has made, and the queues that it has noted early."""
        scores = space.get("all:scheduled", {})
        for job_id, due in self.scheduled.items():
            if due == UNREAD and isinstance(scores, dict):
                self.scheduled[job_id] = float(scores.get(job_id, 0.0))
        for manager in self.managers:
            for job_id in self.lists[manager]:
                fields = space.get(f"job:{job_id}", {})
                # Whoever looks at a job in the list of a manager may note that it belongs there.
                if isinstance(fields, dict) and fields.get("qw:queue") == f"{manager}:jobs":
                    self.jobs[job_id].belongs_to(f"{manager}:jobs")

    def space(self) -> dict[str, Value]:
        """Return the key space that ought to be there."""
        return {key: value for key, value in self._keys() if value or key.startswith("job:")}

    def queues(self) -> dict[str, list[str]]:
        """Return the lists that ought to be there; none is empty."""
        return {f"{name}:jobs": ids for name, ids in self.lists.items() if ids}

    def _keys(self) -> Iterator[tuple[str, Value]]:
        yield from self.queues().items()
        for job_id, job in self.jobs.items():
            yield f"job:{job_id}", job.fields() if job.is_hash else "text"
        for job_id in self.results:
            yield f"result:{job_id}", "kept"
        for manager, workers in self.workers.items():
            yield f"{manager}:workers", workers
        yield "all:scheduled", self.scheduled
        yield "all:dead", self.dead
        yield "all:managers", self.managers
        yield "all:beats", {start: str(beat) for start, beat in self.beats.items()}
        yield "all:stats", {what: str(n) for what, n in self.stats.items() if n}
