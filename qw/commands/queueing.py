"""
How `qw-client` queues what it reads: checked first where that can be done, then in batches, each id printed.

A file is read twice, so that one bad line in it queues nothing. A pipe can be read only once:
what stands before the bad line is queued then, and the error says how many jobs that are.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias, cast

import attrs

from qw.commands.intake import Object, read_jobs
from qw.commands.progress import Progress, is_terminal
from qw.commands.running import complain, drop_stdout
from qw.errors import BadJSON, PayloadTooLarge
from qw.keys import to_bytes
from qw.logs import safe

if TYPE_CHECKING:
    from qw.client import Client
    from qw.job import Job

#: What a client queues: a typed job, or the fields of a plain one.
AnyJob: TypeAlias = "Job[object] | dict[str, str]"

#: Makes a job of what was read; raises `BadJSON` or `UndecodableJob`.
Make: TypeAlias = Callable[[Object], AnyJob]

_STDIN: Final = "standard input"


@attrs.frozen
class Input:
    """A text or a file of jobs."""

    stream: io.BufferedReader | io.BytesIO
    #: What errors call it.
    name: str
    #: Whether it can be read a second time: a regular file, or memory.
    rereadable: bool = True


def text_input(text: str) -> Input:
    """Return a text of the command line; bytes in it that are no text are found when it is read."""
    return Input(io.BytesIO(to_bytes(text)), "<data>")


@contextmanager
def file_input(path: str) -> Iterator[Input]:
    """Open a file, `-` for standard input. Raises `OSError`, and `BadJSON` for a standard input that is closed."""
    if path != "-":
        with Path(path).open("rb") as file:
            yield Input(file, path, _is_regular(file))
        return
    if sys.stdin is None:
        raise BadJSON("standard input is closed")
    stream = cast("io.BufferedReader", sys.stdin.buffer)  # typed as less than what it is
    yield Input(stream, _STDIN, _is_regular(stream))


def _is_regular(file: io.BufferedReader) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


class Intake:
    """
    One input on its way into a queue.

    1. Checks all of it, where it can be read a second time.
    2. Queues it in batches, and prints the ids, one a line.
    3. Says after an error how far it came.
    """

    def __init__(self, source: Input, make: Make, max_payload: int) -> None:
        self._source = source
        self._make = make
        self._max_payload = max_payload
        self._queued = 0
        self._silent = False

    def queue(
        self, client: Client, manager: str | None, *, delay: float | None, at: datetime | None, durable: bool
    ) -> None:
        """
        Queue all of it, due after `delay` seconds or `at` a moment.

        Raises `BadJSON`, which says how far it came; `NotDurable` when that is asked for and cannot be said.
        """
        total = self._check() if self._source.rereadable else None
        # Ids that run down a terminal are progress enough.
        with self._counted(), Progress("jobs queued", total, wanted=not is_terminal(sys.stdout)) as progress:
            for jobs in self._read():
                ids = client.queue_jobs(jobs, manager=manager, delay=delay, at=at, durable=durable)
                self._queued += len(jobs)
                self._print(ids)
                progress.show(self._queued)

    def _check(self) -> int:
        """Read all of it and return how many jobs there are; the stream stands where it stood."""
        start = self._source.stream.tell()
        total = sum(map(len, self._read()))
        self._source.stream.seek(start)
        return total

    def _read(self) -> Iterator[list[AnyJob]]:
        """Read the jobs; a pipe may well bring none, a file without any is taken for a mistake."""
        try:
            yield from read_jobs(self._source.stream, self._checked, may_be_empty=self._source.name == _STDIN)
        except BadJSON as error:
            raise BadJSON(f"{self._source.name}: {error.message}") from None

    def _checked(self, value: Object) -> AnyJob:
        """Return the job that an object describes, unless it is larger than may be: that is told with its place."""
        from qw.client.payload import check_payload  # it imports cattrs, which a mistyped option does without

        job = self._make(value)
        try:
            check_payload(job, self._max_payload)
        except PayloadTooLarge as error:
            raise BadJSON(error.message) from None
        return job

    @contextmanager
    def _counted(self) -> Iterator[None]:
        try:
            yield
        except BadJSON as error:
            raise BadJSON(f"{error.message}; queued before it: {self._queued}, nothing after it") from None
        except BaseException:
            if self._queued:
                complain(f"queued before this: {self._queued}, as printed")
            raise

    def _print(self, ids: Sequence[str]) -> None:
        """Print the ids; when nobody reads them any more, the jobs are queued all the same."""
        if self._silent:
            return
        try:
            print(*(safe(job_id, len(job_id)) for job_id in ids), sep="\n", flush=True)
        except BrokenPipeError:
            self._silent = True
            drop_stdout()
