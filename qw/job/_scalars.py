"""
The types whose values are one JSON value: how each is written, and read back without being guessed at.

cattrs by itself calls the type (`int("12")`, `bool("False")`, `str([1])`). Here a value must come
from what it is written as; `"12"` is not an int.
"""

from __future__ import annotations

from base64 import b85decode, b85encode
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Context, Decimal
from operator import methodcaller
from os import fspath
from pathlib import PurePath
from typing import Any, Final
from uuid import UUID

import attrs
from cattrs.fns import identity
from cattrs.preconf.json import JsonConverter

from qw.job._annotations import is_class
from qw.job._misfit import wanted

MICROSECOND: Final = timedelta(microseconds=1)

#: A float of seconds is exact to the microsecond up to 2**32 of them, some 136 years.
FLOAT_HOLDS: Final = timedelta(seconds=2**32)

_MOST_SECONDS: Final = 10**14

# Digits for any timedelta, whatever the target does to the context of its own arithmetic.
_EXACTLY: Final = Context(prec=30)


@attrs.frozen
class Scalar:
    """A class, what JSON it is written as (`put`), what else of JSON is read as it (`take`)."""

    cls: type
    writes: tuple[type, ...]
    put: Callable[[Any], object]
    take: Callable[[Any], object]
    reads_too: tuple[type, ...] = ()

    def structure(self, value: object, cls: type) -> object:
        """Make a `cls`, which is this class or a subclass of it, of what stood in the JSON."""
        if type(value) not in self.writes and type(value) not in self.reads_too:
            raise wanted(cls.__name__, value)
        made = self.take(value)
        # An enum over the type, or one's own subclass of it.
        return made if type(made) is cls else cls(made)


def _base85(value: bytes) -> str:
    return b85encode(value).decode("ascii")


def _date_and_time(text: str) -> datetime:
    # Before Python 3.11 fromisoformat does not know the Z that JavaScript writes.
    return datetime.fromisoformat(text[:-1] + "+00:00" if text.endswith("Z") else text)


def _seconds(value: timedelta) -> float | str:
    if abs(value) < FLOAT_HOLDS:
        return value.total_seconds()
    return str(_EXACTLY.scaleb(Decimal(value // MICROSECOND), -6))


def _duration(seconds: float | str) -> timedelta:
    if not isinstance(seconds, str):
        return timedelta(seconds=seconds)
    number = Decimal(seconds)
    # First compared, since int() of "1e999990" alone takes more than a minute.
    if number.copy_abs() > _MOST_SECONDS:
        raise wanted("fewer seconds", seconds)
    return int(_EXACTLY.scaleb(number, 6)) * MICROSECOND


# The value's own method: date.isoformat would quietly cut the time off a datetime in a list of dates.
_iso: Final = methodcaller("isoformat")

#: bool before int, datetime before date: the first one that a class is a subclass of counts.
SCALARS: Final = (
    Scalar(type(None), (type(None),), identity, identity),
    Scalar(bool, (bool,), identity, identity),
    Scalar(int, (int,), identity, identity),
    Scalar(float, (float,), identity, float, (int,)),
    Scalar(str, (str,), identity, identity),
    Scalar(bytes, (str,), _base85, b85decode),
    Scalar(datetime, (str,), _iso, _date_and_time),
    Scalar(date, (str,), _iso, date.fromisoformat),
    Scalar(time, (str,), _iso, time.fromisoformat),
    Scalar(timedelta, (float, str), _seconds, _duration, (int,)),
    Scalar(Decimal, (str,), str, Decimal, (int,)),
    Scalar(UUID, (str,), str, UUID),
    Scalar(PurePath, (str,), fspath, identity),
)


def scalar_of(annotation: object) -> Scalar | None:
    """Return how values of a class are written, if they are one JSON value."""
    if not is_class(annotation):
        return None
    return next((scalar for scalar in SCALARS if issubclass(annotation, scalar.cls)), None)


def register_scalars(converter: JsonConverter) -> None:
    """Teach a converter all of them."""
    for scalar in SCALARS:
        converter.register_structure_hook(scalar.cls, scalar.structure)
        # What JSON has itself, cattrs passes through faster when nobody is asked.
        if scalar.put is not identity:
            converter.register_unstructure_hook(scalar.cls, scalar.put)
