"""Values of fields: how each type stands in Redis, and what is said of a value or a text that does not fit."""

from __future__ import annotations

import datetime as dt
import sys
import types
from collections import defaultdict
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, NewType, Optional, TypedDict, TypeVar, cast
from uuid import UUID

import attrs
import pytest

from qw.errors import UndecodableJob, UsageError
from qw.job import Job, job_type
from tests.support.strategies import Access, Color, Point, Size, Tree

if TYPE_CHECKING:
    # Only here, as a user might have it: at run time the name is not known.
    from decimal import Decimal as Unknown  # noqa: F401 - named in a string below

T = TypeVar("T")
UserId = NewType("UserId", str)


class Mode(str, Enum):
    """An enum that is a str as well."""

    FAST = "fast"


class Opening(TypedDict, total=False):
    """A dict with known keys."""

    day: dt.date


@attrs.frozen
class Wide(Size):
    """A class with another one's fields and more."""

    depth: int = 0


@attrs.frozen
class Box(Generic[T]):
    """A generic class."""

    content: T


def class_of(annotation: object) -> type[Job[object]]:
    """Return a class of jobs with one field, `it`."""
    fields = {"it": attrs.field(type=cast("type", annotation))}
    made = attrs.make_class("Made", fields, bases=(Job,), frozen=True)
    # attrs says that it is made where attrs was called from, which is what a class statement would say.
    assert made.__module__ == __name__
    return made


def encode(annotation: object, value: object) -> str:
    """Return what is stored for a value in a field of a type."""
    make = cast("Callable[[object], Job[object]]", class_of(annotation))
    job = make(value)
    return job_type(type(job)).encode(job)["it"]


def decode(annotation: object, text: str) -> object:
    """Return the value that a text makes in a field of a type."""
    return cast("Any", job_type(class_of(annotation)).decode({"it": text})).it


@pytest.mark.parametrize(
    ("annotation", "value", "text"),
    [
        (str | None, None, "null"),
        (str | None, "None", '"None"'),
        (bool, False, "false"),
        (float, 1, "1.0"),
        (float, float("-inf"), "-Infinity"),
        (UserId, "x", '"x"'),
        (Annotated[str, "not JSON either"], "x", "x"),
        (None, None, "null"),
        (Any, {"a": [1, None]}, '{"a":[1,null]}'),
        (Mode, Mode.FAST, '"fast"'),
        (Color, Color.PAIR, '[1,"two"]'),
        (Access, Access.READ | Access.WRITE, "3"),
        (Literal["a", 1] | str, "b", '"b"'),  # noqa: PYI051 - somebody will write it
        (Size | Point | None, Size(1), '{"width":1,"height":null}'),
        (Size | Tree, Tree("a"), '{"label":"a","branches":[],"graft":null}'),
        (Box[dt.date] | None, Box(dt.date(2020, 2, 29)), '{"content":"2020-02-29"}'),
        (Opening, {"day": dt.date(2020, 2, 29)}, '{"day":"2020-02-29"}'),
        (dict[int, str] | str, {1: "a"}, '{"1":"a"}'),
        (dt.timedelta, dt.timedelta(milliseconds=1500), "1.5"),
        (dt.timedelta, dt.timedelta.max, '"86399999999999.999999"'),
        (bytes, b"\0\xff", '"0RI"'),
        (Path, Path("/not-utf-8-\udcff"), '"/not-utf-8-\\udcff"'),
        (tuple[()], (), "[]"),
    ],
)
def test_written_as(annotation: object, value: object, text: str) -> None:
    """Values stand like this in Redis, where other versions and other languages read them."""
    assert encode(annotation, value) == text
    assert decode(annotation, text) == value
    assert type(decode(annotation, text)) in (type(value), annotation)


