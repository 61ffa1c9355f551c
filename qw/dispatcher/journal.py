"""What a dispatcher tells: one line for each job, and the totals at the end."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping, Sequence

import attrs

from qw.keys import number_of, to_str
from qw.logs import say
from qw.scripts import Rescued
from qw.slots import Outcome, Report


@attrs.define
class Totals:
    """What a manager has done since it started; `seconds` is how long it ran."""

    finished: int = 0
    buried: int = 0
    crashed: int = 0
    retried: int = 0
    rescued: int = 0
    dropped: int = 0
    released: int = 0
    seconds: float = 0.0


class Journal:
    """Writes the log of one manager, and counts."""

    def __init__(self, logger: logging.Logger) -> None:
        self.logger = logger
        self.totals = Totals()
        self._began = time.monotonic()
        #: Seconds that Redis's clock is ahead of ours; only for the waiting times shown.
        self._ahead = 0.0

    @property
    def keeps_lines(self) -> bool:
        """Whether each job gets a line in the log, for which its data must be kept."""
        return self.logger.isEnabledFor(logging.INFO)

    def clock(self, redis_ms: int) -> None:
        """Note what time it is for Redis."""
        self._ahead = redis_ms / 1000 - time.time()

    def jobs(self, worker: str, reports: Sequence[tuple[str, bytes, Report]]) -> None:
        """Tell how jobs ended: id, line and report of each, in the order in which they ran."""
        told = [each for each in reports if each[1] or each[2][1] is not None]
        self.totals.finished += len(reports) - len(told)
        for job_id, line, report in told:
            self._job(worker, job_id, line, report)

    def _job(self, worker: str, job_id: str, line: bytes, report: Report) -> None:
        seconds, outcome = report
        if outcome is None or outcome.kind == "result":
            self.totals.finished += 1
            if line:
                say(self.logger, logging.INFO, "finish", **self._about(worker, job_id, line, seconds))
        else:
            self._failed(outcome, self._about(worker, job_id, line, seconds))

    def _failed(self, outcome: Outcome, about: Mapping[str, object]) -> None:
        error = outcome.fields.get("qw:error", "")
        if outcome.kind == "retry":
            self.totals.retried += 1
            say(self.logger, logging.WARNING, "retry", **about, after=outcome.ttl, error=error)
        else:
            self.totals.buried += 1
            say(self.logger, logging.WARNING, "bury", **about, error=error)

    def _about(self, worker: str, job_id: str, line: bytes, seconds: float) -> dict[str, object]:
        about: dict[str, object] = {"job": job_id}
        if line:
            fields = fields_of(line)
            about["type"] = fields.get("qw:type", "-")
            about["worker"] = worker
            queued = number_of(fields.get("qw:queued_at"))
            if queued is not None:
                about["wait"] = max(0.0, time.time() + self._ahead - seconds - queued / 1000)
        else:
            about["worker"] = worker
        about["run"] = seconds
        return about

    def died(self, worker: str, job_id: str | None, outcome: Outcome | None) -> None:
        """Tell that a worker's process died, and of which job; `outcome`: it was killed, since the job ran too long."""
        if outcome is not None:
            self._failed(outcome, {"job": job_id, "worker": worker})
            return
        if job_id is not None:
            self.totals.crashed += 1
        say(self.logger, logging.WARNING, "crash", worker=worker, job=job_id or "-")

    def dropped(self, dropped: Sequence[tuple[str, str]]) -> None:
        """Tell of ids that could not be read."""
        for job_id, why in dropped:
            if why.startswith("buried"):
                self.totals.buried += 1
                say(self.logger, logging.WARNING, "bury", job=job_id, error=why.removeprefix("buried: "))
            else:
                self.totals.dropped += 1
                say(self.logger, logging.WARNING, "drop", job=job_id, why=why)

    def refused(self, ids: frozenset[str]) -> None:
        """Tell of outcomes that came too late: the job was taken away meanwhile."""
        for job_id in ids:
            why = "it was taken away meanwhile, or where it belongs is a key of another type"
            say(self.logger, logging.WARNING, "refused", job=job_id, why=why)

    def rescued(self, start: str, what: Rescued) -> None:
        """Tell that jobs of a dead start went back to the queues."""
        self.totals.rescued += what.rescued
        self.totals.buried += what.buried
        say(self.logger, logging.WARNING, "rescue", start=start, jobs=what.rescued, buried=what.buried)

    def released(self, worker: str, ids: Sequence[str]) -> None:
        """Tell that jobs go back to be run elsewhere."""
        self.totals.released += len(ids)
        say(self.logger, logging.DEBUG, "release", worker=worker, jobs=len(ids))

    def end(self, given_back: int) -> None:
        """Tell the totals; `given_back` jobs went back at the very end."""
        self.totals.released += given_back
        self.totals.seconds = time.monotonic() - self._began
        say(self.logger, logging.INFO, "totals", **attrs.asdict(self.totals))


def fields_of(line: bytes) -> dict[str, str]:
    """Read the fields of a job; a line that is none has none: the bell brings what anybody says."""
    try:
        words: object = json.loads(to_str(line))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return {}
    return dict(zip(words[::2], words[1::2], strict=False))


def crash_outcome(worker: str, reason: str) -> Outcome:
    """Describe the end of a process for the job that it took with it; `reason` is what it died of, if known."""
    error = f"the worker's process died while it ran this job{f': {reason}' if reason else ''}"
    body = json.dumps({"error": error, "traceback": ""})
    return Outcome("crash", 3600.0, body, {"qw:error": error, "qw:worker": worker})
