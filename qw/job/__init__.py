"""
Typed jobs: the classes that users write, and how they become the fields of `job:<id>` and come back.

    _model        Job, JobId, Options
    _current      current_job; enter_job and leave_job around a target
    _type         JobType: the codec of one class
    _annotations  what its annotations mean
    _codec        the codec of one type: _text for the simple ones, else
    _converter    cattrs, made strict by _scalars, _containers and _choices, which ask _shapes
    _misfit       the error that knows its path
"""

from __future__ import annotations

from qw.job._annotations import evaluate
from qw.job._current import CurrentJob, current_job, enter_job, leave_job
from qw.job._model import Job, JobId, Options, R_co
from qw.job._type import JobType, job_type

__all__ = [
    "CurrentJob",
    "Job",
    "JobId",
    "JobType",
    "Options",
    "R_co",
    "current_job",
    "enter_job",
    "evaluate",
    "job_type",
    "leave_job",
]
