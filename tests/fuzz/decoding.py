"""Fuzzing what decodes jobs and results: hashes that anybody may have written, for types that hold all there is."""

from __future__ import annotations

from random import Random
from typing import Final, TypeAlias

from qw.errors import UndecodableJob
from qw.job import Job, job_type
from qw.keys import to_str
from qw.target import Target as JobTarget
from tests.fuzz.engine import Target
from tests.fuzz.kinds import RIGHT, Containers, Scalars, Unions, take
from tests.fuzz.mutation import LONGEST, mutated
from tests.fuzz.strange import disturbed_text, strange, text_of

#: A job's type, and its fields as they stand in Redis.
Hash: TypeAlias = tuple[bytes, dict[bytes, bytes]]

#: Characters of a reason, at most: it goes into Redis with the buried job, and into the log.
LONGEST_REASON: Final = 1000

_TARGET: Final = JobTarget.load(take)
_TYPES: Final = {kind.name: kind for kind in (job_type(Scalars), job_type(Containers), job_type(Unions))}


def make_hash(chance: Random) -> Hash:
    """Return the hash of a right job, one or two fields of which are not what they were."""
    name, fields, _ = chance.choice(RIGHT)
    made = {field.encode(): text.encode("utf-8", "surrogatepass") for field, text in fields.items()}
    for field in chance.sample([*made], k=chance.choice((1, 1, 2))):
        made[field] = _changed(chance, made[field])
    if chance.random() < 0.05:
        del made[chance.choice([*made])]
    if chance.random() < 0.05:
        made[mutated(chance, chance.choice([*made, b"qw:x"]))] = b"1"
    return mutated(chance, name.encode()) if chance.random() < 0.02 else name.encode(), made


def make_result(chance: Random) -> Hash:
    """Return a type and the text of a result that may be one of it."""
    name, _, result = chance.choice(RIGHT)
    return name.encode(), {b"result": _changed(chance, result.encode())}


def _changed(chance: Random, raw: bytes) -> bytes:
    text = to_str(raw)
    try:
        if chance.random() < 0.6:
            return disturbed_text(chance, text).encode("utf-8", "surrogatepass")[:LONGEST]
    except ValueError:  # a str field is no JSON, and may become some
        return text_of(strange(chance))
    return mutated(chance, raw)


def decode(made: Hash) -> bool:
    """Decode a job as a slot does; one that could be decoded can be written, and decoded again."""
    name, fields = made
    try:
        texts = {to_str(key): to_str(raw) for key, raw in {**fields, b"qw:type": name}.items()}
        (job,), kind = _TARGET.decode("id", texts)
    except UndecodableJob as error:
        return _refused(error)
    if kind is None or not isinstance(job, Job):
        raise TypeError(f"{job!r} is no job")
    kind.decode(kind.encode(job))
    return True


def decode_result(made: Hash) -> bool:
    """Decode a result as a client does."""
    name, fields = made
    try:
        _TYPES[to_str(name)].decode_result(to_str(fields[b"result"]))
    except UndecodableJob as error:
        return _refused(error)
    return True


def _refused(error: UndecodableJob) -> bool:
    if not error.message.isprintable() or len(error.message) > LONGEST_REASON:
        raise ValueError(f"the reason is not fit to be shown: {error.message!r}") from None
    return False


TARGETS: Final = (Target("decoder", make_hash, decode), Target("results", make_result, decode_result))
