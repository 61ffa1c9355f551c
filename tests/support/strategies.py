"""Hypothesis strategies for classes of jobs with fields of many types, and values that fit them."""

from __future__ import annotations

import datetime as dt
import enum
import operator
import types
from collections import deque
from collections.abc import Iterable
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, Literal, NamedTuple, Union, cast
from uuid import UUID

import attrs
from hypothesis import strategies as st

from qw.job import Job

Values = st.SearchStrategy[object]


@attrs.frozen
class Kind:
    """A type, and values of it."""

    annotation: object
    values: Values
    #: Whether the values can stand in a set.
    hashable: bool = True


class Color(enum.Enum):
    """Values of several kinds, three of which are equal to each other."""

    RED = "red"
    TWO = 2
    TRUE = True
    HALF = 0.5
    PAIR = (1, "two")
    NOTHING = None


class Level(enum.IntEnum):
    """An enum that is an int as well."""

    LOW = 1
    HIGH = 2


class Access(enum.Flag):
    """Flags, which can be combined."""

    READ = enum.auto()
    WRITE = enum.auto()


class Point(NamedTuple):
    """A named tuple."""

    x: int
    when: dt.date


@attrs.frozen
class Size:
    """A nested class."""

    width: int
    height: float | None = None


@attrs.frozen
class Tree:
    """A class that holds itself."""

    label: str
    branches: tuple[Tree, ...] = ()
    graft: Tree | None = None


#: What can be written into Redis as UTF-8.
TEXT = st.text(st.characters(exclude_categories=["Cs"]))

#: What a JSON string can hold: half a surrogate pair too.
JSON_TEXT = st.text()

FLOATS = st.floats(allow_nan=False)

PATHS = st.lists(st.text(st.characters(exclude_characters="\0"))).map(lambda parts: PurePosixPath(*parts))

TREES = st.recursive(
    st.builds(Tree, JSON_TEXT),
    lambda trees: st.builds(Tree, JSON_TEXT, st.lists(trees, max_size=2).map(tuple), st.none() | trees),
    max_leaves=4,
)

#: Any value that JSON has.
JSON_VALUES: Values = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | JSON_TEXT,
    lambda values: st.lists(values, max_size=3) | st.dictionaries(JSON_TEXT, values, max_size=3),
    max_leaves=6,
)

#: Inside of JSON a string may hold what Redis's text may not.
NESTED = Kind(str, JSON_TEXT)

SCALARS = [
    Kind(int, st.integers()),
    Kind(float, FLOATS),
    Kind(bool, st.booleans()),
    Kind(bytes, st.binary()),
    Kind(dt.date, st.dates()),
    Kind(dt.datetime, st.datetimes(timezones=st.none() | st.just(dt.timezone.utc))),
    Kind(dt.time, st.times()),
    Kind(dt.timedelta, st.timedeltas()),
    Kind(Decimal, st.decimals(allow_nan=False)),
    Kind(UUID, st.uuids()),
    Kind(PurePosixPath, PATHS),
    Kind(Color, st.sampled_from(Color)),
    Kind(Level, st.sampled_from(Level)),
    Kind(Access, st.sampled_from([Access.READ, Access.WRITE, Access.READ | Access.WRITE])),
    Kind(Literal["auto", 1, False], st.sampled_from(["auto", 1, False])),
    Kind(Point, st.builds(Point, st.integers(), st.dates())),
    Kind(Size, st.builds(Size, st.integers(), st.none() | FLOATS)),
    Kind(Tree, TREES),
    Kind(None, st.none()),
]

#: What is written as one kind of JSON that no other of these is.
APART = [Kind(int, st.integers()), Kind(bool, st.booleans()), Kind(dt.date, st.dates()), SCALARS[-3], SCALARS[-1]]

#: Types whose text in JSON tells which value it was.
KEYS = [kind for kind in SCALARS if kind.annotation in (int, bool, float, bytes, dt.date, UUID, Level, PurePosixPath)]


def _of(origin: type, *arguments: object) -> object:
    return types.GenericAlias(origin, arguments)


def _arrays(kind: Kind) -> st.SearchStrategy[Kind]:
    some = st.lists(kind.values, max_size=3)
    made = [
        Kind(_of(list, kind.annotation), some, hashable=False),
        Kind(_of(tuple, kind.annotation, ...), some.map(tuple), kind.hashable),
        Kind(_of(tuple, kind.annotation, int), st.tuples(kind.values, st.integers()), kind.hashable),
        Kind(_of(deque, kind.annotation), some.map(deque), hashable=False),
    ]
    if kind.hashable:
        made += [
            Kind(_of(set, kind.annotation), some.map(set), hashable=False),
            Kind(_of(frozenset, kind.annotation), some.map(frozenset)),
        ]
    return st.sampled_from(made)


def _objects(kind: Kind) -> st.SearchStrategy[Kind]:
    def of(key: Kind) -> Kind:
        some = st.dictionaries(key.values, kind.values, max_size=3)
        return Kind(_of(dict, key.annotation, kind.annotation), some, hashable=False)

    return st.sampled_from([NESTED, *KEYS]).map(of)


def _union(members: Iterable[object]) -> object:
    # Written as a subscription of the name, a type checker would want to know the members.
    return operator.getitem(cast("Any", Union), tuple(members))


def _unions(kind: Kind) -> st.SearchStrategy[Kind]:
    def of(others: list[Kind]) -> Kind:
        return Kind(_union(other.annotation for other in others), st.one_of([other.values for other in others]))

    mixed = st.lists(st.sampled_from(APART), min_size=2, unique_by=lambda other: str(other.annotation)).map(of)
    # One of the colours is written as null already.
    if kind.annotation is Color:
        return mixed
    return mixed | st.just(Kind(_union([kind.annotation, None]), st.none() | kind.values, kind.hashable))


#: Any type that a field may have, but for `str` itself.
KINDS: st.SearchStrategy[Kind] = st.recursive(
    st.sampled_from([*SCALARS, NESTED]),
    lambda kinds: kinds.flatmap(lambda kind: _arrays(kind) | _objects(kind) | _unions(kind)),
    max_leaves=3,
)


@st.composite
def jobs(draw: st.DrawFn) -> Job[object]:
    """Draw a class of jobs and one job of it."""
    kinds = [Kind(str, TEXT) if kind.annotation is str else kind for kind in draw(st.lists(KINDS, max_size=4))]
    fields = {f"field_{index}": attrs.field(type=cast("type", kind.annotation)) for index, kind in enumerate(kinds)}
    made = attrs.make_class("Drawn", fields, bases=(Job,), frozen=True, slots=draw(st.booleans()))
    return cast("Job[object]", made(*[draw(kind.values) for kind in kinds]))
