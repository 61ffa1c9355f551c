"""The target: what is called for each job, and with what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, TypeAlias, TypeVar

from qw.errors import TargetSignatureError, UndecodableJob
from qw.job import Job, JobType
from qw.keys import OWN
from qw.logs import safe
from qw.target._load import by_name, load_object
from qw.target._signature import FORMS, read_signature

J = TypeVar("J", bound=Job[object])
_LONG: Final = len(OWN)

#: What a type checker lets pass for a target; `target: TargetLike[J]` in a signature. A singledispatch function does.
TargetLike: TypeAlias = Callable[[J], object] | Callable[[str, dict[str, str]], object] | str


class Target:
    """
    What a manager calls for each job: a function, and what it takes.

    1. `load` finds it and checks that qw can call it, before anything is registered in Redis.
    2. `decode` makes the arguments of one call of what stands in `job:<id>`.

    A job's type is looked up among those the target declares, never imported by the name found in Redis.
    It crosses to another process as its string, or else as pickle carries the function.
    """

    def __init__(self, function: Callable[..., object], found_as: str | None = None) -> None:
        self.function = function
        #: `pkg.mod:f`.
        self.name = found_as or _name_of(function)
        takes = read_signature(function, self.name)
        #: The types of jobs it takes; none for `f(job_id, job_data)`.
        self.types = takes.types
        #: Whether what it returns is to be awaited.
        self.is_async = takes.is_async
        self._found_as = found_as
        self._by_name = by_name(takes.types)

    @classmethod
    def load(cls, target: object) -> Target:
        """
        Return the target that is given as a callable, or as a string `pkg.mod:f` or `pkg.mod.f`.

        Strings are looked for in the working directory too, which stays on `sys.path`. Raises
        `TargetNotFound`, `TargetImportFailed` with the module's own traceback, or `TargetSignatureError`.
        """
        if isinstance(target, Target):
            return target
        found, name = load_object(target) if isinstance(target, str) else (target, None)
        if not callable(found):
            shown = name or safe(repr(target))
            raise TargetSignatureError(f"target {shown} is not callable, but of type {type(found).__name__}: {FORMS}")
        return cls(found, name)

    def __repr__(self) -> str:
        return f"<Target {self.name}>"

    def __reduce__(self) -> tuple[Callable[[object], Target], tuple[object]]:
        return Target.load, (self._found_as or self.function,)

    @property
    def module(self) -> str:
        """The module in which it was found."""
        return self.name.partition(":")[0]

    @property
    def plain(self) -> bool:
        """Whether it takes `(job_id, job_data)`, any job at all."""
        return not self.types

    def decode(self, job_id: str, fields: Mapping[str, str]) -> tuple[tuple[object, ...], JobType[object] | None]:
        """
        Return the arguments for one call, and the type of the job; None for a target that takes any job at all.

        `fields` are all of `job:<id>`; the target sees none of qw's own. Raises `UndecodableJob`.
        """
        if not self.types:
            data = {name: value for name, value in fields.items() if name[:_LONG] != OWN}  # half a `startswith`
            return (job_id, data), None
        one = self._type_of(fields.get("qw:type"))
        return (one.decode(fields),), one

    def _type_of(self, type_name: str | None) -> JobType[object]:
        if type_name is None and len(self.types) == 1:
            return self.types[0]
        found = self._by_name.get(type_name or "")
        if found is None:
            what = "a job without qw:type" if type_name is None else f"no job type {safe(repr(type_name))}"
            raise UndecodableJob(f"{what}: target {self.name} takes {', '.join(self._by_name)}")
        return found


def _name_of(function: object) -> str:
    while isinstance(function, partial):
        function = function.func
    named = function if hasattr(function, "__qualname__") else type(function)
    return f"{named.__module__}:{getattr(named, '__qualname__', '?')}"
