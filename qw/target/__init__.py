"""
Targets: what a manager calls for each job, found and checked before anything is registered in Redis.

    _target     Target: its name, what it takes, the arguments for one call
    _load       strings to objects: what is not there, and what raised while imported
    _signature  objects to what they take: (job_id, job_data), or which types of jobs
"""

from __future__ import annotations

from qw.target._load import find_job_types
from qw.target._target import J, Target, TargetLike

__all__ = ["J", "Target", "TargetLike", "find_job_types"]
