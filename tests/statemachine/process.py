"""What one start of a manager has in its memory: gone with its process, and all that it knows when it goes on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, Literal

import attrs

from qw.keys import Keys
from qw.scripts import Adopt, Batch, Content, DispatcherScripts, Plan

#: How a job may end, or be left alone for now.
Kind = Literal["keep", "done", "result", "again", "later", "bury", "crash", "release"]
#: Seconds until a delayed job is due, or one that is tried again later: longer than any test.
LATER: Final = 3600.0


def content(kind: Kind, worker: str, job_id: str) -> Content:
    """Return an outcome that carries something."""
    if kind == "result":
        return Content("result", worker, job_id, 60.0, '{"result":1}')
    reason = {"qw:error": "ValueError: no", "qw:worker": worker}
    if kind in ("again", "later"):
        return Content("retry", worker, job_id, LATER if kind == "later" else 0.0, "", reason)
    body = json.dumps({"error": "ValueError: no", "traceback": ""})
    return Content("bury" if kind == "bury" else "crash", worker, job_id, 60.0, body, reason)


class Start:
    """The process of one start, with two workers."""

    def __init__(self, keys: Keys, manager: str, start: str) -> None:
        self.manager = manager
        self.name = f"{manager}.{start}"
        self.workers = (f"{self.name}.0", f"{self.name}.1")
        self.scripts = DispatcherScripts(keys, manager, start, self.workers)
        #: Worker → ids, oldest first.
        self.hand: dict[str, list[str]] = {worker: [] for worker in self.workers}
        #: Worker → id → the queue that it came from: what a BLMOVE has answered.
        self.knocks: dict[str, dict[str, str]] = {worker: {} for worker in self.workers}
        #: Worker → the queue from which something may have been claimed for it without an answer.
        self.unheard: dict[str, str] = {}
        #: Of the last load.
        self.number = 0
        #: What was sent and not answered.
        self.unanswered: Plan | None = None

    def __repr__(self) -> str:
        return self.name

    @property
    def holds(self) -> int:
        """How many jobs are in hand."""
        return sum(map(len, self.hand.values()))

    def load(self, kinds: Sequence[Kind]) -> Plan:
        """Let jobs in hand end, oldest first of each worker; returns what tells of it."""
        held = [(worker, job_id) for worker in self.workers for job_id in self.hand[worker]]
        done: dict[str, list[str]] = {}
        release: dict[str, list[str]] = {}
        contents: list[Content] = []
        for (worker, job_id), kind in zip(held, kinds, strict=False):
            if kind == "done":
                done.setdefault(worker, []).append(job_id)
            elif kind == "release":
                release.setdefault(worker, []).append(job_id)
            elif kind != "keep":
                contents.append(content(kind, worker, job_id))
        return Plan(list(done.items()), contents, list(release.items()))

    def numbered(self, plan: Plan) -> Plan:
        """Return the plan under the number of its load, if it has one."""
        if not (plan.done or plan.contents or plan.release):
            return plan
        self.number += 1
        return attrs.evolve(plan, number=self.number)

    def adoptions(self) -> list[Adopt]:
        """Return where it looks: for what was knocked, else for what went unheard, else for what was sent to it."""
        return [self._adoption(worker) for worker in self.workers]

    def _adoption(self, worker: str) -> Adopt:
        others = self.unheard.get(worker)
        if others is None and not self.knocks[worker]:
            others = f"{self.manager}:jobs"
        return Adopt(worker, [*self.hand[worker]], {**self.knocks[worker]}, others)

    def answered(self, plan: Plan, batches: Sequence[Batch]) -> None:
        """Take the answer to a plan: what was told is out of hand, what came is in hand."""
        for worker, ids in (*plan.done, *plan.release):
            self.hand[worker] = [job_id for job_id in self.hand[worker] if job_id not in ids]
        for told in plan.contents:
            self.hand[told.worker] = [job_id for job_id in self.hand[told.worker] if job_id != told.job_id]
        for adopt in plan.adopt:
            self.knocks[adopt.worker].clear()
            self.unheard.pop(adopt.worker, None)
        for batch in batches:
            mine = self.hand[batch.worker]
            mine += [job_id for job_id in batch.ids if job_id not in mine]
        self.unanswered = None

    def unsure(self, plan: Plan) -> None:
        """Note that no answer came: the load goes again, and jobs may have been dealt unheard of."""
        self.unanswered = attrs.evolve(plan, adopt=(), want=())
        for worker, _ in plan.want:
            self.unheard[worker] = ""
