"""
Lists, objects and classes: each demands its own kind of JSON, and each adds its step to the path of what does not fit.

cattrs by itself iterates over whatever it gets: a string makes a list of letters, an object a list of its keys.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import UnionType
from typing import Any, NamedTuple, Union, cast, get_args, get_origin, get_type_hints

import attrs
from cattrs import ClassValidationError
from cattrs.fns import identity
from cattrs.preconf.json import JsonConverter

from qw.job._annotations import is_class
from qw.job._misfit import Misfit, beneath, refused_field, wanted
from qw.job._shapes import ARRAYS, OBJECTS, classes_of, fits, forms_of, is_anything, name_of, origin_of
from qw.job._text import loads

#: What cattrs calls a hook: makes a value of the JSON value, for the type.
Structure = Callable[[Any, Any], Any]
Unstructure = Callable[[Any], Any]


def structure_of(annotation: object, converter: JsonConverter) -> Structure:
    """Return how to read a type; looked up late for one that is being described by itself, as a tree is."""
    try:
        return converter.get_structure_hook(annotation)
    except RecursionError:
        return converter.structure


def unstructure_of(annotation: object, converter: JsonConverter) -> Unstructure:
    """Return how to write a type; late as `structure_of`."""
    try:
        return converter.get_unstructure_hook(annotation)
    except RecursionError:
        return converter.unstructure


def read_array(annotation: object, converter: JsonConverter) -> Structure:
    """Read a list, set, deque or tuple from a list."""
    if _is_fixed(annotation):
        return _read_fixed(_fixed_items(annotation), tuple, converter)
    item, build = _item_of(annotation), ARRAYS[origin_of(annotation)]
    hook = structure_of(item, converter)

    def read(value: object, _: object) -> object:
        made = []
        for index, one in enumerate(_expect_list(value)):
            try:
                made.append(hook(one, item))
            except Exception as error:  # noqa: BLE001 - whatever a hook raises, it is this item's
                raise beneath(f"[{index}]", error) from None
        return made if build is list else build(made)

    return read


def write_array(annotation: object, converter: JsonConverter) -> Unstructure:
    """Write a list, set, deque or tuple as a list."""
    if _is_fixed(annotation):
        return _write_fixed(_fixed_items(annotation), converter)
    hook, classes = unstructure_of(_item_of(annotation), converter), classes_of(annotation)

    def write(value: Iterable[object]) -> object:
        if not fits(value, classes):
            raise wanted(name_of(annotation), value)
        # What JSON has itself, or has not, is json's affair.
        return list(value) if hook is identity else [hook(one) for one in value]

    return write


def _item_of(annotation: object) -> object:
    return (get_args(annotation) or (object,))[0]


def _is_fixed(annotation: object) -> bool:
    """Tell `tuple[int, str]` from `tuple[int, ...]` and from a `tuple` of anything."""
    # A bare `typing.Tuple` has the origin too, but no arguments at all.
    return (
        get_origin(annotation) is tuple and hasattr(annotation, "__args__") and get_args(annotation)[1:] != (Ellipsis,)
    )


def _fixed_items(annotation: object) -> list[object]:
    # Python 3.10 says ((),) for tuple[()].
    return [item for item in get_args(annotation) if item != ()]


def read_namedtuple(cls: type[NamedTuple], converter: JsonConverter) -> Structure:
    """Read a named tuple, from a list."""
    return _read_fixed(_items_of(cls), cls._make, converter)


def write_namedtuple(cls: type[NamedTuple], converter: JsonConverter) -> Unstructure:
    """Write a named tuple as a list."""
    return _write_fixed(_items_of(cls), converter)


def _items_of(cls: type[NamedTuple]) -> list[object]:
    hints: dict[str, object] = get_type_hints(cls)
    return [hints.get(name, object) for name in cls._fields]


def _read_fixed(
    items: list[object], build: Callable[[Iterable[object]], object], converter: JsonConverter
) -> Structure:
    hooks = [structure_of(item, converter) for item in items]

    def read(value: object, _: object) -> object:
        made = []
        for index, (one, item, hook) in enumerate(zip(_sized(value, len(items)), items, hooks, strict=True)):
            try:
                made.append(hook(one, item))
            except Exception as error:  # noqa: BLE001 - as in read_array
                raise beneath(f"[{index}]", error) from None
        return build(made)

    return read


def _write_fixed(items: list[object], converter: JsonConverter) -> Unstructure:
    hooks = [unstructure_of(item, converter) for item in items]

    def write(value: object) -> object:
        if not isinstance(value, tuple) or len(value) != len(hooks):
            raise wanted(f"a tuple of {len(hooks)}", value)
        return [hook(one) for hook, one in zip(hooks, value, strict=True)]

    return write


def _sized(value: object, size: int) -> list[object]:
    values = _expect_list(value)
    if len(values) != size:
        raise wanted(f"a list of {size}", value)
    return values


def read_object(annotation: object, converter: JsonConverter) -> Structure:
    """Read a dict or one of its kind, with keys that may be more than text."""
    key, item = _key_and_item(annotation)
    read_key, hook, build = _read_key(key, converter), structure_of(item, converter), _builder(annotation, item)

    def read(value: object, _: object) -> object:
        made = {}
        for name, one in _expect_object(value).items():
            try:
                made[read_key(name, key)] = hook(one, item)
            except Exception as error:  # noqa: BLE001 - as in read_array
                raise beneath(f"[{name!r:.60}]", error) from None
        return made if build is dict else build(made)

    return read


def write_object(annotation: object, converter: JsonConverter) -> Unstructure:
    """Write a dict or one of its kind; without a type for its keys they have to be `str`."""
    key, item = _key_and_item(annotation)
    write_key, hook = unstructure_of(key, converter), unstructure_of(item, converter)
    classes, key_classes = classes_of(annotation), classes_of(key)

    def write(value: Mapping[object, object]) -> object:
        if not fits(value, classes):
            raise wanted(name_of(annotation), value)
        # json writes a key 1 as "1": it would come back as what the annotation says, not as what it was.
        for name in value:
            if not fits(name, key_classes):
                raise wanted(f"{name_of(key)} for a key", name)
        return {write_key(name): hook(one) for name, one in value.items()}

    return write


def _key_and_item(annotation: object) -> tuple[object, object]:
    arguments = get_args(annotation)
    if origin_of(annotation) is Counter:
        return (*arguments, str)[0], int
    key, item = arguments or (str, object)
    return str if is_anything(key) else key, item


def _builder(annotation: object, item: object) -> Callable[[dict[object, object]], object]:
    origin = origin_of(annotation)
    if origin is not defaultdict:
        return OBJECTS[origin]
    factory = origin_of(item)
    # A union and Any are classes too in some versions of Python, of which nothing can be made.
    makes = isinstance(factory, type) and factory not in (Union, UnionType) and not is_anything(item)
    return partial(defaultdict, factory if makes else None)


def _read_key(key: object, converter: JsonConverter) -> Structure:
    hook, forms = structure_of(key, converter), forms_of(key)
    if forms == {str}:
        return hook
    # JSON writes every key as text: it can be read back if none is text to begin with, and none is a list.
    if forms & {str, list, dict}:
        raise Misfit(f"keys of type {name_of(key)} cannot be told apart in JSON")
    return lambda name, cls: hook(loads(name), cls)


def read_record(annotation: object, converter: JsonConverter) -> Structure:
    """Read a class made by attrs, or a dataclass, from an object."""
    cls = _resolved(annotation)
    return _read_fields(converter.gen_structure_attrs_fromdict(cls), cls)


def write_record(annotation: object, converter: JsonConverter) -> Unstructure:
    """Write a class made by attrs, or a dataclass, as an object."""
    hook: Unstructure = converter.gen_unstructure_attrs_fromdict(_resolved(annotation))
    cls = origin_of(annotation)

    def write(value: object) -> object:
        # An instance of a subclass would come back without what the subclass adds.
        if type(value) is not cls:
            raise wanted(name_of(annotation), value)
        return hook(value)

    return write


def read_typeddict(annotation: object, converter: JsonConverter) -> Structure:
    """Read a `TypedDict` from an object."""
    return _read_fields(converter.gen_structure_typeddict(annotation), annotation)


def write_typeddict(annotation: object, converter: JsonConverter) -> Unstructure:
    """Write a `TypedDict` as an object."""
    hook: Unstructure = converter.gen_unstructure_typeddict(annotation)
    return hook


def _resolved(annotation: object) -> type[object]:
    """Return a class, or a generic one with its arguments, whose fields' annotations are no strings any more."""
    origin = origin_of(annotation)
    # cattrs 24.1 asks Python for the hints of the class with its arguments, and Python refuses.
    if is_class(origin) and attrs.has(origin):
        attrs.resolve_types(origin)
    return cast("type[object]", annotation)


def _read_fields(hook: Structure, annotation: object) -> Structure:
    def read(value: object, _: object) -> object:
        try:
            return hook(_expect_object(value), annotation)
        except ClassValidationError as group:
            raise _first_of(group) from None

    return read


def _first_of(group: ClassValidationError) -> Misfit:
    in_fields, elsewhere = group.group_exceptions()
    if not in_fields:
        field = refused_field(elsewhere[0])
        return beneath(f".{field}" if field else "", elsewhere[0])
    error, note = in_fields[0]
    return Misfit("missing", f".{note.name}") if isinstance(error, KeyError) else beneath(f".{note.name}", error)


def _expect_list(value: object) -> list[object]:
    if isinstance(value, list):
        return value
    raise wanted("a list", value)


def _expect_object(value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise wanted("an object", value)