@pytest.mark.parametrize(
    ("annotation", "value", "reason"),
    [
        (int, "12", "expected int, got the string '12'"),
        (int, True, "expected int, got True"),
        pytest.param(int, 10**5000, "Exceeds the limit", id="huge"),
        (float, False, "expected float, got False"),
        (bool, 1, "expected bool, got the number 1"),
        (str, 3, "expected str, got the number 3"),
        (str, "\ud800", "not UTF-8: it holds half a surrogate pair"),
        (int | None, "x", "expected int or None, got the string 'x'"),
        (dt.date, dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc), "expected date, got datetime"),
        (Size, Wide(1), "expected Size, got Wide"),
        (list[Size], [{"width": 1}], "expected Size, got the object"),
        (list[str], "abc", "expected list[str], got the string 'abc'"),
        (dict[str, int], {1: 2}, "expected str for a key, got the number 1"),
        (tuple[int, str], (1,), "expected a tuple of 2, got (1,)"),
        (Literal["a"], "b", "expected typing.Literal['a'], got the string 'b'"),
        (object, {1, 2}, "Object of type set is not JSON serializable"),
    ],
)
def test_what_would_not_come_back_is_refused(annotation: object, value: object, reason: str) -> None:
    """The producer hears of a wrong value, with the name of the field, not the worker."""
    with pytest.raises(UsageError) as caught:
        encode(annotation, value)

    assert caught.value.message.startswith("Made.it: ")
    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("annotation", "text", "message"),
    [
        (int, '"12"', "it: expected int, got the string '12'"),
        (int, "true", "it: expected int, got True"),
        (int, "1.0", "it: expected int, got the number 1.0"),
        (int, "1_0", "it: expected JSON, got the string '1_0' (Extra data, character 2)"),
        (int, "", "it: expected JSON, got the string '' (Expecting value, character 1)"),
        (bool, "False", "it: expected JSON, got the string 'False' (Expecting value, character 1)"),
        (bool, "1", "it: expected bool, got the number 1"),
        (float, '"nan"', "it: expected float, got the string 'nan'"),
        (str, "\udcff", "it: not UTF-8: it holds half a surrogate pair"),
        (object, '"\udcff"', "it: not UTF-8: it holds half a surrogate pair"),
        (list[int], '"12"', "it: expected a list, got the string '12'"),
        (list[int], '{"1": 2}', "it: expected a list, got the object {'1': 2}"),
        (list[Size], '[{"width": 1}, {"width": "1"}]', "it[1].width: expected int, got the string '1'"),
        (Size, "{}", "it.width: missing"),
        (Size, "[]", "it: expected an object, got the list []"),
        (Tree, '{"label": "", "graft": {"label": null}}', "it.graft.label: expected str, got None"),
        (dict[int, int], '{"a": 1}', "it['a']: expected JSON, got the string 'a' (Expecting value, character 1)"),
        (dict[str, Size], '{"\\u001b": {}}', "it['\\x1b'].width: missing"),
        (Size | Tree, '{"z": 1}', "it: expected Size or Tree, got the object {'z': 1}"),
        (Literal[1], "true", "it: expected 1, got True"),
        (Color, "1", "it: expected Color, got the number 1"),
        (Point, "[1]", "it: expected a list of 2, got the list [1]"),
        (dt.datetime, "5", "it: expected datetime, got the number 5"),
        (dt.timedelta, '"1e999990"', "it: expected fewer seconds, got the string '1e999990'"),
        (UUID, '"x"', "it: badly formed hexadecimal UUID string"),
    ],
)
def test_what_does_not_fit_is_told_with_its_path(annotation: object, text: str, message: str) -> None:
    """Nothing is guessed at: a value comes from what it is written as, else its path and the reason are told."""
    with pytest.raises(UndecodableJob) as caught:
        decode(annotation, text)

    assert caught.value.message == message
    assert caught.value.path == message.split(": ", maxsplit=1)[0]
    assert caught.value.__context__ is None


@pytest.mark.skipif(sys.version_info >= (3, 11), reason="a later Python looks the name up")
def test_quotes_inside_of_an_annotation() -> None:
    """Python 3.10 does not look into `list["Size"]`: that is told, with what to write."""
    with pytest.raises(UsageError, match="put the quotes around the whole annotation"):
        job_type(class_of(types.GenericAlias(list, ("Size",))))


@pytest.mark.parametrize(
    ("annotation", "reason"),
    [
        (complex, "qw cannot write complex as JSON"),
        (list[Callable[[], int]], "as JSON"),
        (str | bytes, "str and bytes are both written as strings"),
        (Mode | str | None, "Mode and str are both written as strings"),
        (list[int] | set[int], "list[int] and set[int] are both written as lists"),
        (Size | Wide, "Size or Wide: each has to have a field without a default that the others have not"),
        (dict[tuple[int, int], str], "keys of type tuple[int, int] cannot be told apart"),
        ("Nowhere", "'Nowhere' is not known in module tests.test_job_values"),
        ("Unknown", "not inside a function or under TYPE_CHECKING"),
        ("dt.nothing", "is not a type"),
    ],
)
def test_types_that_json_cannot_hold(annotation: object, reason: str) -> None:
    """A field that would not come back as what it was is refused before a single job is queued."""
    with pytest.raises(UsageError, match="Made: it: ") as caught:
        job_type(class_of(annotation))

    assert reason in caught.value.message


@pytest.mark.parametrize(
    ("item", "missing"),
    [(int, 0), (list[int], []), (Optional[int], None), (int | None, None), (Any, None)],  # noqa: UP045 - both forms
    ids=str,
)
def test_what_a_defaultdict_makes_of_what_is_missing(item: object, missing: object) -> None:
    """What its items are, where that is one class; else it is a dict like any other."""
    read: Any = decode(types.GenericAlias(defaultdict, (str, item)), "{}")

    assert type(read) is defaultdict
    if missing is None:
        with pytest.raises(KeyError):
            read["a"]
    else:
        assert read["a"] == missing
