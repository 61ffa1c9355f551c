"""Jobs with a field of each way of decoding, and the fields of some that are right: where mutation starts from."""

from __future__ import annotations

import datetime as dt
from collections import Counter, deque
from collections.abc import Mapping
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Final, Literal, TypedDict
from uuid import UUID

import attrs

from qw.job import Job, job_type
from tests.support.strategies import Access, Color, Level, Point, Size, Tree


class Label(TypedDict, total=False):
    """A dict with known keys."""

    text: str
    size: Size


@attrs.frozen
class Scalars(Job[dict[str, Decimal]]):
    """A field of each type that is one JSON value."""

    path: str
    count: int
    ratio: float
    sure: bool
    raw: bytes
    day: dt.date
    when: dt.datetime
    clock: dt.time
    lasts: dt.timedelta
    price: Decimal
    number: UUID
    file: PurePosixPath
    color: Color
    level: Level
    access: Access
    how: Literal["auto", 1, False]


@attrs.frozen
class Containers(Job[list[Tree]]):
    """Lists, objects and classes, and what can be in them."""

    tree: Tree
    points: list[Point]
    by_number: dict[int, list[UUID]]
    by_day: dict[dt.date, Size]
    tags: frozenset[str]
    last: deque[bytes]
    votes: Counter[str]
    pair: tuple[int, str]
    label: Label
    rest: object


def stripped(name: str) -> str:
    """Return a name without white space around it."""
    return name.strip()


@attrs.frozen
class Unions(Job[Size | None]):
    """Types of which one came back, defaults, and a class that has its own opinion."""

    note: str | None
    place: Size | Point | None
    when: dt.datetime | int | bool
    either: list[int] | dict[str, float] | None
    width: int = attrs.field(default=1, validator=attrs.validators.ge(1))
    name: str = attrs.field(default="x", converter=stripped)


AnyKind = Scalars | Containers | Unions


def take(job: Scalars | Containers | Unions) -> object:
    """Do nothing: the target that takes all of them."""
    return job


EXAMPLES: Final[tuple[AnyKind, ...]] = (
    Scalars(
        path="/a/ü.png",
        count=12345678901234567890,
        ratio=0.5,
        sure=True,
        raw=b"\0\xff{}",
        day=dt.date(2020, 2, 29),
        when=dt.datetime(2020, 2, 29, 12, tzinfo=dt.timezone.utc),
        clock=dt.time(23, 59, 59, 999999),
        lasts=dt.timedelta(days=60_000, microseconds=1),
        price=Decimal("-1.10E+7"),
        number=UUID(int=7),
        file=PurePosixPath("/tmp/x"),  # noqa: S108 - nobody opens it
        color=Color.PAIR,
        level=Level.HIGH,
        access=Access.READ | Access.WRITE,
        how="auto",
    ),
    Containers(
        tree=Tree("root", (Tree("branch"), Tree("other", graft=Tree("graft")))),
        points=[Point(1, dt.date(2020, 1, 1)), Point(-2, dt.date.max)],
        by_number={1: [UUID(int=7)], 2**70: []},
        by_day={dt.date.min: Size(1, 0.5)},
        tags=frozenset({"a", "b"}),
        last=deque([b"", b"x"]),
        votes=Counter({"a": 2}),
        pair=(1, "one"),
        label={"text": "x", "size": Size(3)},
        rest={"a": [1, None, {"b": "c"}]},
    ),
    Unions("note", Size(1), dt.datetime(2020, 1, 1), [1, 2], 5, " y "),  # noqa: DTZ001 - a local time is one of the cases
    Unions(None, Point(1, dt.date(2020, 1, 1)), 5, {"a": 0.5}),
)

#: The name of each example's type, its fields as they stand in Redis, and a result of its type.
RIGHT: Final[tuple[tuple[str, Mapping[str, str], str], ...]] = tuple(
    (kind.name, kind.encode(job), kind.encode_result(result))
    for job, kind, result in zip(
        EXAMPLES,
        (job_type(Scalars), job_type(Containers), job_type(Unions), job_type(Unions)),
        ({"a": Decimal("1.5")}, [Tree("x", (Tree("y"),))], Size(2, 0.25), None),
        strict=True,
    )
)
