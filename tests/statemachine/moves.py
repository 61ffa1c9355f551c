"""What every other script that moves jobs does to the shadow."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tests.statemachine.shadow import ALL, Shadow

#: A job that was in the hands of this many managers when they died is buried.
MOST_RESCUES = 5
#: A score before this lies in the past: the year 1970, against Redis's clock.
PAST = 1e6


def due(shadow: Shadow) -> list[tuple[str, str]]:
    """Move what is due, so that the first of them is the next to be taken; returns what was dropped, and why."""
    ready = sorted((score, job_id) for job_id, score in shadow.scheduled.items() if score < PAST)
    dropped: list[tuple[str, str]] = []
    for _, job_id in reversed(ready):
        del shadow.scheduled[job_id]
        job = shadow.jobs.get(job_id)
        if job is None or not job.is_hash:
            dropped.append((job_id, shadow.drop(job_id)))
        elif job.worker and job.manager and job.worker in shadow.workers[job.manager]:
            shadow.lists[job.worker].append(job_id)
        else:
            shadow.lists[shadow.queue_of(job_id)].append(job_id)
    return dropped


def rescue(shadow: Shadow, start: str, workers: Iterable[str], *, forget: bool) -> tuple[int, int]:
    """Strike off a start and sweep the lists of its workers; returns how many jobs were rescued, and buried."""
    manager = start.partition(".")[0]
    shadow.beats[start].is_struck = True
    before = shadow.stats["rescued"], shadow.stats["buried"]
    for worker in workers:
        for job_id in shadow.lists.pop(worker, []):
            _rescue(shadow, job_id)
    if forget:
        del shadow.beats[start]
        _sign_off(shadow, manager, workers)
    return shadow.stats["rescued"] - before[0], shadow.stats["buried"] - before[1]


def _rescue(shadow: Shadow, job_id: str) -> None:
    """Move one job of a dead start; of its list from the newest on, so that the oldest is the next to be taken."""
    if shadow.is_hash(job_id):
        shadow.jobs[job_id].rescues += 1
        if shadow.jobs[job_id].rescues >= MOST_RESCUES:
            shadow.bury(job_id)
            return
    shadow.give_back(job_id, "rescued")


def leave(shadow: Shadow, start: str, workers: Iterable[str]) -> int:
    """Give back what a start that leaves holds, and forget it; returns how many jobs that were."""
    given = sum(_empty(shadow, worker) for worker in workers)
    del shadow.beats[start]
    _sign_off(shadow, start.partition(".")[0], workers)
    return given


def deregister(shadow: Shadow, manager: str, worker: str) -> None:
    """Take a worker of qw 0.1.1 out; the manager stays known."""
    if worker in shadow.workers[manager]:
        _empty(shadow, worker)
        shadow.workers[manager].discard(worker)


def _empty(shadow: Shadow, worker: str) -> int:
    ids = shadow.lists.pop(worker, [])
    for job_id in ids:
        shadow.give_back(job_id, "released")
    return len(ids)


def _sign_off(shadow: Shadow, manager: str, workers: Iterable[str]) -> None:
    shadow.workers[manager].difference_update(workers)
    if not shadow.workers[manager]:
        shadow.managers.discard(manager)


def fetch(shadow: Shadow, manager: str, worker: str, count: int, in_hand: set[str]) -> list[str]:
    """Claim jobs for a worker of qw 0.1.1: its own that are not in hand, then its manager's, then anyone's."""
    while True:
        before = shadow.stats["dropped"] + shadow.stats["buried"]
        taken = _own(shadow, manager, worker, count, in_hand)
        taken += _claim(shadow, manager, worker, count - len(taken), manager)
        taken += _claim(shadow, ALL, worker, count - len(taken), None)
        # After ids that made no job there may be one.
        if taken or before == shadow.stats["dropped"] + shadow.stats["buried"]:
            in_hand.update(taken)
            return taken


def _own(shadow: Shadow, manager: str, worker: str, count: int, in_hand: set[str]) -> list[str]:
    """Take from a worker's own list what is not in hand; an id that stands there twice is looked at once."""
    taken: list[str] = []
    own, seen = [*reversed(shadow.lists[worker])], {*in_hand}
    while own and len(taken) < count:
        job_id = own.pop(0)
        if job_id in seen:
            continue
        seen.add(job_id)
        if shadow.is_hash(job_id):
            if not shadow.jobs[job_id].is_ours:
                shadow.jobs[job_id].belongs_to(f"{manager}:jobs")
            taken.append(job_id)
        else:
            shadow.strike(worker, job_id)
            shadow.drop(job_id)
    if not own:
        in_hand.intersection_update(seen, [*shadow.lists[worker], *taken])
    return taken


def _claim(shadow: Shadow, queue: str, worker: str, room: int, belongs_to: str | None) -> list[str]:
    taken: list[str] = []
    ids = shadow.lists[queue]
    while ids and len(taken) < room:
        job_id = ids.pop()
        if not shadow.is_hash(job_id):
            shadow.drop(job_id)
            continue
        shadow.jobs[job_id].belongs_to(belongs_to)
        shadow.lists[worker].insert(0, job_id)
        taken.append(job_id)
    return taken


def finish(shadow: Shadow, worker: str, ids: Sequence[str]) -> list[bool]:
    """Finish jobs of a worker of qw 0.1.1; returns for each whether it was still the worker's."""
    held = []
    for job_id in ids:
        held.append(job_id in shadow.lists[worker])
        if held[-1]:
            shadow.strike(worker, job_id)
            shadow.finish(job_id)
    return held


def requeue(shadow: Shadow, job_id: str) -> bool:
    """Queue a buried job again; returns whether there was one."""
    job = shadow.jobs.get(job_id)
    if job is None:
        shadow.dead.discard(job_id)
        return False
    if not job.is_hash:
        return False
    job.tries = job.crashes = job.rescues = 0
    job.is_ours = True
    shadow.dead.discard(job_id)
    shadow.results.discard(job_id)
    shadow.stats["requeued"] += 1
    shadow.push(shadow.queue_of(job_id), job_id)
    return True


def delete(shadow: Shadow, job_id: str) -> None:
    """Delete a buried job for good."""
    shadow.dead.discard(job_id)
    shadow.jobs.pop(job_id, None)
    shadow.results.discard(job_id)
