"""From a callable to what it takes: `(job_id, job_data)`, or one job of the types that its annotation names."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from inspect import Parameter
from types import FunctionType, UnionType
from typing import TypeGuard, Union, get_args, get_origin

import attrs

from qw.errors import TargetSignatureError, UsageError
from qw.job import Job, JobType, evaluate, job_type

#: What a target may look like; the end of every error about one that does not.
FORMS = "write f(job_id, job_data), or f(job: SomeJob)"

_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@attrs.frozen
class Takes:
    """What a target takes: types of jobs, or none in the plain form; and whether it is to be awaited."""

    types: tuple[JobType[object], ...]
    is_async: bool


def is_job(thing: object) -> TypeGuard[type[Job[object]]]:
    """Tell whether it is a class of jobs, or their base."""
    # On Python 3.10 list[int] passes for a class.
    return isinstance(thing, type) and get_origin(thing) is None and issubclass(thing, Job)


def read_signature(function: Callable[..., object], name: str) -> Takes:
    """
    Return what a target takes; `name` is what errors call it.

    Raises `TargetSignatureError` for what qw cannot call.
    """
    if isinstance(function, type) and issubclass(function, Job):
        raise TargetSignatureError(f"target {name} is a job, not what runs it: {FORMS}")
    registry = getattr(function, "registry", None)
    if isinstance(registry, Mapping) and hasattr(function, "dispatch"):
        return Takes(_registered(registry, name), _is_async(registry.values(), name))
    if isinstance(function, FunctionType) and hasattr(function, "register"):
        raise TargetSignatureError(f"target {name} is a singledispatchmethod: use functools.singledispatch instead")
    return Takes(_declared(_Parameters.of(function, name)), _is_async([function], name))


def _registered(registry: Mapping[object, object], name: str) -> tuple[JobType[object], ...]:
    """Return the types that a singledispatch function has implementations for."""
    jobs = [cls for cls in registry if is_job(cls) and cls is not Job]
    if not jobs:
        how = f"@{name.rpartition(':')[2]}.register"
        raise TargetSignatureError(f"target {name} has no job registered: put {how} above an f(job: SomeJob)")
    return tuple(_type(cls, f"target {name}") for cls in jobs)


@attrs.frozen
class _Parameters:
    """The parameters of a target, as a call with nothing but positional arguments meets them."""

    #: The target as errors show it, such as `target app:f(a, b, c)`.
    shown: str
    first: Parameter | None
    required: int
    #: How many there are; None for any number.
    room: int | None
    #: Where the names in annotations are looked up.
    namespace: Mapping[str, object]

    @classmethod
    def of(cls, function: Callable[..., object], name: str) -> _Parameters:
        """Read them; raises `TargetSignatureError` where Python knows none, or one can only be given by keyword."""
        try:
            parameters = list(inspect.signature(function).parameters.values())
        except (TypeError, ValueError):
            raise TargetSignatureError(f"target {name} does not tell what it takes: {FORMS}") from None
        shown = f"target {name}({', '.join(parameter.name for parameter in parameters)})"
        if any(one.kind is Parameter.KEYWORD_ONLY and one.default is Parameter.empty for one in parameters):
            raise TargetSignatureError(f"{shown} needs an argument by keyword: {FORMS}")
        positional = [one for one in parameters if one.kind in _POSITIONAL]
        endless = any(one.kind is Parameter.VAR_POSITIONAL for one in parameters)
        return cls(
            shown,
            positional[0] if positional else None,
            sum(one.default is Parameter.empty for one in positional),
            None if endless else len(positional),
            _namespace(function),
        )

    def fit(self, count: int) -> bool:
        """Tell whether a call with so many arguments is right."""
        return self.required <= count and (self.room is None or count <= self.room)

    def annotated_with(self) -> tuple[object, ...]:
        """Return the types that the first parameter may have, `()` when it does not say; raises `NameError`."""
        if self.first is None or self.first.annotation is Parameter.empty:
            return ()
        annotation = evaluate(self.first.annotation, self.namespace)
        # `type Jobs = A | B` of Python 3.12; its class cannot be named on 3.10.
        if type(annotation).__name__ == "TypeAliasType":
            annotation = getattr(annotation, "__value__", annotation)
        return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _declared(parameters: _Parameters) -> tuple[JobType[object], ...]:
    """Return the types that the first parameter is annotated with; none in the plain form."""
    try:
        members = parameters.annotated_with()
    except NameError as error:
        # In the plain form nobody asks what the annotations mean.
        if parameters.fit(2) and not parameters.fit(1):
            return ()
        raise TargetSignatureError(
            f"{parameters.shown}: {error.name!r} in its annotation is not known; define or import it in the target's "
            "module, not inside a function or under TYPE_CHECKING"
        ) from None
    if any(is_job(get_origin(member) or member) for member in members):
        return _typed(members, parameters)
    if parameters.fit(2):
        return ()
    raise TargetSignatureError(f"{parameters.shown} {_complaint(members, parameters)}")


def _complaint(members: tuple[object, ...], parameters: _Parameters) -> str:
    if not parameters.fit(1):
        return f"takes {parameters.required or parameters.room} arguments: {FORMS}"
    if not members:
        return f"does not say which job it takes: {FORMS}"
    return f"takes {_show(members[0])}, which is not a job: {FORMS}"


def _typed(members: Iterable[object], parameters: _Parameters) -> tuple[JobType[object], ...]:
    if not parameters.fit(1):
        raise TargetSignatureError(f"{parameters.shown} takes a job and more: {FORMS}")
    for member in members:
        if (get_origin(member) or member) is Job:
            raise TargetSignatureError(
                f"{parameters.shown} takes any job: name those it takes, f(job: A | B), or use functools.singledispatch"
            )
    return tuple(_type(member, parameters.shown) for member in members)


def _type(cls: object, shown: str) -> JobType[object]:
    if not is_job(cls):
        raise TargetSignatureError(f"{shown} takes {_show(cls)}, which is not a class of jobs")
    try:
        return job_type(cls)
    except UsageError as error:
        raise TargetSignatureError(f"{shown}: {error}") from None


def _show(annotation: object) -> str:
    return str(annotation) if get_args(annotation) else getattr(annotation, "__qualname__", str(annotation))


def _is_async(functions: Iterable[Callable[..., object]], name: str) -> bool:
    """Tell whether the functions are to be awaited, all or none of them."""
    innermost = [_innermost(function) for function in functions]
    if any(inspect.isgeneratorfunction(one) or inspect.isasyncgenfunction(one) for one in innermost):
        raise TargetSignatureError(f"target {name} yields: a target returns its result, once")
    ways = {inspect.iscoroutinefunction(one) for one in innermost}
    if len(ways) > 1:
        raise TargetSignatureError(f"target {name} has implementations with async def and with def: use one of them")
    return ways == {True}


def _innermost(function: Callable[..., object]) -> Callable[..., object]:
    """Return the function that Python calls in the end: of a partial, a bound method, an instance."""
    while isinstance(function, functools.partial):
        function = function.func
    if inspect.isroutine(function) or isinstance(function, type):
        return function
    return type(function).__call__


def _namespace(function: Callable[..., object]) -> Mapping[str, object]:
    """Return the names that the function's module has."""
    # What a decorator has wrapped is where the annotations stand: inspect.signature reads them there as well.
    inner = inspect.unwrap(_innermost(inspect.unwrap(function)))
    globals_: Mapping[str, object] = getattr(inner, "__globals__", {})
    return globals_
