"""Rules: what producers do, those that have the client and those that have redis-cli."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from qw.errors import UnknownName
from tests.statemachine import moves
from tests.statemachine.exchange import MOST_CRASHES
from tests.statemachine.machine import MANAGERS, OLD, Machine, some, step
from tests.statemachine.moves import MOST_RESCUES
from tests.statemachine.process import LATER
from tests.statemachine.shadow import ALL, Job

#: Ids that programs choose themselves, few enough that they come again.
OWN = ("j1", "j2", "j3", "j4")
#: Those of programs that know nothing of qw; an id may be any bytes, and have no hash, or a key that is none.
BARE, TEXT = "bare", "text"
FOREIGN = ("f1", "f2", "a b\n", "\udcff'\"\\", "", BARE, TEXT)
#: Counts that a foreign program may have set, as if the job had been through much.
WOUNDS = (Job(), Job(), Job(crashes=MOST_CRASHES - 1), Job(rescues=MOST_RESCUES - 1))

#: Manager and worker that a job is for.
Target = tuple[str | None, str | None]


def targets(machine: Machine) -> list[Target]:
    """Return for whom a job can be: anyone, a manager, a worker, with its manager or without; one is not there."""
    workers = [(start.manager, worker) for start in machine.up.values() for worker in start.workers]
    known = [(None, None), *((manager, None) for manager in MANAGERS), *workers, (None, OLD)]
    return [*known, (None, None), *((None, worker) for _, worker in workers[:2]), (None, "web.gone.0")]


def lists(machine: Machine) -> list[str]:
    """Return the names of the lists of queues, and of workers that are registered."""
    return [ALL, ALL, *MANAGERS, *sorted(worker for workers in machine.shadow.workers.values() for worker in workers)]


class Producing(Machine):
    """Jobs come in."""

    @rule(
        ids=st.one_of(st.lists(st.sampled_from(OWN), min_size=1, max_size=3), st.integers(1, 3)),
        to=some(targets),
        when=st.sampled_from(["now", "later", "past"]),
    )
    @step
    def queue(self, ids: list[str] | int, to: Target, when: str) -> None:
        """Queue jobs: so many under ids that the client makes, or under own ones; what is there is passed over."""
        jobs = [{"n": "?"}] * (ids if isinstance(ids, int) else len(ids))
        chosen = None if isinstance(ids, int) else ids
        delay, at = (LATER if when == "later" else None), (0.0 if when == "past" else None)
        queue = self._queue_for(to)
        if queue is None:
            with pytest.raises(UnknownName):
                self.redis.client.queue_jobs(jobs, *to, ids=chosen, delay=delay, at=at)
            return
        names = self.redis.client.queue_jobs(jobs, *to, ids=chosen, delay=delay, at=at)
        new = [job_id for job_id in dict.fromkeys(names) if job_id not in self.shadow.jobs]
        for job_id in new:
            self._queued(job_id, to, queue, is_delayed=when == "later")
        if when == "later":
            scores = [self.redis.command("ZSCORE", self.redis.keys.all_scheduled, job_id) for job_id in new]
            assert scores == sorted(scores, key=float), "delayed jobs keep their order"

    def _queue_for(self, to: Target) -> str | None:
        """Return the manager whose queue a job belongs to, '' for anyone's; None: there is no such worker."""
        manager, worker = to
        if worker is None:
            return manager or ""
        among = [manager] if manager else MANAGERS
        return next((name for name in among if worker in self.shadow.workers[name]), None)

    def _queued(self, job_id: str, to: Target, queue: str, *, is_delayed: bool) -> None:
        manager, worker = to
        job = Job(queue or None, worker if is_delayed else None, is_ours=True)
        if is_delayed:
            if self.shadow.places(job_id):
                self.shadow.odd.add(job_id)
            self.shadow.jobs[job_id] = job
            self.shadow.schedule(job_id)
        else:
            self.shadow.push(worker or manager or ALL, job_id)
            self.shadow.jobs[job_id] = job

    @rule(job_id=st.sampled_from(FOREIGN + OWN[:1]), name=some(lists), wounds=st.sampled_from(WOUNDS))
    @step
    def push(self, job_id: str, name: str, wounds: Job) -> None:
        """HSET and LPUSH, as any program may; an id that is there already is in two places then."""
        keys, there = self.redis.keys, self.shadow.jobs.get(job_id)
        if job_id == TEXT:
            self.redis.command("SET", keys.job(job_id), "…")
            there = Job(is_hash=False)
        elif job_id != BARE:
            fields = {"n": job_id, **(wounds.fields() if there is None else {})}
            self.redis.command("HSET", keys.job(job_id), *(word for pair in fields.items() for word in pair))
            there = there or attrs.evolve(wounds)
        self.redis.command("LPUSH", keys.jobs(name), job_id)
        self.shadow.push(name, job_id)
        if there is not None:
            self.shadow.jobs[job_id] = there
        if not self.shadow.is_hash(job_id):
            self.shadow.odd.add(job_id)

    @precondition(lambda self: self.shadow.dead)
    @rule(job_id=some(lambda machine: sorted(machine.shadow.dead)), is_again=st.booleans())
    @step
    def tend(self, job_id: str, is_again: bool) -> None:
        """Queue a buried job again, or delete it."""
        if is_again:
            assert self.redis.client.requeue_dead_job(job_id) == moves.requeue(self.shadow, job_id)
        else:
            assert self.redis.client.delete_dead_job(job_id)
            moves.delete(self.shadow, job_id)
