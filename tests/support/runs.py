"""One job on one target, as a slot runs it; and what comes of it, checked for being plain data."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NoReturn

from qw.keys import to_bytes
from qw.slots import Outcome
from qw.slots.channel import pack_outcome
from qw.slots.runner import Runner
from qw.target import Target

Function = Callable[[str, dict[str, str]], object]


def line(job_id: str = "j1", **fields: str) -> str:
    """Return a job as it comes to a slot; `qw_type` stands for `qw:type`."""
    flat = [part for name, value in fields.items() for part in (name.replace("qw_", "qw:"), value)]
    return json.dumps([*flat, job_id])


def checked(outcome: Outcome | None) -> Outcome | None:
    """Return an outcome that can be sent up the channel and written to Redis."""
    if outcome is not None:
        assert pack_outcome(0.5, 0, outcome)
        for text in (outcome.body, *outcome.fields, *outcome.fields.values()):
            assert to_bytes(text).decode("utf-8") == text
    return outcome


def run(target: object, job: str | None = None) -> Outcome | None:
    """Run one job on a target of whatever kind."""
    return checked(Runner(Target.load(target), "w1").run_any(line() if job is None else job))


def awaited(function: Function) -> Callable[[str, dict[str, str]], Any]:
    """Return the same target as a coroutine, which has waited before."""

    async def target(job_id: str, job_data: dict[str, str]) -> object:
        await asyncio.sleep(0)
        return function(job_id, job_data)

    return target


def raising(error: BaseException | type[BaseException]) -> Function:
    """Return a target that raises this."""

    def target(job_id: str, job_data: dict[str, str]) -> NoReturn:
        raise error

    return target


def reason(target: object, job: str | None = None) -> tuple[str, str]:
    """Return error and traceback of a job that is buried; they stand in its hash and in its result."""
    outcome = run(target, job)
    assert outcome is not None
    assert outcome.kind == "bury"
    said = json.loads(outcome.body)
    assert outcome.fields == {"qw:error": said["error"], "qw:traceback": said["traceback"], "qw:worker": "w1"}
    return said["error"], said["traceback"]
