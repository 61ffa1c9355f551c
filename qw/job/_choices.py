"""Types with a few values (`Enum`, `Literal`) and types with a few types (unions)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, Flag
from functools import cache
from typing import Any, Literal, cast, get_args

import attrs
from cattrs.disambiguators import create_default_dis_func
from cattrs.fns import identity
from cattrs.preconf.json import JsonConverter

from qw.job._containers import Structure, Unstructure, structure_of, unstructure_of
from qw.job._misfit import Misfit, wanted
from qw.job._scalars import scalar_of
from qw.job._shapes import bare, classes_of, fits, forms_of, is_anything, is_literal, is_record, name_of
from qw.job._text import dumps

_FORM_NAMES = {
    type(None): "null",
    bool: "true or false",
    int: "whole numbers",
    float: "numbers",
    str: "strings",
    list: "lists",
    dict: "objects",
}


def register_enums(converter: JsonConverter) -> None:
    """Teach a converter enums: written as their value, and read by it; flags may be combined."""

    @cache
    def reader(cls: type[Enum]) -> Structure:
        return _read_one_of(list(cls), name_of(cls), converter)

    def read(value: object, cls: type[Enum]) -> object:
        if issubclass(cls, Flag):
            return cls(converter.structure(value, int))
        return reader(cls)(value, cls)

    # By class: cattrs 24.1 has hooks of its own there, which would go before any that a predicate chooses.
    converter.register_structure_hook(Enum, read)
    converter.register_unstructure_hook(Enum, lambda member: converter.unstructure(member.value))


def read_literal(annotation: object, converter: JsonConverter) -> Structure:
    """Read one of the values of a `Literal`; `true` is not 1."""
    values = get_args(annotation)
    return _read_one_of(list(values), " or ".join(repr(value) for value in values), converter)


def write_literal(annotation: object, converter: JsonConverter) -> Unstructure:
    """Write one of the values of a `Literal`."""
    values = {(type(value), value) for value in get_args(annotation)}

    def write(value: object) -> object:
        if (type(value), value) not in values:
            raise wanted(name_of(annotation), value)
        return converter.unstructure(value)

    return write


def _read_one_of(values: list[object], name: str, converter: JsonConverter) -> Structure:
    # By their JSON: there 1, 1.0 and true are three values, and a list can be looked up.
    by_json = {dumps(converter.unstructure(value)): value for value in values}

    def read(value: object, _: object) -> object:
        text = dumps(value)
        if text not in by_json:
            raise wanted(name, value)
        return by_json[text]

    return read


def read_union(annotation: object, converter: JsonConverter) -> Structure:
    """
    Read a union: the kind of JSON tells which of its types it is.

    Raises `Misfit` when it does not, as for `str | bytes`.
    """
    members = _members(annotation)
    if any(is_anything(member) for member in members):
        return lambda value, _: value
    readers = {form: _reader(form, which, converter) for form, which in _by_form(members).items()}

    def read(value: object, _: object) -> object:
        reader = readers.get(type(value))
        if reader is None:
            raise wanted(name_of(annotation), value)
        return reader(value)

    return read


def write_union(annotation: object, converter: JsonConverter) -> Unstructure:
    """Write a value of a union as the type in it that takes the value."""
    members = _members(annotation)
    if any(is_anything(member) for member in members):
        return identity
    writers = {cls: unstructure_of(member, converter) for member in members for cls in classes_of(member)}

    def write(value: object) -> object:
        writer = writers.get(type(value)) or next((writers[cls] for cls in writers if fits(value, (cls,))), None)
        if writer is None:
            raise wanted(name_of(annotation), value)
        return writer(value)

    return write


def _members(annotation: object) -> list[object]:
    """Return the types in a union, all its `Literal`s as one in front: the type of their values goes before them."""
    members = [bare(member) for member in get_args(annotation)]
    literal = tuple(value for member in members if is_literal(member) for value in get_args(member))
    others = [member for member in members if not is_literal(member)]
    return [Literal[literal], *others] if literal else others


def _by_form(members: list[object]) -> dict[type, list[object]]:
    """Sort the types in a union by the kinds of JSON that they are written as."""
    written: dict[type, list[object]] = {}
    for member in members:
        for form in forms_of(member):
            written.setdefault(form, []).append(member)
    # What is read without being written, as 1 for a float, is so where nothing else claims it.
    for member in members:
        scalar = scalar_of(member)
        for form in scalar.reads_too if scalar else ():
            written.setdefault(form, [member])
    return written


def _reader(form: type, members: list[object], converter: JsonConverter) -> Callable[[Any], object]:
    if form in members:
        # A Literal beside the type of its values says nothing more.
        members = [member for member in members if not is_literal(member)]
    if len(members) == 1:
        hook = structure_of(members[0], converter)
        return lambda value: hook(value, members[0])
    if all(is_record(member) for member in members):
        return _record_reader(members, converter)
    names = " and ".join(name_of(member) for member in members)
    raise Misfit(f"{names} are both written as {_FORM_NAMES[form]}: which one came back?")


def _record_reader(members: list[object], converter: JsonConverter) -> Callable[[Any], object]:
    # Asking for these first makes cattrs resolve the annotations that tell one class from another.
    hooks = {member: structure_of(member, converter) for member in members}
    names = " or ".join(name_of(member) for member in members)
    try:
        tell = create_default_dis_func(converter, *cast("list[type[attrs.AttrsInstance]]", members), overrides={})
    except TypeError:
        raise Misfit(f"{names}: each has to have a field without a default that the others have not") from None

    def read(value: object) -> object:
        try:
            member = tell(cast("Mapping[Any, Any]", value))
        except (KeyError, TypeError, ValueError):
            member = None
        if member not in hooks:
            raise wanted(names, value)
        return hooks[member](value, member)

    return read
