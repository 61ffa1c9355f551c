"""The one cattrs converter, made strict: what does not stand in the JSON as its type is written is refused."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NoReturn, TypeVar, is_typeddict

from cattrs.fns import identity
from cattrs.preconf.json import JsonConverter, make_converter

from qw.job import _choices as choices
from qw.job import _containers as containers
from qw.job import _shapes as shapes
from qw.job._containers import Structure, Unstructure
from qw.job._scalars import register_scalars
from qw.job._shapes import ARRAYS, OBJECTS, origin_of, unwritable

H = TypeVar("H")

Predicate = Callable[[object], bool]
ReaderFactory = Callable[[Any, JsonConverter], Structure]
WriterFactory = Callable[[Any, JsonConverter], Unstructure]


@cache
def converter() -> JsonConverter:
    """Return the converter, made on the first call."""
    made = make_converter(detailed_validation=True, structure_fallback_factory=_refuse)
    register_scalars(made)
    choices.register_enums(made)
    made.register_structure_hook_func(shapes.is_anything, lambda value, _: value)
    made.register_unstructure_hook_factory(shapes.is_anything, lambda _: identity)
    for predicate, reader, writer in _FACTORIES:
        made.register_structure_hook_factory(predicate, _with(made, reader))
        made.register_unstructure_hook_factory(predicate, _with(made, writer))
    return made


def _with(made: JsonConverter, factory: Callable[[Any, JsonConverter], H]) -> Callable[[Any], H]:
    return lambda annotation: factory(annotation, made)


def _refuse(annotation: object) -> NoReturn:
    raise unwritable(annotation)


_FACTORIES: tuple[tuple[Predicate, ReaderFactory, WriterFactory], ...] = (
    (lambda annotation: origin_of(annotation) in ARRAYS, containers.read_array, containers.write_array),
    (lambda annotation: origin_of(annotation) in OBJECTS, containers.read_object, containers.write_object),
    (shapes.is_namedtuple, containers.read_namedtuple, containers.write_namedtuple),
    (is_typeddict, containers.read_typeddict, containers.write_typeddict),
    (shapes.is_record, containers.read_record, containers.write_record),
    (shapes.is_literal, choices.read_literal, choices.write_literal),
    (shapes.is_union, choices.read_union, choices.write_union),
)
