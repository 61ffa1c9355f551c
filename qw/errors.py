"""
Everything qw can raise, in one tree, each with its message and the exit code of a command that ends by it.

    QwError                         1
    ├── UsageError                  2   also ValueError: an argument that cannot be
    │   ├── BadName                 2
    │   └── PayloadTooLarge         2
    ├── TargetError                 3
    │   ├── TargetNotFound          3
    │   ├── TargetImportFailed      3
    │   └── TargetSignatureError    3
    ├── RedisUnavailable            4
    │   ├── RedisRefused            5   wrong password, or not permitted
    │   └── RedisTooOld             6
    ├── EmbeddedError               7   no binary, or data of a newer server
    ├── BadJSON                     8   with line and column
    ├── UnknownName                 9   an unknown manager, worker or job type
    ├── CrashLoop                   10  worker processes die at their start
    ├── JobError
    │   ├── UndecodableJob          1   with the path of the field
    │   ├── QueueUnsure             1   a reply was lost: queued or not?
    │   ├── NotDurable              1   queued, but nobody knows whether it would outlive Redis
    │   ├── JobFailed               1   what `wait_job` raises for a buried job
    │   ├── ResultGone              1
    │   └── UnknownJob              1
    ├── AlreadyStartedException     1
    └── NotStartedException         1

    Bury, Retry                     what a target raises to say how its job ends
    TimedOut                        what a target gets at the end of its time

A class's first docstring line is its default message. A file that is not there is the
`OSError` that Python raises; the commands end with 8 for it.
"""

from __future__ import annotations

from collections.abc import Sequence


class QwError(Exception):
    """Something went wrong in qw."""

    #: What a command that ends by this error exits with.
    exit_code: int = 1

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip().splitlines()[0])

    @property
    def message(self) -> str:
        """The one line that says what happened, to what, and what to do."""
        return str(self.args[0])


class UsageError(QwError, ValueError):
    """An argument has a value that qw cannot work with."""

    exit_code = 2


class BadName(UsageError):
    """A name is a str, not empty, without white space, control characters, braces and ':'; an id is a str."""


class PayloadTooLarge(UsageError):
    """The fields of a job hold more than may be queued."""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(
            f"the job holds {size:,} bytes, and {most:,} are allowed: queue where the data is instead of the data, "
            "or allow more (max_payload, --max-payload)"
        )


class TargetError(QwError):
    """The target cannot be used."""

    exit_code = 3


class TargetNotFound(TargetError):
    """There is no such target."""


class TargetImportFailed(TargetError):
    """The module of the target raised while it was imported."""

    def __init__(self, message: str | None = None, *, traceback: str = "") -> None:
        super().__init__(message)
        #: The target's own traceback, without a line of qw or of importlib.
        self.traceback = traceback


class TargetSignatureError(TargetError):
    """The target does not take what qw hands to it."""


class RedisUnavailable(QwError):
    """Redis does not answer."""

    exit_code = 4


class RedisRefused(RedisUnavailable):
    """Redis wants another user or password."""

    exit_code = 5


class RedisTooOld(RedisUnavailable):
    """qw needs Redis 6.2 or newer."""

    exit_code = 6


class EmbeddedError(QwError):
    """The embedded Redis cannot be run."""

    exit_code = 7


class BadJSON(QwError):
    """The data is not JSON that makes a job."""

    exit_code = 8


class UnknownName(QwError):
    """There is no manager, worker or job type of that name."""

    exit_code = 9


class CrashLoop(QwError):
    """The worker processes die again and again at their start."""

    exit_code = 10


class JobError(QwError):
    """Something went wrong with one job."""


class UndecodableJob(JobError):
    """The fields in Redis do not make a job of that type."""

    def __init__(self, message: str | None = None, *, path: str = "") -> None:
        super().__init__(f"{path}: {message}" if path and message else message)
        #: Where in the job it is, such as `size.width`; empty when it is the job as a whole.
        self.path = path


class QueueUnsure(JobError):
    """Redis's word on these jobs is missing: they may be queued, or not."""

    def __init__(self, ids: Sequence[str], reason: str = "the connection broke before Redis answered") -> None:
        #: The ids in question, in the order they were given.
        self.ids = tuple(ids)
        few = ", ".join(self.ids[:3]) + (", …" if len(self.ids) > 3 else "")
        super().__init__(
            f"{len(self.ids)} job(s) may be queued or not ({few}): {reason}. "
            "Queue them again with the same ids and retry_unsure=True, if a second run does no harm."
        )


class NotDurable(JobError):
    """It is not known that these jobs would outlive Redis."""

    def __init__(self, ids: Sequence[str], reason: str) -> None:
        #: The ids of the jobs that are queued nevertheless; none when nothing was queued.
        self.ids = tuple(ids)
        super().__init__(f"{len(self.ids)} job(s) are queued, but not surely durable: {reason}" if ids else reason)


class JobFailed(JobError):
    """The job failed and was buried."""

    def __init__(self, job_id: str, error: str, traceback: str = "") -> None:
        super().__init__(f"job {job_id} failed: {error}")
        self.job_id = job_id
        #: Type and message of the remote exception, one line.
        self.error = error
        #: The remote traceback, up to 8 KiB; empty where there was none.
        self.traceback = traceback


class ResultGone(JobError):
    """The job has run, and its result has expired or been deleted."""


class UnknownJob(JobError):
    """There is no job of that id, and this client has not seen one."""


class AlreadyStartedException(QwError):
    """The manager is started already."""


class NotStartedException(QwError):
    """The manager is not started: call start() first."""


class Bury(Exception):
    """
    Raised by a target: this job is hopeless, bury it now, however many tries are left.

    What it is given is the reason that `qw:error` shows.
    """


class Retry(Exception):
    """
    Raised by a target: run this job again in `after` seconds.

    It is granted whatever `retries` says, and counted: `current_job().attempt` tells the target when it is enough.
    Raises `UsageError` for a time that cannot be.
    """

    def __init__(self, reason: str = "asked for another try", *, after: float = 0.0) -> None:
        if not 0 <= after < float("inf"):
            raise UsageError(f"Retry(after={after!r}): use a number of seconds, 0 or more")
        super().__init__(reason)
        #: Seconds until the next try.
        self.after = after


class TimedOut(BaseException):
    """
    Raised in a target whose time is over, so that it can clean up; a while later it is cut off.

    No `Exception`: a target that goes on after any error it meets would go on after this one as well.
    """

    def __init__(self, reason: str = "its time was over") -> None:
        super().__init__(reason)
