"""`JobInfo`: what Redis knows of a job."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from qw.keys import OWN, number_of


@attrs.frozen
class JobInfo:
    """What stands in the hash of a job: its data, and what qw has noted beside it."""

    id: str
    #: The name of its class; None for a plain job.
    type: str | None
    #: Its fields, without those that are qw's own.
    data: Mapping[str, str]
    #: The list it returns to, such as `web:jobs`; None for all:jobs.
    queue: str | None
    #: When it was queued, seconds since 1970 by the clock of Redis; None when another program has queued it.
    queued_at: float | None
    #: How often it has failed and is run again, has ended the process that ran it, and was taken from a dead manager.
    tries: int
    crashes: int
    rescues: int
    #: Why it was buried or failed last, and the traceback; empty unless it was.
    error: str
    traceback: str
    #: Of a buried job, the worker that had it last and when it was buried, seconds since 1970; '' and None of another.
    worker: str = ""
    dead_at: float | None = None


def info_of(job_id: str, fields: Mapping[str, str]) -> JobInfo:
    """Return what the fields of a hash say; a number that is none counts as not there."""
    return JobInfo(
        id=job_id,
        type=fields.get("qw:type"),
        data={field: value for field, value in fields.items() if not field.startswith(OWN)},
        queue=fields.get("qw:queue"),
        queued_at=_moment(fields.get("qw:queued_at")),
        tries=number_of(fields.get("qw:tries")) or 0,
        crashes=number_of(fields.get("qw:crashes")) or 0,
        rescues=number_of(fields.get("qw:rescues")) or 0,
        error=fields.get("qw:error", ""),
        traceback=fields.get("qw:traceback", ""),
        worker=fields.get("qw:worker", ""),
        dead_at=_moment(fields.get("qw:dead_at")),
    )


def _moment(text: str | None) -> float | None:
    number = number_of(text)
    return None if number is None else number / 1000
