"""
A Redis job queue: typed jobs, run in processes or in threads.

Each name is imported when it is first asked for, so that a process that only computes never
imports redis. `qw.errors` draws the tree of everything that can be raised.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qw.client import Client
    from qw.errors import (
        AlreadyStartedException,
        BadJSON,
        BadName,
        Bury,
        CrashLoop,
        EmbeddedError,
        JobError,
        JobFailed,
        NotDurable,
        NotStartedException,
        PayloadTooLarge,
        QueueUnsure,
        QwError,
        RedisRefused,
        RedisTooOld,
        RedisUnavailable,
        ResultGone,
        Retry,
        TargetError,
        TargetImportFailed,
        TargetNotFound,
        TargetSignatureError,
        TimedOut,
        UndecodableJob,
        UnknownJob,
        UnknownName,
        UsageError,
    )
    from qw.job import Job, JobId, Options, current_job
    from qw.manager import Manager
    from qw.worker import Worker

__version__ = "1.0.0"

__all__ = [
    "AlreadyStartedException",
    "BadJSON",
    "BadName",
    "Bury",
    "Client",
    "CrashLoop",
    "EmbeddedError",
    "Job",
    "JobError",
    "JobFailed",
    "JobId",
    "Manager",
    "NotDurable",
    "NotStartedException",
    "Options",
    "PayloadTooLarge",
    "QueueUnsure",
    "QwError",
    "RedisRefused",
    "RedisTooOld",
    "RedisUnavailable",
    "ResultGone",
    "Retry",
    "TargetError",
    "TargetImportFailed",
    "TargetNotFound",
    "TargetSignatureError",
    "TimedOut",
    "UndecodableJob",
    "UnknownJob",
    "UnknownName",
    "UsageError",
    "Worker",
    "current_job",
]

#: Where the names live that are no errors.
_HOMES = {
    "Client": "qw.client",
    "Job": "qw.job",
    "JobId": "qw.job",
    "Manager": "qw.manager",
    "Options": "qw.job",
    "Worker": "qw.worker",
    "current_job": "qw.job",
}


if not TYPE_CHECKING:
    # Hidden from type checkers: for them any name at all would be in a module that has a __getattr__.

    def __getattr__(name: str) -> object:
        """Import a public name; from then on it is found without asking here (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value: object = getattr(import_module(_HOMES.get(name, "qw.errors")), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted(__all__)
