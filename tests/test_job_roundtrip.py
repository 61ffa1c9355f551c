"""What is queued comes out as what it was; and whatever text stands in Redis, it is a job or an `UndecodableJob`."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable
from uuid import UUID

import attrs
from hypothesis import example, given
from hypothesis import strategies as st

from qw.errors import UndecodableJob
from qw.job import Job, job_type
from tests.support.strategies import JSON_TEXT, JSON_VALUES, TEXT, Access, Color, Point, Size, Tree, jobs


@attrs.frozen
class Everything(Job[Size]):
    """A field of each way of decoding."""

    path: str
    count: int
    ratio: float
    sure: bool
    note: str | None
    size: Size | Point | None
    tree: Tree
    color: Color
    access: Access
    when: dt.datetime | int
    lasts: dt.timedelta
    raw: bytes
    by_number: dict[int, list[UUID]]
    tags: frozenset[str]
    rest: object


@attrs.frozen
class Named(Job[None]):
    """One field of text."""

    name: str


@attrs.frozen
class Numbers(Job[None]):
    """What JSON has only one kind of."""

    ratio: float
    count: int


NAMES = [field.name for field in attrs.fields(Everything)]


#: The fields of a job that can be decoded.
RIGHT = job_type(Everything).encode(
    Everything(
        path="/a",
        count=1,
        ratio=0.5,
        sure=True,
        note=None,
        size=Size(1),
        tree=Tree("root", (Tree("branch"),)),
        color=Color.TRUE,
        access=Access.READ | Access.WRITE,
        when=dt.datetime(2020, 2, 29, 12, tzinfo=dt.timezone.utc),
        lasts=dt.timedelta(days=1),
        raw=b"\0\xff",
        by_number={1: [UUID(int=7)]},
        tags=frozenset({"a", "b"}),
        rest={"a": [1, None]},
    )
)


def values_of(job: Job[object]) -> list[object]:
    """Return the values of a job's fields."""
    return [getattr(job, name) for name in job_type(type(job)).field_names]


def attempt(decode: Callable[[], object]) -> object:
    """Return what is decoded, or the error that says why it is not."""
    try:
        return decode()
    except UndecodableJob as error:
        return error


@given(jobs())
def test_a_job_comes_back_as_what_it_was(job: Job[object]) -> None:
    """Decoding is the inverse of encoding: equal, and field by field of the same type."""
    codec = job_type(type(job))

    back = codec.decode(codec.encode(job))

    assert values_of(back) == values_of(job)
    assert [type(value) for value in values_of(back)] == [type(value) for value in values_of(job)]


@given(jobs())
def test_what_is_encoded_can_be_written(job: Job[object]) -> None:
    """Every field is text that is valid UTF-8, and stands under the name of the field."""
    fields = job_type(type(job)).encode(job)

    assert list(fields) == list(job_type(type(job)).field_names)
    assert all(text.encode().decode() == text for text in fields.values())


@given(TEXT)
def test_a_str_field_is_stored_as_it_is(text: str) -> None:
    """`redis-cli` sees, and writes, the text itself; any text at all."""
    codec = job_type(Named)

    assert codec.encode(Named(text)) == {"name": text}
    assert codec.decode({"name": text}) == Named(text)


@given(st.dictionaries(st.sampled_from(NAMES), JSON_TEXT | JSON_VALUES.map(json.dumps)))
@example({"count": "NaN"})
@example({"size": "[" * 100_000})
@example({"lasts": '"1e999990"'})
@example({"count": "9" * 10_000})
def test_any_text_is_a_job_or_undecodable(fields: dict[str, str]) -> None:
    """Whatever a foreign producer has written, decoding raises nothing but `UndecodableJob`, with a path."""
    outcome = attempt(lambda: job_type(Everything).decode({**RIGHT, **fields}))

    if isinstance(outcome, UndecodableJob):
        assert outcome.path.startswith(tuple(NAMES))
        assert outcome.message.startswith(outcome.path)
        assert outcome.message.isprintable()
    else:
        assert isinstance(outcome, Everything)


@given(JSON_TEXT | JSON_VALUES.map(json.dumps))
def test_any_text_is_a_result_or_undecodable(text: str) -> None:
    """The same holds for a result."""
    outcome = attempt(lambda: job_type(Everything).decode_result(text))

    if isinstance(outcome, UndecodableJob):
        assert outcome.path.startswith("result")
    else:
        assert isinstance(outcome, Size)


@given(st.floats(), st.integers())
def test_numbers_come_back_whatever_they_are(ratio: float, count: int) -> None:
    """Infinities and NaN too, and integers of any size."""
    codec = job_type(Numbers)

    back = codec.decode(codec.encode(Numbers(ratio, count)))

    assert isinstance(back, Numbers)
    assert back.count == count
    assert back.ratio == ratio or (math.isnan(back.ratio) and math.isnan(ratio))
