"""Reading jobs out of JSON: every form, in pieces of any size, and errors that say where."""

from __future__ import annotations

import io
import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qw.commands.intake import READ_SIZE, Number, Object, plain, read_jobs, to_json
from qw.errors import BadJSON, UndecodableJob

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(), JSON_VALUES, max_size=4), max_size=6)


class Dripping(io.BytesIO):
    """A stream that has only some bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._size = size

    def read1(self, size: int | None = -1, /) -> bytes:  # noqa: ARG002 - it is what this is about
        """Return the few bytes that have arrived."""
        return super().read1(self._size)


def jobs(data: str | bytes, *, may_be_empty: bool = False) -> list[dict[str, str]]:
    """Return the plain jobs in a text."""
    stream = io.BytesIO(data.encode() if isinstance(data, str) else data)
    return [job for batch in read_jobs(stream, plain, may_be_empty=may_be_empty) for job in batch]


def as_read(value: object) -> object:
    """Return a value as it is read again: numbers as they were written."""
    if isinstance(value, dict):
        return {name: as_read(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_read(item) for item in value]
    return Number(json.dumps(value)) if type(value) in (int, float) else value


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 1}\n{"n": 2}\n{"n": 3}\n',
        '{"n": 1}\n\n{"n": 2}\r\n{"n": 3}',
        '[{"n": 1}, {"n": 2}, {"n": 3}]',
        '[\n  {\n    "n": 1\n  },\n  {"n": 2},\n  {"n": 3}\n]\n',
        '[{"n": 1}]\n[]\n{"n": 2}{"n": 3}',
        '\ufeff{"n": 1} {"n": 2} {"n": 3}',
    ],
    ids=["lines", "empty lines", "array", "indented array", "mixture", "byte order mark"],
)
def test_every_form_is_read(text: str) -> None:
    """An object, an array of objects, JSON lines, and any mixture of them."""
    assert jobs(text) == [{"n": "1"}, {"n": "2"}, {"n": "3"}]


def test_the_fields_of_a_plain_job_are_strings() -> None:
    """A string stays as it is; anything else is its JSON, numbers as they were written."""
    job = '{"text": "1", "int": 1, "float": 1.10, "huge": 1e400, "yes": true, "none": null, "list": [1.50, {"a": "b"}]}'

    assert jobs(job) == [
        {
            "text": "1",
            "int": "1",
            "float": "1.10",
            "huge": "1e400",
            "yes": "true",
            "none": "null",
            "list": '[1.50, {"a": "b"}]',
        }
    ]


@given(objects=OBJECTS, size=st.integers(1, 9), indent=st.sampled_from([None, 1]), ascii_only=st.booleans())
def test_pieces_of_any_size_make_the_same_jobs(
    objects: list[Object], size: int, indent: int | None, ascii_only: bool
) -> None:
    """Wherever a read happens to end, in a character or in a number, nothing is lost or changed."""
    text = json.dumps(objects, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")

    stream = Dripping(text, size)
    read = [job for batch in read_jobs(stream, dict, may_be_empty=True) for job in batch]

    assert read == [as_read(job) for job in objects]


@given(JSON_VALUES)
def test_what_was_read_can_be_written_again(value: object) -> None:
    """A field that is no string holds the JSON that was there."""
    assert json.loads(to_json(as_read(value))) == value


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ('{"a": 1}\n{"a": }\n', "line 2, column 7", "expecting value"),
        ('{"a": 1}\n  5', "line 2, column 3", "expected '{' or '['"),
        ('[{"a": 1}\n {"a": 2}]', "line 2, column 2", "expected ',' or ']'"),
        ('[{"a": 1},]', "line 1, column 11", "expected '{'"),
        ('[{"a": 1}', "line 1, column 10", "the array has no end"),
        ('{"a": 1', "line 1, column 8", "expecting ',' delimiter"),
        ('{"a": "x', "line 1, column 7", "unterminated string"),
        ('{"a": "\x01"}', "line 1, column 8", "invalid control character"),
        ('{"a": NaN}', "line 1, column 1", "NaN is not JSON"),
        ('\n{"a": 1, "a": 2}', "line 2, column 1", "the field 'a' is there twice"),
        ('{"qw:type": "x"}', "line 1, column 1", "names that start with 'qw:' are qw's own"),
        ('{"a": "\\ud800"}', "line 1, column 1", "half of a surrogate pair"),
        ('{"a": ' + "[" * 100_000, "line 1, column 1", "nested too deep"),
        ("", "line 1, column 1", "there is no JSON"),
        (" \n ", "line 2, column 2", "there is no JSON"),
        (b'{"a": 1}\n{"b": "\xff"}', "line 2, column 8", "this byte is not UTF-8"),
        (b'\xff\xfe{\0"\0', "line 1, column 1", "this byte is not UTF-8"),
        ('{"ä": 1}\n{"ä": x}', "line 2, column 7", "expecting value"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(text: str | bytes, where: str, why: str) -> None:
    """Line and column are counted from 1 over the whole stream, in characters."""
    with pytest.raises(BadJSON) as caught:
        jobs(text)

    assert caught.value.message.startswith(where)
    assert why in caught.value.message
    assert not caught.value.message.endswith(" at")


def test_a_field_that_is_there_twice_is_found_among_many() -> None:
    """The work grows with their number, not with its square."""
    fields = ", ".join(f'"{number}": 1' for number in [*range(50_000), 49_999])
    began = time.process_time()

    with pytest.raises(BadJSON, match="the field '49999' is there twice"):
        jobs("{" + fields + "}")
    assert time.process_time() - began < 5


@pytest.mark.parametrize("size", [1, 5, READ_SIZE])
def test_the_place_does_not_depend_on_the_pieces(size: int) -> None:
    """The same line and column, however the stream arrives."""
    data = b'{"a": 1}\n' * 20 + b'{"a": 1, "b" 2}\n' + b'{"a": 1}\n' * 20

    with pytest.raises(BadJSON, match="line 21, column 14"):
        list(read_jobs(Dripping(data, size), plain))


def test_what_stands_before_an_error_is_yielded() -> None:
    """Those jobs are good, and who reads them decides what becomes of them."""
    batches = read_jobs(io.BytesIO(b'{"n": 1}\n{"n": 2}\nno\n'), plain)

    assert next(batches) == [{"n": "1"}, {"n": "2"}]
    with pytest.raises(BadJSON, match="line 3"):
        next(batches)


def test_a_job_is_yielded_as_soon_as_it_is_there() -> None:
    """A pipe in which a line comes now and then is not waited on for more."""
    batches = read_jobs(Dripping(b'{"n": 1}\n{"n": 2}\n', 9), plain)

    assert next(batches) == [{"n": "1"}]


def test_what_makes_a_job_may_refuse_it() -> None:
    """Its reason is told with the place of the object."""

    def refuse(value: Object) -> None:
        raise UndecodableJob("expected int", path="width")

    with pytest.raises(BadJSON, match="line 2, column 1: width: expected int"):
        list(read_jobs(io.BytesIO(b'\n{"width": "x"}'), refuse))


def test_an_empty_stream_may_be_right() -> None:
    """A pipe into which nothing was written has no jobs."""
    assert jobs("", may_be_empty=True) == []


@pytest.mark.slow
def test_a_job_without_an_end_does_not_fill_the_memory() -> None:
    """A file that starts with an open string is given up at some size."""
    with pytest.raises(BadJSON, match="a job of more than 64 MiB"):
        jobs(b'{"a": "' + b"x" * 80_000_000)
