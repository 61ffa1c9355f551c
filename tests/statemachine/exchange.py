"""
What an exchange does to the shadow.

Outcomes, hand-backs and adoptions are foretold. To whom which job is dealt is the script's own affair: its answer is
taken, and held to what is promised of it.
"""

from __future__ import annotations

from collections import deque

from qw.scripts import Content, Exchanged, Plan
from tests.statemachine.process import Start
from tests.statemachine.shadow import ALL, Shadow

#: A job whose process died this often is buried.
MOST_CRASHES = 3


def follow(shadow: Shadow, start: Start, plan: Plan, reply: Exchanged) -> None:
    """Do to the shadow what the plan says, and hold the reply against it."""
    beat = shadow.beats[start.name]
    if beat.is_struck:
        assert (reply.status, reply.refused, reply.batches) == ("struck", frozenset(), [])
        return
    assert reply.status == "ok"
    is_new = plan.number == 0 or plan.number != beat.number
    refused = _load(shadow, plan) if is_new else set()
    assert reply.refused == refused, f"refused {set(reply.refused)}, not {refused}"
    beat.number = plan.number or beat.number
    deal = Deal(shadow, start, plan, reply)
    deal.adopt()
    deal.hold()


def _load(shadow: Shadow, plan: Plan) -> set[str]:
    """Apply outcomes and hand-backs; returns the ids that are refused, since their worker does not hold them."""
    refused: set[str] = set()
    finished: list[str] = []
    for worker, ids in plan.done:
        for job_id in ids:
            if job_id in shadow.lists[worker]:
                shadow.strike(worker, job_id)
                finished.append(job_id)
            else:
                refused.add(job_id)
    for told in plan.contents:
        if told.job_id in shadow.lists[told.worker]:
            shadow.strike(told.worker, told.job_id)
            finished += _settle(shadow, told)
        else:
            refused.add(told.job_id)
    # Not before: two workers may tell of an id that was pushed twice.
    for job_id in finished:
        shadow.finish(job_id)
    for worker, ids in plan.release:
        # What was taken first is to be the next one again.
        for job_id in reversed(ids):
            if job_id in shadow.lists[worker]:
                shadow.strike(worker, job_id)
                shadow.give_back(job_id, "released")
            else:
                refused.add(job_id)
    return refused


def _settle(shadow: Shadow, told: Content) -> list[str]:
    """Let a job end in a way that leaves something; returns its id if it is finished."""
    job_id = told.job_id
    if told.kind == "result":
        shadow.results.add(job_id)
        return [job_id]
    job = shadow.jobs.get(job_id)
    if job is None:
        return []  # it was pushed twice, and its other run has finished it
    if told.kind == "retry":
        job.tries += 1
        if told.ttl:
            shadow.schedule(job_id)
            shadow.stats["retried"] += 1
        else:
            shadow.give_back(job_id, "retried")
        return []
    job.crashes += told.kind == "crash"
    if told.kind == "crash" and job.crashes < MOST_CRASHES:
        shadow.give_back(job_id, "crashed")
    else:
        shadow.bury(job_id)
    return []


