"""
Run one job: decode its line, call the target, and say how it ended, in plain data.

Whatever a target raises ends here. No exception object leaves a slot: one that cannot be
un-pickled would do its harm in the manager.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Coroutine
from typing import Final, Protocol, cast

from qw.errors import TimedOut
from qw.job import JobType, enter_job, leave_job
from qw.keys import number_of
from qw.slots._slot import Outcome
from qw.slots.failures import failed, overran
from qw.slots.limits import NONE, Limits
from qw.target import Target

#: Characters of a result as JSON, at most: Redis drops a connection that sends it more than 512 MB at a time.
RESULT_SIZE: Final = 64 * 1024 * 1024
#: Digits of a count that can be one.
LONGEST_COUNT: Final = 9

_COUNTED: Final = frozenset({"qw:tries", "qw:crashes", "qw:rescues"})
# A line is nothing but its JSON: what `json.loads` does around this takes as long as this.
_decode: Final = json.JSONDecoder().raw_decode


class Alarm(Protocol):
    """Who sees to it that a job does not run for longer than it may."""

    def begin(self, seconds: float, overran: Outcome, *, soft: bool) -> None:
        """
        Note that a target begins, which is to return within these seconds.

        If it does not, `TimedOut` is raised in it (`soft`; else it is told otherwise), and if that does not help, it
        is cut off: then `overran` is its outcome.
        """

    def end(self) -> None:
        """Note that the target has returned: nothing is raised any more."""


class Runner:
    """Runs the jobs of one worker, one at a time, on one target."""

    def __init__(self, target: Target, worker: str, limits: Limits = NONE, alarm: Alarm | None = None) -> None:
        self._target = target
        self._function = target.function
        self._worker = worker
        self._limits = limits
        #: Without one, jobs run for as long as they like.
        self._alarm = alarm

    def run(self, line: str) -> Outcome | None:
        """Run the job of this line; never raises. None: it finished and there is nothing to keep."""
        job_type: JobType[object] | None = None
        fields: dict[str, str] = {}
        try:
            job_id, fields = _read(line)
            args, job_type = self._target.decode(job_id, fields)
            seconds = self._seconds(job_type)
            before = enter_job(job_id, _attempt(fields), self._worker)
            try:
                value = self._function(*args) if seconds is None else self._in_time(args, seconds, job_type, fields)
            finally:
                leave_job(before)
            return _result(job_type, value)
        except BaseException as error:  # noqa: BLE001 - SystemExit of a target is that job's failure, not the slot's end
            return failed(error, job_type, self._worker, self._limits, _count(fields, "qw:tries"))

    def run_any(self, line: str) -> Outcome | None:
        """Run the job of this line, on whichever kind of target, in this thread."""
        if not self._target.is_async:
            return self.run(line)
        import asyncio  # as below: most targets do without it, which is 4 MB less in each process

        return asyncio.run(self.run_async(line))

    async def run_async(self, line: str) -> Outcome | None:
        """Run the job of this line on an `async def` target; lets only a cancellation from outside through."""
        job_type: JobType[object] | None = None
        fields: dict[str, str] = {}
        try:
            job_id, fields = _read(line)
            args, job_type = self._target.decode(job_id, fields)
            seconds = self._seconds(job_type)
            before = enter_job(job_id, _attempt(fields), self._worker)
            try:
                call = cast("Awaitable[object]", self._function(*args))
                value = await (call if seconds is None else self._awaited_in_time(call, seconds, job_type, fields))
            finally:
                leave_job(before)
            return _result(job_type, value)
        except BaseException as error:  # noqa: BLE001 - as in `run`; the slot tells its own cancellation apart
            return failed(error, job_type, self._worker, self._limits, _count(fields, "qw:tries"))

    # -- jobs with a limit --------------------------------------------------------------------------

    def _seconds(self, job_type: JobType[object] | None) -> float | None:
        own = None if job_type is None else job_type.options.timeout
        return self._limits.timeout if own is None else own

    def _overran(self, seconds: float, job_type: JobType[object] | None, fields: dict[str, str]) -> Outcome:
        return overran(seconds, job_type, self._worker, self._limits, _count(fields, "qw:tries"))

    def _in_time(
        self, args: tuple[object, ...], seconds: float, job_type: JobType[object] | None, fields: dict[str, str]
    ) -> object:
        alarm = self._alarm
        if alarm is None:
            return self._function(*args)
        try:
            alarm.begin(seconds, self._overran(seconds, job_type, fields), soft=True)
            return self._function(*args)
        finally:
            alarm.end()

    async def _awaited_in_time(
        self,
        call: Awaitable[object],
        seconds: float,
        job_type: JobType[object] | None,
        fields: dict[str, str],
    ) -> object:
        """Await a target in a task of its own, which alone is cancelled when its time is over."""
        import asyncio

        alarm = self._alarm
        if alarm is not None:
            alarm.begin(seconds, self._overran(seconds, job_type, fields), soft=False)
        task = asyncio.ensure_future(call)
        try:
            done, _ = await asyncio.wait((task,), timeout=seconds)
            if not done:
                task.cancel()
                await asyncio.wait((task,))
                if task.cancelled():
                    raise TimedOut(f"it ran for longer than {seconds:g} s")
            return task.result()
        finally:
            task.cancel()
            if alarm is not None:
                alarm.end()


def _read(line: str) -> tuple[str, dict[str, str]]:
    """Split a line into the id and all fields of the job's hash, qw's own among them."""
    flat: list[str] = _decode(line)[0]
    job_id = flat.pop()
    if len(flat) % 2:
        raise ValueError("a field without a value")
    pairs = iter(flat)
    return job_id, dict(zip(pairs, pairs))  # noqa: B905 - `strict=True` makes it a fifth slower


def _attempt(fields: dict[str, str]) -> int:
    """Count this run of the job, from 1."""
    return 1 if _COUNTED.isdisjoint(fields) else 1 + sum(_count(fields, name) for name in _COUNTED)


def _count(fields: dict[str, str], name: str) -> int:
    """Return a count among qw's own fields; one that a foreign producer spoilt counts as none."""
    return number_of(fields.get(name), LONGEST_COUNT) or 0


def _result(job_type: JobType[object] | None, value: object) -> Outcome | None:
    if value is not None and isinstance(value, Coroutine):
        value.close()
        raise TypeError("the target returned a coroutine: make what decorates it an `async def` as well")
    if job_type is None or not job_type.has_result:
        return None
    text = job_type.encode_result(value)
    if len(text) > RESULT_SIZE:
        raise ValueError(f"the result is {len(text):,} characters long; at most {RESULT_SIZE:,} are kept")
    return Outcome("result", job_type.options.result_ttl, f'{{"result":{text}}}')
