"""What users of typed jobs write: the base of their classes, its options, and the id they get back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from qw.errors import UsageError
from qw.units import LONGEST, is_number, is_time, is_whole

if TYPE_CHECKING:
    from qw.job._type import JobType

#: The type of a job's result. Covariant, so that every job is a `Job[object]`.
R_co = TypeVar("R_co", covariant=True)


def _check_name(_options: Options, _field: object, name: str | None) -> None:
    if name is not None and not (name and name.isprintable()):
        raise UsageError(f"Options(name={name!r}): a job type's name is one or more printable characters")


def _check_ttl(_options: Options, _field: object, seconds: float) -> None:
    if not is_time(seconds):
        raise UsageError(f"Options(result_ttl={seconds!r}): use more than 0 seconds, a century at most")


def _check_seconds(_options: Options, field: attrs.Attribute[float], seconds: float) -> None:
    if not (is_number(seconds) and 0 <= seconds <= LONGEST):
        raise UsageError(f"Options({field.name}={seconds!r}): use a number of seconds, 0 or more, a century at most")


def _check_timeout(_options: Options, _field: object, seconds: float | None) -> None:
    if seconds is not None and not is_time(seconds):
        raise UsageError(f"Options(timeout={seconds!r}): use more than 0 seconds, a century at most, or None")


def _check_retries(_options: Options, _field: object, retries: int | None) -> None:
    if retries is not None and not is_whole(retries, 0):
        raise UsageError(f"Options(retries={retries!r}): use a whole number, 0 or more")


def _check_errors(_options: Options, _field: object, errors: object) -> None:
    if not isinstance(errors, tuple) or not all(
        isinstance(error, type) and issubclass(error, BaseException) for error in errors
    ):
        raise UsageError(f"Options(give_up_on={errors!r}): use a tuple of exception classes")


@attrs.frozen(kw_only=True)
class Options:
    """
    How the jobs of one class are run: `options = Options(…)` in the class, without an annotation.

    With one, attrs would take it for a field. A subclass inherits them all but the name.
    Raises `UsageError` for values that cannot be.
    """

    #: What `qw:type` says instead of the class's qualified name: rename the class, keep this.
    name: str | None = attrs.field(default=None, validator=_check_name)
    #: Seconds a result is kept for `wait_job`.
    result_ttl: float = attrs.field(default=3600.0, validator=_check_ttl)
    #: How often a job that raises is tried again; None: as often as the manager says.
    retries: int | None = attrs.field(default=None, validator=_check_retries)
    #: Seconds: try n+1 comes after a random time up to `backoff * 2**n`, but no more than `backoff_cap`.
    backoff: float = attrs.field(default=1.0, validator=_check_seconds)
    backoff_cap: float = attrs.field(default=600.0, validator=_check_seconds)
    #: Exceptions after which it is not tried again.
    give_up_on: tuple[type[BaseException], ...] = attrs.field(default=(), validator=_check_errors)
    #: Seconds that a job may run; then `TimedOut` is raised in its target. None: as long as the manager says.
    timeout: float | None = attrs.field(default=None, validator=_check_timeout)


class Job(Generic[R_co]):
    """
    The base of typed jobs. `R` in `class Thumbnail(Job[R])` is the type of what the target returns.

    A job is an attrs class: its fields are what is queued, its class says how they are written
    and read back. Without `R`, or with `Job[None]`, no result is kept.
    """

    # Without this a subclass with slots would still have a __dict__.
    __slots__ = ()

    options = Options()


class JobId(str, Generic[R_co]):
    """
    The id of a typed job: a `str` that carries the type of the result, so that `wait_job` returns an `R`.

    Equal to the plain `str`. Pickled, it stays a `JobId` and forgets its class, which need not
    be importable where it arrives.
    """

    __slots__ = ("job_type",)

    #: The codec of the job's class; None when it is not known here.
    job_type: JobType[R_co] | None

    def __new__(cls, value: str, job_type: JobType[R_co] | None = None) -> JobId[R_co]:
        """Make an id of its text and, when it is known, the job's type."""
        self = super().__new__(cls, value)
        self.job_type = job_type
        return self

    def __reduce__(self) -> tuple[type[JobId[R_co]], tuple[str]]:
        return JobId, (str(self),)
