"""
Jobs on their way to Redis: fields, then words of a script call, then RESP, a thousand jobs to a chunk.

    job ──▶ {field: text} ──▶ id, n, field, value, …, and open fields ──▶ bytes, with those of other jobs

All jobs are checked before the first is sent, and each chunk is packed when its turn comes, while Redis queues those
before it. The bytes of many jobs are made here by one join: redis-py's packer takes longer over them than Redis.
"""

from __future__ import annotations

import os
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Final, TypeAlias, TypeVar

import attrs

from qw.client.payload import AnyJob, Value, check_payload, encoded, plain_fields
from qw.job import Job, JobId, job_type

R = TypeVar("R")
J = TypeVar("J")

#: Bounds of one script call: Redis does nothing else meanwhile.
MOST_JOBS: Final = 1000
MOST_BYTES: Final = 1024 * 1024

# The script fills them in: the queue, which only stands there when it is not all:jobs, and the time.
_OPEN: Final = {False: ("qw:queued_at", ""), True: ("qw:queue", "", "qw:queued_at", "")}

# What the seventh and the ninth byte of a UUID become: some of their bits say that it is random (RFC 9562).
_VERSION_4: Final = bytes(byte & 0x0F | 0x40 for byte in range(256))
_VARIANT_1: Final = bytes(byte & 0x3F | 0x80 for byte in range(256))


class PlainId(JobId[None]):
    """The id of a plain job that this client has queued: known to have been there, and to have no result."""

    __slots__ = ()


@attrs.define(eq=False)
class Chunk:
    """The jobs of one script call, which have been checked."""

    jobs: Sequence[AnyJob]
    #: Whether they are queued elsewhere than in all:jobs.
    elsewhere: bool
    #: None: they have none yet.
    _ids: Sequence[str] | None = None
    _packed: tuple[int, bytes] | None = attrs.field(default=None, init=False)
    #: The ids that are handed out, once it is packed.
    job_ids: list[JobId[object]] = attrs.field(factory=list, init=False)

    @property
    def ids(self) -> Sequence[str]:
        """Their ids; new ones are made when somebody asks for them, which is while Redis is at work, most often."""
        if self._ids is None:
            self._ids = new_ids(len(self.jobs))
        return self._ids

    def pack(self) -> tuple[int, bytes]:
        """Return how many words these jobs are, and those as RESP; made once."""
        if self._packed is None:
            ids = self.ids
            self.job_ids = [*map(id_of, self.jobs, ids)]
            each = [_pack(job_id, job, elsewhere=self.elsewhere) for job_id, job in zip(ids, self.jobs, strict=True)]
            self._packed = sum(words for words, _ in each), b"".join([body for _, body in each])
        return self._packed

    def forget(self) -> None:
        """Let go of the bytes: these jobs are queued."""
        self._packed = None


def new_ids(count: int) -> list[str]:
    """Return so many random ids: UUIDs of version 4."""
    block = bytearray(os.urandom(16 * count))
    block[6::16] = block[6::16].translate(_VERSION_4)
    block[8::16] = block[8::16].translate(_VARIANT_1)
    text = block.hex()
    words = [text[at : at + 32] for at in range(0, len(text), 32)]
    return [f"{word[:8]}-{word[8:12]}-{word[12:16]}-{word[16:20]}-{word[20:]}" for word in words]


def id_of(job: Job[R] | Mapping[str, Value], text: str) -> JobId[R] | JobId[None]:
    """Return the id that is handed out for a job: it knows the type of the result."""
    return JobId(text, job_type(type(job))) if isinstance(job, Job) else PlainId(text)


def chunks(ids: Sequence[str] | None, jobs: Sequence[AnyJob], *, elsewhere: bool, most: int) -> list[Chunk]:
    """
    Check jobs, and part them with their ids by the thousand, or by the MiB of fields; a larger one goes alone.

    `ids` is None for new ones, `elsewhere` says that they are not queued in all:jobs. Raises `UsageError` for what is
    no job, `PayloadTooLarge` for one whose fields have more than `most` bytes.
    """
    if len(jobs) == 1:
        return [_alone(jobs, elsewhere=elsewhere, ids=ids, most=most)]
    sizes = [check_payload(job, most) for job in jobs]
    return [Chunk(jobs[part], elsewhere, None if ids is None else ids[part]) for part in _parts(sizes)]


