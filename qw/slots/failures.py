"""How a job failed, in plain data: what it says, and whether it is tried again."""

from __future__ import annotations

import json
import random
import traceback
from typing import Final, cast

from qw.errors import Bury, Retry, TimedOut, UndecodableJob
from qw.job import JobType, Options
from qw.slots._slot import Outcome
from qw.slots.limits import Limits

#: Bytes of a traceback that are kept: its end, where the reason stands.
TRACEBACK_SIZE: Final = 8192
#: Characters of an error's message that are kept.
ERROR_SIZE: Final = 1000
#: Seconds for which a failure without a type of its own is kept in `result:<id>`.
FAILURE_TTL: Final = 3600.0
#: What goes for a job without a type.
PLAIN: Final = Options(result_ttl=FAILURE_TTL)
#: The module whose frames stand above the target's first one.
RUNNER: Final = "qw.slots.runner"
#: Doublings of the backoff beyond which any cap is reached.
MOST_DOUBLINGS: Final = 60


def failed(
    error: BaseException, job_type: JobType[object] | None, worker: str, limits: Limits, tries: int = 0
) -> Outcome:
    """
    Describe a failure: the job is tried again, or buried. `tries` is how often it was tried before.

    An exception that cannot even be described is described as that.
    """
    options = PLAIN if job_type is None else job_type.options
    text = describe(error)
    trace = "" if _is_a(error, UndecodableJob, Bury, Retry) else _trace(error)
    fields = {"qw:error": text, "qw:traceback": trace, "qw:worker": worker}
    delay = _delay(error, options, limits, tries)
    if delay is not None:
        return Outcome("retry", delay, "", fields)
    return Outcome("bury", options.result_ttl, json.dumps({"error": text, "traceback": trace}), fields)


def _delay(error: BaseException, options: Options, limits: Limits, tries: int) -> float | None:
    """Return the seconds until the next try; None when there is none."""
    if _is_a(error, Retry):
        return cast("Retry", error).after
    retries = limits.retries if options.retries is None else options.retries
    if tries >= retries or _is_a(error, UndecodableJob, Bury, *options.give_up_on):
        return None
    # Full jitter: what failed together does not come back together.
    return random.uniform(0.0, min(options.backoff_cap, options.backoff * 2.0 ** min(tries, MOST_DOUBLINGS)))


def _is_a(error: BaseException, *kinds: type[BaseException]) -> bool:
    """Tell its class; not by `isinstance`, which asks the exception, and it may be a target's."""
    return issubclass(type(error), kinds)


def overran(seconds: float, job_type: JobType[object] | None, worker: str, limits: Limits, tries: int) -> Outcome:
    """Describe the end of a job that did not even end when it was told that its time was over."""
    error = TimedOut(f"it ran for longer than {seconds:g} s, and {limits.cleanup:g} s more to clean up")
    return failed(error, job_type, worker, limits, tries)


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
        while tb is not None and tb.tb_frame.f_globals.get("__name__") == RUNNER:
            tb = tb.tb_next
        text = "".join(traceback.format_exception(type(error), error, tb))
    except BaseException as worse:  # noqa: BLE001 - as in `describe`
        text = f"(no traceback: {type(worse).__qualname__} while it was formatted)"
    return _encode(text)[-TRACEBACK_SIZE:].decode("utf-8", "ignore")


def _clean(text: str) -> str:
    return _encode(text).decode("utf-8")


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")