class Deal:
    """
    One answer of `exchange`.

    1. What is found in a worker's own list is adopted: foretold.
    2. Of each queue the oldest jobs are dealt, in their order, and none is passed over but for one reason: it was
       rescued before, and another such job is in hand.
    3. No worker that wants one is left without while there is a job for it.
    """

    def __init__(self, shadow: Shadow, start: Start, plan: Plan, reply: Exchanged) -> None:
        self._shadow, self._manager, self._plan, self._reply = shadow, start.manager, plan, reply
        #: Worker → the ids that it was given and that are not accounted for.
        self._given = {batch.worker: deque(batch.ids) for batch in reply.batches}
        self._dropped = list(reply.dropped)
        self._rescued_in_hand = plan.rescued
        #: Worker → how many jobs it adopts, how many it may be dealt then, and the ids that it is.
        self._adopted: dict[str, int] = {}
        self._room: dict[str, int] = {}
        self._dealt: dict[str, list[str]] = {worker: [] for worker, _ in plan.want}
        #: Whether a job was met that runs alone: who has another one gets nothing more then.
        self._is_careful = False

    def adopt(self) -> None:
        """Hold against the reply what each worker finds in its own list."""
        for adopt in self._plan.adopt:
            seen = set(adopt.in_hand)
            for job_id in reversed([*self._shadow.lists[adopt.worker]]):
                is_wanted = job_id in adopt.knocked or adopt.others is not None
                if is_wanted and job_id not in seen:
                    seen.add(job_id)
                    is_ours = job_id in self._shadow.jobs and self._shadow.jobs[job_id].is_ours
                    # A client's job says itself where it belongs; of others only the knock, or a guess, tells.
                    queue = adopt.knocked.get(job_id, "" if is_ours else adopt.others)
                    self._adopt(adopt.worker, job_id, queue)

    def _adopt(self, worker: str, job_id: str, queue: str | None) -> None:
        shadow = self._shadow
        if not shadow.is_hash(job_id):
            shadow.strike(worker, job_id)
            self._drop(job_id)
            return
        shadow.jobs[job_id].belongs_to(queue)
        if shadow.is_rescued(job_id) and self._rescued_in_hand:
            shadow.strike(worker, job_id)
            shadow.give_back(job_id, "released")
            return
        self._take(worker, job_id)
        self._adopted[worker] = self._adopted.get(worker, 0) + 1

    def hold(self) -> None:
        """Hold what was dealt against the queues as they were."""
        self._room = {worker: n - self._adopted.get(worker, 0) for worker, n in self._plan.want}
        for queue in (self._manager, ALL) if self._plan.want else ():
            self._walk(queue)
        left = {worker: [*ids] for worker, ids in self._given.items() if ids}
        assert not left, f"given out of order, or out of nothing: {left}"
        assert not self._dropped, f"dropped without being there: {self._dropped}"

    def _walk(self, queue: str) -> None:
        """Go through a queue, oldest first, up to the first job that nobody takes."""
        stays: list[str] = []
        todo = deque(reversed(self._shadow.lists[queue]))
        while todo:
            what = self._meet(todo[0], queue)
            if what == "left":
                break
            job_id = todo.popleft()
            if what == "waits":
                stays.append(job_id)
        if todo:
            self._hold_rest(todo[0])
        self._shadow.lists[queue][:] = [*reversed(todo), *reversed(stays)]

    def _meet(self, job_id: str, queue: str) -> str:
        """Say what becomes of the next job of a queue."""
        self._is_careful = self._is_careful or self._is_suspicious(job_id)
        if not self._shadow.is_hash(job_id):
            if job_id not in [name for name, _ in self._dropped]:
                return "left"
            self._drop(job_id)
            return "dropped"
        worker = next((worker for worker, ids in self._given.items() if ids and ids[0] == job_id), None)
        if worker is not None:
            if queue == self._manager:
                self._shadow.jobs[job_id].belongs_to(f"{queue}:jobs")
            self._take(worker, job_id)
            self._shadow.lists[worker].insert(0, job_id)
            self._dealt[worker].append(job_id)
            return "taken"
        return "waits" if self._shadow.is_rescued(job_id) and self._rescued_in_hand else "left"

    def _take(self, worker: str, job_id: str) -> None:
        given = self._given.get(worker, deque())
        assert given, f"{worker} did not get {job_id!r}, which is its own"
        assert given.popleft() == job_id, f"{worker} got something else before {job_id!r}"
        if self._shadow.is_rescued(job_id):
            assert not self._rescued_in_hand, f"{job_id!r}: a second job that was rescued before is in hand"
            self._rescued_in_hand = True

    def _drop(self, job_id: str) -> None:
        said = (job_id, self._shadow.drop(job_id))
        assert said in self._dropped, f"{said} was not told"
        self._dropped.remove(said)

    def _is_suspicious(self, job_id: str) -> bool:
        return job_id in self._shadow.jobs and self._shadow.jobs[job_id].is_suspicious

    def _hold_rest(self, job_id: str) -> None:
        """Hold that nobody could have taken the first job that is left."""
        assert self._reply.more, f"{job_id!r} is left, and nobody is told"
        if self._reply.dropped:
            return  # the places of those may have been left empty; who asks again fills them
        for worker, room in self._room.items():
            has = self._dealt[worker]
            is_full = len(has) >= room or any(map(self._is_suspicious, has))
            is_busy = bool(has) or worker in self._adopted
            assert is_full or (self._is_careful and is_busy), f"{worker} has room for {job_id!r}"
