"""
The parameters that qw 0.1.1 had: its programs call qw with them, by place or by name.

Each stands where it stood, with the name and the default it had; what is newer is keyword-only.
"""

from __future__ import annotations

import inspect
import multiprocessing
from collections.abc import Callable
from typing import Any

import pytest
import redis

from qw.client import Client
from qw.manager import Manager
from qw.worker import Worker

# A parameter without a default.
NONE_GIVEN = inspect.Parameter.empty

Seed = list[tuple[str, object]]

MANAGER: dict[str, Seed] = {
    "__init__": [
        ("target", NONE_GIVEN),
        ("host", "localhost"),
        ("port", 6379),
        ("db", 0),
        ("num_workers", None),
        ("name", None),
    ],
    "start": [],
    "stop": [],
    "join": [],
}

WORKER: dict[str, Seed] = {
    "__init__": [("client", NONE_GIVEN), ("target", NONE_GIVEN), ("manager_name", None), ("timeout", 10)],
    "run": [],
    "shutdown": [],
}

CLIENT: dict[str, Seed] = {
    "__init__": [("host", "localhost"), ("port", 6379), ("db", 0)],
    "register_manager": [("name", NONE_GIVEN)],
    "deregister_manager": [("name", NONE_GIVEN)],
    "register_worker": [("manager", NONE_GIVEN), ("name", NONE_GIVEN)],
    "deregister_worker": [("manager", NONE_GIVEN), ("name", NONE_GIVEN)],
    "queue_job": [("job_data", NONE_GIVEN), ("manager", None), ("worker", None)],
    "fetch_next_job": [("manager", NONE_GIVEN), ("worker", NONE_GIVEN), ("timeout", 10)],
    "finish_job": [("job_id", NONE_GIVEN), ("worker_name", NONE_GIVEN)],
    "get_all_managers": [],
    "get_manager_workers": [("manager_name", NONE_GIVEN)],
    "get_worker_pending_jobs": [("worker_name", NONE_GIVEN)],
    "get_manager_queued_jobs": [("manager_name", NONE_GIVEN)],
    "get_all_queued_jobs": [],
    "get_all_pending_jobs": [],
}

METHODS = [
    pytest.param(getattr(owner, name), seed, id=f"{owner.__name__}.{name}")
    for owner, methods in ((Manager, MANAGER), (Worker, WORKER), (Client, CLIENT))
    for name, seed in methods.items()
]

# Where the seed took nothing, one newer parameter may be given by place, as in Process.join(timeout).
NEWER_BY_PLACE = {"Manager.stop": ["grace"], "Manager.join": ["timeout"]}


@pytest.mark.parametrize(("method", "seed"), METHODS)
def test_the_parameters_of_the_seed_come_first(method: Callable[..., Any], seed: Seed) -> None:
    """What a program for 0.1.1 gives by place or by name arrives where it did."""
    _self, *parameters = inspect.signature(method).parameters.values()
    by_place = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]

    assert [(p.name, p.default) for p in by_place][: len(seed)] == seed


@pytest.mark.parametrize(("method", "seed"), METHODS)
def test_what_is_newer_is_keyword_only(method: Callable[..., Any], seed: Seed) -> None:
    """New parameters have names and defaults, and leave the places free."""
    _self, *parameters = inspect.signature(method).parameters.values()
    newer = [p for p in parameters[len(seed) :] if p.kind is not p.VAR_KEYWORD]
    by_place = [p.name for p in newer if p.kind is not p.KEYWORD_ONLY]

    assert by_place in ([], NEWER_BY_PLACE.get(method.__qualname__))
    assert [p.name for p in newer if p.default is p.empty] == []


def test_the_base_classes_of_the_seed() -> None:
    """A client is a Redis client, and a worker is a process, as they were."""
    assert issubclass(Client, redis.Redis)
    assert issubclass(Worker, multiprocessing.Process)
