"""
What annotations mean: strings and forward references resolved, type variables filled in.

Nothing here may run while a class is being made: attrs makes a slotted class twice, and only the second one
stays; and what a string names may be defined further down in the module. So it runs at the first use of a class.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import Any, Generic, TypeGuard, TypeVar, cast, get_args, get_origin, get_type_hints

import attrs

from qw.errors import UsageError
from qw.job._model import Job, R_co

Bindings = Mapping[object, object]


def evaluate(annotation: object, namespace: Mapping[str, object]) -> object:
    """
    Return the type that an annotation means: a string, or anything that has forward references in it.

    `Annotated` is stripped. Raises `NameError` for a name that `namespace` has not, and whatever else a
    string that is no type makes Python raise.
    """

    def bearer() -> None:
        """Bear the annotation: `get_type_hints` takes only what has some."""

    bearer.__annotations__ = {"it": annotation}
    hints: dict[str, object] = get_type_hints(bearer, globalns=dict(namespace))
    return hints["it"]


def is_class(thing: object) -> TypeGuard[type]:
    """Tell whether it is a class without arguments: on Python 3.10 `list[int]` passes for one too."""
    return isinstance(thing, type) and get_origin(thing) is None


def result_type(cls: type[Job[object]]) -> object:
    """Return `R` of `class T(Job[R])`, wherever among the bases it is said; `NoneType` when it is not."""
    return _bindings(cls).get(Job, {}).get(R_co, type(None))


def fields_of(cls: type[Job[object]]) -> tuple[attrs.Attribute[object], ...]:
    """Return the attrs fields of a class that attrs has made."""
    # No type says that a class has been decorated; `job_type` has checked it.
    fields: tuple[attrs.Attribute[object], ...] = attrs.fields(cast("type[attrs.AttrsInstance]", cls))
    return fields


def field_types(cls: type[Job[object]]) -> dict[str, object]:
    """
    Return the type of each attrs field by name, `object` for one that has no annotation.

    Raises `UsageError` for a name that is not known where the field is declared.
    """
    bound = _bindings(cls)
    types: dict[str, object] = {}
    for field in fields_of(cls):
        # Inherited fields are read where they stand: there are their names, and their type variables.
        owner = next((base for base in cls.__mro__ if field.name in inspect.get_annotations(base)), cls)
        annotation: object = object if field.type is None else field.type
        types[field.name] = _fill(_read(annotation, owner, field.name), bound.get(owner, {}))
    return types


def _read(annotation: object, owner: type, what: str) -> object:
    """Evaluate an annotation of the class `owner`; `what` names it in the error."""
    module = sys.modules.get(owner.__module__)
    place = f"{owner.__qualname__}: {what}" if what else owner.__qualname__
    try:
        # The module's names win over the class's: in `date: date` the second one is not the field.
        return evaluate(annotation, {owner.__name__: owner, **vars(owner), **(vars(module) if module else {})})
    except NameError as error:
        missing = error.name or error
        raise UsageError(
            f"{place}: {missing!r} is not known in module {owner.__module__}; define or import it there, "
            "not inside a function or under TYPE_CHECKING"
        ) from None
    except (TypeError, SyntaxError, AttributeError) as error:
        raise UsageError(f"{place}: {annotation!r} is not a type: {error}") from None


def _bindings(cls: type) -> dict[type, Bindings]:
    """Return, for each generic ancestor of `cls`, what its type variables stand for."""
    found: dict[type, Bindings] = {}
    _bind(cls, {}, found)
    return found


def _bind(cls: type, bound: Bindings, found: dict[type, Bindings]) -> None:
    found.setdefault(cls, bound)
    for base in vars(cls).get("__orig_bases__", cls.__bases__):
        origin = get_origin(base) or base
        if origin in (object, Generic) or not isinstance(origin, type):
            continue
        arguments = [_fill(_read(argument, cls, ""), bound) for argument in get_args(base)]
        _bind(origin, dict(zip(getattr(origin, "__parameters__", ()), arguments, strict=False)), found)


def _fill(annotation: object, bound: Bindings) -> object:
    """Put what is bound in the place of type variables; one that nothing is bound to may be any `object`."""
    if isinstance(annotation, TypeVar):
        return bound.get(annotation, annotation.__bound__ or object)
    parameters: tuple[object, ...] = getattr(annotation, "__parameters__", ())
    if not parameters:
        return annotation
    generic: Any = annotation
    filled: object = generic[tuple(_fill(parameter, bound) for parameter in parameters)]
    return filled
