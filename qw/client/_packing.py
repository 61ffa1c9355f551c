"""
Jobs on their way to Redis: fields, then words of a script call, then RESP, a thousand jobs to a chunk.

    job ──▶ {field: text} ──▶ id, n, field, value, …, and open fields ──▶ bytes, with those of other jobs

All jobs are checked before the first is sent, and each chunk is packed when its turn comes, while Redis queues those
before it. The bytes of many jobs are made here by one join: redis-py's packer takes longer over them than Redis.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias, TypeVar

import attrs

from qw.client.payload import AnyJob, Value, check_payload, encoded, fields_of
from qw.job import Job, JobId, job_type

R = TypeVar("R")

#: Bounds of one script call: Redis does nothing else meanwhile.
MOST_JOBS: Final = 1000
MOST_BYTES: Final = 1024 * 1024

# The script fills them in: the queue, which only stands there when it is not all:jobs, and the time.
_OPEN: Final = {False: ("qw:queued_at", ""), True: ("qw:queue", "", "qw:queued_at", "")}


class PlainId(JobId[None]):
    """The id of a plain job that this client has queued: known to have been there, and to have no result."""

    __slots__ = ()


@attrs.define(eq=False)
class Chunk:
    """The jobs of one script call, which have been checked."""

    ids: list[str]
    jobs: list[AnyJob]
    #: Whether they are queued elsewhere than in all:jobs.
    elsewhere: bool
    _packed: tuple[int, bytes] | None = attrs.field(default=None, init=False)
    #: The ids that are handed out, once it is packed.
    job_ids: list[JobId[object]] = attrs.field(factory=list, init=False)

    def pack(self) -> tuple[int, bytes]:
        """Return how many words these jobs are, and those as RESP; made once."""
        if self._packed is None:
            self.job_ids = [*map(id_of, self.jobs, self.ids)]
            each = [
                _pack(job_id, job, elsewhere=self.elsewhere) for job_id, job in zip(self.ids, self.jobs, strict=True)
            ]
            self._packed = sum(words for words, _ in each), b"".join([body for _, body in each])
        return self._packed

    def forget(self) -> None:
        """Let go of the bytes: these jobs are queued."""
        self._packed = None


def new_ids(count: int) -> list[str]:
    """Return so many random ids: UUIDs of version 4."""
    block = os.urandom(16 * count).hex()
    return [
        f"{block[at : at + 8]}-{block[at + 8 : at + 12]}-4{block[at + 13 : at + 16]}-"
        f"{'89ab'[int(block[at + 16], 16) & 3]}{block[at + 17 : at + 20]}-{block[at + 20 : at + 32]}"
        for at in range(0, len(block), 32)
    ]


def id_of(job: Job[R] | Mapping[str, Value], text: str) -> JobId[R] | JobId[None]:
    """Return the id that is handed out for a job: it knows the type of the result."""
    return JobId(text, job_type(type(job))) if isinstance(job, Job) else PlainId(text)


def chunks(ids: Sequence[str], jobs: Sequence[AnyJob], *, elsewhere: bool, most: int) -> list[Chunk]:
    """
    Check jobs, and part them with their ids by the thousand, or by the MiB of fields; a larger one goes alone.

    `elsewhere` says that they are not queued in all:jobs. Raises `UsageError` for what is no job, `PayloadTooLarge`
    for one whose fields have more than `most` bytes.
    """
    if len(jobs) == 1:
        return [_alone(ids[0], jobs[0], elsewhere=elsewhere, most=most)]
    made: list[Chunk] = []
    size = 0
    for job_id, job in zip(ids, jobs, strict=True):
        more = check_payload(job, most)
        if not made or len(made[-1].ids) == MOST_JOBS or size + more > MOST_BYTES:
            made.append(Chunk([], [], elsewhere))
            size = 0
        made[-1].ids.append(job_id)
        made[-1].jobs.append(job)
        size += more
    return made


def _alone(job_id: str, job: AnyJob, *, elsewhere: bool, most: int) -> Chunk:
    # To pack it checks it as well: the producer of one job gets by with doing so once.
    chunk = Chunk([job_id], [job], elsewhere)
    if len(chunk.pack()[1]) > most:  # with all that is packed around the fields, which is little
        check_payload(job, most)
    return chunk


def _pack(job_id: str, job: AnyJob, *, elsewhere: bool) -> tuple[int, bytes]:
    """Return how many words a job is, and these as RESP."""
    if isinstance(job, Job):
        pack = _packers.get((type(job), elsewhere)) or _packer(type(job), elsewhere=elsewhere)
        return pack(job_id, job)
    words = [word for pair in fields_of(job).items() for word in pair]
    words += _OPEN[elsewhere]
    return len(words) + 2, _resp([job_id, str(len(words)), *words])


#: Packs the jobs of one class: returns how many words one is, and these as RESP.
_Pack: TypeAlias = Callable[[str, Job[object]], tuple[int, bytes]]

_packers: dict[tuple[type[Job[object]], bool], _Pack] = {}


def _packer(cls: type[Job[object]], *, elsewhere: bool) -> _Pack:
    """Return what packs the jobs of a class: all that is the same for each of them is packed beforehand."""
    codec = job_type(cls)
    encode = codec.encode
    kept = ("qw:ttl", str(codec.options.result_ttl)) if codec.has_result else ()
    own = ("qw:type", codec.name, *kept, *_OPEN[elsewhere])
    tail = _resp(own).decode("utf-8", "surrogateescape")
    names = _Names()

    def pack(job_id: str, job: Job[object]) -> tuple[int, bytes]:
        fields = encode(job)
        count = 2 * len(fields) + len(own)
        parts = [f"{names[name]}{len(value)}\r\n{value}\r\n" for name, value in fields.items()]
        text = f"${len(job_id)}\r\n{job_id}\r\n${len(str(count))}\r\n{count}\r\n{''.join(parts)}{tail}"
        if text.isascii():
            return count + 2, text.encode()
        words = [word for pair in fields.items() for word in pair]
        return count + 2, _resp([job_id, str(count), *words, *own])

    return _packers.setdefault((cls, elsewhere), pack)


class _Names(dict[str, str]):
    """The names of fields, each packed, with the start of its value behind it."""

    def __missing__(self, name: str) -> str:
        packed = self[name] = f"${len(name)}\r\n{name}\r\n$"
        return packed


def _resp(words: Iterable[str]) -> bytes:
    text = "".join([f"${len(word)}\r\n{word}\r\n" for word in words])
    if text.isascii():
        return text.encode()
    # Not each character is one byte.
    return b"".join([b"$%d\r\n%b\r\n" % (len(raw), raw) for raw in map(encoded, words)])
