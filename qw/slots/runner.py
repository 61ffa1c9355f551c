"""
Run one job: decode its line, call the target, and say how it ended, in plain data.

Whatever a target raises ends here. No exception object leaves a slot: one that cannot be
un-pickled would do its harm in the manager.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Awaitable, Coroutine
from typing import Final, cast

from qw.errors import UndecodableJob
from qw.job import JobType, running
from qw.keys import OWN
from qw.slots._slot import Outcome
from qw.target import Target

#: Bytes of a traceback that are kept: its end, where the reason stands.
TRACEBACK_SIZE: Final = 8192
#: Characters of an error's message that are kept.
ERROR_SIZE: Final = 1000
#: Characters of a result as JSON, at most: Redis drops a connection that sends it more than 512 MB at a time.
RESULT_SIZE: Final = 64 * 1024 * 1024
#: Seconds for which a failure without a type of its own is kept in `result:<id>`.
FAILURE_TTL: Final = 3600.0

#: Digits of a count that can be one: int() refuses thousands of them.
LONGEST_COUNT: Final = 9

_COUNTED: Final = ("qw:tries", "qw:crashes", "qw:rescues")


class Runner:
    """Runs the jobs of one worker, one at a time, on one target."""

    def __init__(self, target: Target, worker: str) -> None:
        self._target = target
        self._function = target.function
        self._worker = worker

    def run(self, line: str) -> Outcome | None:
        """Run the job of this line; never raises. None: it finished and there is nothing to keep."""
        job_type: JobType[object] | None = None
        try:
            job_id, own, data = _read(line)
            args, job_type = self._target.decode(job_id, own.get("qw:type"), data)
            with running(job_id, _attempt(own), self._worker):
                value = self._function(*args)
            return _result(job_type, value)
        except BaseException as error:  # noqa: BLE001 - SystemExit of a target is that job's failure, not the slot's end
            return failed(error, job_type, self._worker)

    def run_any(self, line: str) -> Outcome | None:
        """Run the job of this line, on whichever kind of target, in this thread."""
        return asyncio.run(self.run_async(line)) if self._target.is_async else self.run(line)

    async def run_async(self, line: str) -> Outcome | None:
        """Run the job of this line on an `async def` target; lets only a cancellation from outside through."""
        job_type: JobType[object] | None = None
        try:
            job_id, own, data = _read(line)
            args, job_type = self._target.decode(job_id, own.get("qw:type"), data)
            with running(job_id, _attempt(own), self._worker):
                value = await cast("Awaitable[object]", self._function(*args))
            return _result(job_type, value)
        except BaseException as error:  # noqa: BLE001 - as in `run`; the slot tells its own cancellation apart
            return failed(error, job_type, self._worker)


def _read(line: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Split a line into the id, qw's own fields, and the job's."""
    flat: list[str] = json.loads(line)
    job_id = flat.pop()
    own: dict[str, str] = {}
    data: dict[str, str] = {}
    pairs = iter(flat)
    for name, value in zip(pairs, pairs, strict=True):
        if name.startswith(OWN):
            own[name] = value
        else:
            data[name] = value
    return job_id, own, data


def _attempt(own: dict[str, str]) -> int:
    """Count this run of the job, from 1; a count that a foreign producer spoilt counts as none."""
    counts = (own.get(name, "") for name in _COUNTED)
    return 1 + sum(int(count) for count in counts if count.isdecimal() and len(count) <= LONGEST_COUNT)


def _result(job_type: JobType[object] | None, value: object) -> Outcome | None:
    if isinstance(value, Coroutine):
        value.close()
        raise TypeError("the target returned a coroutine: make what decorates it an `async def` as well")
    if job_type is None or not job_type.has_result:
        return None
    text = job_type.encode_result(value)
    if len(text) > RESULT_SIZE:
        raise ValueError(f"the result is {len(text):,} characters long; at most {RESULT_SIZE:,} are kept")
    return Outcome("result", job_type.options.result_ttl, f'{{"result":{text}}}')


def failed(error: BaseException, job_type: JobType[object] | None, worker: str) -> Outcome:
    """Describe a failure in plain data; an exception that cannot even be described is described as that."""
    text = describe(error)
    trace = "" if issubclass(type(error), UndecodableJob) else _trace(error)
    ttl = FAILURE_TTL if job_type is None else job_type.options.result_ttl
    body = json.dumps({"error": text, "traceback": trace})
    return Outcome("bury", ttl, body, {"qw:error": text, "qw:traceback": trace, "qw:worker": worker})


def describe(error: BaseException) -> str:
    """Say type and message of an exception in one bounded text that is valid UTF-8."""
    kind = type(error)
    try:
        message = str(error)
        text = f"{kind.__qualname__}: {message}" if message else kind.__qualname__
    except BaseException as worse:  # noqa: BLE001 - a target's __str__ is a target's code
        text = f"{kind.__qualname__}: (its message cannot be had: {type(worse).__qualname__})"
    return _clean(text[:ERROR_SIZE])


def _trace(error: BaseException) -> str:
    """Format the traceback from the target's first frame on, its last 8 KiB."""
    try:
        tb = error.__traceback__
        while tb is not None and tb.tb_frame.f_globals.get("__name__") == __name__:
            tb = tb.tb_next
        text = "".join(traceback.format_exception(type(error), error, tb))
    except BaseException as worse:  # noqa: BLE001 - as in `describe`
        text = f"(no traceback: {type(worse).__qualname__} while it was formatted)"
    return _encode(text)[-TRACEBACK_SIZE:].decode("utf-8", "ignore")


def _clean(text: str) -> str:
    return _encode(text).decode("utf-8")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
