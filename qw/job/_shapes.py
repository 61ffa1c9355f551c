"""What a type looks like from both sides: which Python values it takes, and which kinds of JSON they are written as."""

from __future__ import annotations

import dataclasses
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Mapping, MutableMapping, MutableSequence, MutableSet, Sequence
from collections.abc import Set as AbstractSet
from enum import Enum
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    NewType,
    TypeGuard,
    TypeVar,
    Union,
    get_args,
    get_origin,
    is_typeddict,
)

import attrs

from qw.job._annotations import is_class
from qw.job._misfit import Misfit
from qw.job._scalars import scalar_of

#: Written as a JSON list, and what is made of one. An abstract type comes back as the usual one of its kind.
ARRAYS: Final[dict[object, type]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    deque: deque,
    Sequence: list,
    MutableSequence: list,
    AbstractSet: set,
    MutableSet: set,
}

#: Written as a JSON object with whatever keys there are, and what is made of one.
OBJECTS: Final[dict[object, type]] = {
    dict: dict,
    Mapping: dict,
    MutableMapping: dict,
    OrderedDict: OrderedDict,
    defaultdict: defaultdict,
    Counter: Counter,
}

#: The kinds of JSON value, as Python's json reads them.
EVERY_FORM: Final = frozenset((type(None), bool, int, float, str, list, dict))


def bare(annotation: object) -> object:
    """Return what an annotation comes down to: without `Annotated` and `Final`, and names of types looked up."""
    if annotation is None:
        return type(None)
    if isinstance(annotation, NewType):
        return bare(annotation.__supertype__)
    if get_origin(annotation) in (Annotated, Final):
        return bare(get_args(annotation)[0])
    # `type Name = …` of Python 3.12; the class itself cannot be named on 3.10.
    if type(annotation).__name__ == "TypeAliasType":
        return bare(getattr(annotation, "__value__", object))
    return annotation


def origin_of(annotation: object) -> object:
    """Return `list` for `list[int]`, and what has no parameters as it is."""
    return get_origin(annotation) or annotation


def is_anything(annotation: object) -> bool:
    """Tell whether any JSON value will do."""
    return annotation is Any or annotation is object or isinstance(annotation, TypeVar)


def is_union(annotation: object) -> bool:
    """Tell whether it is `A | B` or `Union[A, B]`; an `Optional` is one."""
    return get_origin(annotation) in (Union, types.UnionType)


def is_literal(annotation: object) -> bool:
    """Tell whether it is `Literal[…]`."""
    return get_origin(annotation) is Literal


def is_enum(annotation: object) -> TypeGuard[type[Enum]]:
    """Tell whether it is an enum, flags too."""
    return is_class(annotation) and issubclass(annotation, Enum)


def is_record(annotation: object) -> bool:
    """Tell whether it is a class with fields of its own: made by attrs, or a dataclass."""
    origin = origin_of(annotation)
    return is_class(origin) and (attrs.has(origin) or dataclasses.is_dataclass(origin))


def is_namedtuple(annotation: object) -> TypeGuard[type[NamedTuple]]:
    """Tell whether it is a named tuple."""
    return is_class(annotation) and issubclass(annotation, tuple) and hasattr(annotation, "_fields")


def name_of(annotation: object) -> str:
    """Return what to call a type in an error."""
    if is_union(annotation):
        return " or ".join(name_of(member) for member in get_args(annotation))
    if annotation is type(None):
        return "None"
    return annotation.__qualname__ if is_class(annotation) else str(annotation)


def classes_of(annotation: object) -> tuple[type, ...]:
    """Return the classes of the values that a type takes; `object` for one that takes anything."""
    annotation = bare(annotation)
    # Any is a class from Python 3.11 on, but one of which nothing is an instance.
    if is_anything(annotation):
        return (object,)
    if is_union(annotation):
        return tuple(cls for member in get_args(annotation) for cls in classes_of(member))
    if is_literal(annotation):
        return tuple({type(value) for value in get_args(annotation)})
    if annotation is float:
        return (float, int)
    origin = dict if is_typeddict(annotation) else origin_of(annotation)
    return (origin,) if is_class(origin) else (object,)


def fits(value: object, classes: tuple[type, ...]) -> bool:
    """
    Tell whether a value is of one of the classes, and would come back as what it is.

    `True` is no int, and a datetime no date, though Python has them for subclasses.
    """
    if type(value) in classes or object in classes:
        return True
    scalar = scalar_of(type(value))
    return any(isinstance(value, cls) and scalar is scalar_of(cls) for cls in classes)


def forms_of(annotation: object) -> frozenset[type]:
    """
    Return the kinds of JSON that values of a type are written as.

    Raises `Misfit` for a type whose values are none.
    """
    annotation = bare(annotation)
    if is_anything(annotation):
        return EVERY_FORM
    if is_union(annotation):
        return frozenset(form for member in get_args(annotation) for form in forms_of(member))
    if is_literal(annotation):
        return frozenset(form for value in get_args(annotation) for form in forms_of(type(value)))
    return _forms_of_class(annotation)


def _forms_of_class(annotation: object) -> frozenset[type]:
    scalar = scalar_of(annotation)
    if scalar is not None:
        return frozenset(scalar.writes)
    if is_enum(annotation):
        return frozenset(form for member in annotation for form in forms_of(type(member.value)))
    origin = origin_of(annotation)
    if origin in ARRAYS or is_namedtuple(annotation):
        return frozenset((list,))
    if origin in OBJECTS or is_typeddict(annotation) or is_record(annotation):
        return frozenset((dict,))
    raise unwritable(annotation)


def unwritable(annotation: object) -> Misfit:
    """Say that values of a type have no JSON."""
    # list["Size"] stays as it is there; a typing.List["Size"] does not, nor does "list[Size]".
    if isinstance(annotation, str):
        return Misfit(f"Python 3.10 leaves {annotation!r} a string: put the quotes around the whole annotation")
    return Misfit(f"qw cannot write {name_of(annotation)} as JSON")