def _parts(sizes: Sequence[int]) -> Iterator[slice]:
    """Yield which of them one call takes, by their sizes in bytes."""
    start = 0
    while start < len(sizes):
        end = start + MOST_JOBS
        if sum(sizes[start:end]) > MOST_BYTES:
            end = start + max(1, bisect(list(accumulate(sizes[start:end])), MOST_BYTES))
        yield slice(start, end)
        start = end


def _alone(jobs: Sequence[AnyJob], *, elsewhere: bool, ids: Sequence[str] | None, most: int) -> Chunk:
    # To pack it checks it as well: the producer of one job gets by with doing so once.
    chunk = Chunk(jobs, elsewhere, ids)
    if len(chunk.pack()[1]) > most:  # with all that is packed around the fields, which is little
        check_payload(jobs[0], most)
    return chunk


def _pack(job_id: str, job: AnyJob, *, elsewhere: bool) -> tuple[int, bytes]:
    """Return how many words a job is, and these as RESP."""
    if isinstance(job, Job):
        pack = _packers.get((type(job), elsewhere)) or _packer(type(job), elsewhere=elsewhere)
        return pack(job_id, job)
    return _plain_packers[elsewhere](job_id, job)


#: Packs one kind of jobs: returns how many words one is, and these as RESP.
_Pack: TypeAlias = Callable[[str, J], tuple[int, bytes]]

_packers: dict[tuple[type[Job[object]], bool], _Pack[Job[object]]] = {}


def _packer(cls: type[Job[object]], *, elsewhere: bool) -> _Pack[Job[object]]:
    """Return what packs the jobs of a class."""
    codec = job_type(cls)
    kept = ("qw:ttl", str(codec.options.result_ttl)) if codec.has_result else ()
    own = ("qw:type", codec.name, *kept, *_OPEN[elsewhere])
    return _packers.setdefault((cls, elsewhere), _packing(codec.encode, own))


def _packing(fields_of_job: Callable[[J], dict[str, str]], own: Sequence[str]) -> _Pack[J]:
    """Return what packs jobs whose fields are made by this, with `own` behind them, which is packed beforehand."""
    tail = _resp(own).decode("utf-8", "surrogateescape")
    names = _Names()

    def pack(job_id: str, job: J) -> tuple[int, bytes]:
        fields = fields_of_job(job)
        count = 2 * len(fields) + len(own)
        parts = [f"{names[name]}{len(value)}\r\n{value}\r\n" for name, value in fields.items()]
        text = f"${len(job_id)}\r\n{job_id}\r\n${len(str(count))}\r\n{count}\r\n{''.join(parts)}{tail}"
        if text.isascii():
            return count + 2, text.encode()
        words = [word for pair in fields.items() for word in pair]
        return count + 2, _resp([job_id, str(count), *words, *own])

    return pack


class _Names(dict[str, str]):
    """The names of fields, each packed, with the start of its value behind it."""

    #: Of so many, and no longer ones, it keeps a copy: those of plain jobs may be other ones each time.
    MOST: Final = 1000
    LONGEST: Final = 100

    def __missing__(self, name: str) -> str:
        packed = f"${len(name)}\r\n{name}\r\n$"
        if len(self) < self.MOST and len(name) <= self.LONGEST:
            self[name] = packed
        return packed


def _resp(words: Iterable[str]) -> bytes:
    text = "".join([f"${len(word)}\r\n{word}\r\n" for word in words])
    if text.isascii():
        return text.encode()
    # Not each character is one byte.
    return b"".join([b"$%d\r\n%b\r\n" % (len(raw), raw) for raw in map(encoded, words)])


# For jobs that are mappings.
_plain_packers: Final = {elsewhere: _packing(plain_fields, own) for elsewhere, own in _OPEN.items()}
