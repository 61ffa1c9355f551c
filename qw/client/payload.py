"""What a job holds: the fields of a plain one as text, and how large the fields of any may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from qw.errors import PayloadTooLarge, UsageError
from qw.job import Job, job_type
from qw.keys import OWN, to_str

#: What a field of a plain job may hold. A float is written as Python shows it.
Value: TypeAlias = str | bytes | int | float

#: A job as a producer has it: typed, or a plain one's fields.
AnyJob: TypeAlias = Job[object] | Mapping[str, Value]


def check_payload(job: AnyJob, most: int) -> int:
    """
    Return how many bytes the names and values of a job's fields have.

    Raises `PayloadTooLarge` when they are more than `most`, and `UsageError` for what cannot be queued at all.
    """
    fields = fields_of(job)
    text = "".join((*fields, *fields.values()))
    # Not each character is one byte, and of some no word can be made.
    size = len(text) if text.isascii() else sum(len(encoded(word)) for pair in fields.items() for word in pair)
    if size > most:
        raise PayloadTooLarge(size, most)
    return size


def fields_of(job: AnyJob) -> dict[str, str]:
    """Return the fields of a job as text, without qw's own; raises `UsageError` for what is none."""
    return job_type(type(job)).encode(job) if isinstance(job, Job) else plain_fields(job)


def plain_fields(job: Mapping[str, Value]) -> dict[str, str]:
    """Return the fields of a plain job as text; raises `UsageError` for what is none."""
    if not isinstance(job, Mapping):
        raise UsageError(f"a job is a Job or a mapping of fields, not {type(job).__name__}")
    fields = {}
    for name, value in job.items():
        # Most are right, and each call to find that out would be a tenth of all that a plain job costs here.
        text = name if type(name) is str and not name.startswith(OWN) else _checked_name(name)
        fields[text] = value if type(value) is str else _checked(name, value)
    return fields


def encoded(word: str) -> bytes:
    """Return a word as it stands in Redis; raises `UsageError` for what has no encoding."""
    try:
        return word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise UsageError(f"{word!r} holds half of a surrogate pair, which no encoding has") from None


def _checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise UsageError(f"field {name!r}: the name of a field is a str")
    if name.startswith(OWN):
        raise UsageError(f"field {name!r}: names that start with {OWN!r} are qw's own")
    return str.__str__(name)


def _checked(name: str, value: object) -> str:
    if isinstance(value, str):
        # A member of a StrEnum is a str as well, whose own __str__ may say anything.
        return str.__str__(value)
    if isinstance(value, bytes):
        return to_str(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UsageError(
            f"field {name!r}: {type(value).__name__} cannot stand in a plain job; "
            "give it as str, bytes, int or float, or queue a typed Job"
        )
    try:
        # As redis-py writes them, whatever a subclass (an IntEnum, say) shows of itself.
        return int.__repr__(value) if isinstance(value, int) else float.__repr__(value)
    except ValueError as error:
        raise UsageError(f"field {name!r}: {error}") from None
