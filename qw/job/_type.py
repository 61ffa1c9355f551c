"""The codec of one class of jobs: how its jobs become the fields of `job:<id>` and come back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, NoReturn, TypeVar, cast

import attrs

from qw.errors import UndecodableJob, UsageError
from qw.job._annotations import field_types, fields_of, result_type
from qw.job._codec import json_codec
from qw.job._misfit import beneath, describe, refused_field
from qw.job._model import Job, Options, R_co
from qw.job._text import RAW, Codec

R = TypeVar("R")


@attrs.frozen
class _Field:
    name: str
    #: What the class's `__init__` calls it: `_path` is given as `path`.
    alias: str
    required: bool
    codec: Codec


class JobType(Generic[R_co]):
    """
    How the jobs of one class are written to Redis and read back.

    1. `encode` and `decode` a job: one hash field for each attrs field.
    2. `encode_result` and `decode_result`: what the target returned, as JSON.

    It says which class, never imports one by a name out of Redis. Made by `job_type`, once for each class.
    """

    __slots__ = (
        "_fields",
        "_put",
        "_result",
        "_take",
        "cls",
        "field_names",
        "has_result",
        "name",
        "options",
        "raw_names",
    )

    def __init__(self, cls: type[Job[R_co]]) -> None:
        self.cls = cls
        self.options = _options_of(cls)
        #: What `qw:type` says.
        self.name = _name_of(cls)
        self._fields = _fields_of(cls)
        #: The fields that are queued; those of them stored as they are, without quotes.
        self.field_names = tuple(field.name for field in self._fields)
        self.raw_names = frozenset(field.name for field in self._fields if field.codec is RAW)
        # The hot path reads tuples, not objects.
        self._put = tuple((field.name, field.codec.put) for field in self._fields)
        self._take = tuple((field.name, field.alias, field.codec.take) for field in self._fields)
        returned = result_type(cls)
        #: Whether what the target returns is kept for `wait_job`.
        self.has_result = returned is not type(None)
        self._result = _codec(cls, "its result", returned)

    def __repr__(self) -> str:
        return f"<JobType {self.name}>"

    def __reduce__(self) -> tuple[object, tuple[type[Job[R_co]]]]:
        return job_type, (self.cls,)

    def encode(self, job: Job[object]) -> dict[str, str]:
        """
        Return the fields of `job:<id>`: a `str` as it is, all else as JSON.

        Raises `UsageError` with the field's name for a value that is not of its type or cannot be written.
        """
        try:
            return {name: put(getattr(job, name)) for name, put in self._put}
        except Exception:  # noqa: BLE001 - whatever it was, it is told with the name of the field
            self._refuse(job)

    def decode(self, fields: Mapping[str, str]) -> Job[R_co]:
        """
        Return the job that `fields` make; a field that has a default may be missing, more fields may be there.

        Raises `UndecodableJob` with the path to what is missing, is not JSON, is of another type, or is refused
        by the class's own converters and validators.
        """
        try:
            given = {}
            for name, alias, take in self._take:  # a comprehension would be a function more to call
                if name in fields:
                    given[alias] = take(fields[name])
            return self.cls(**given)
        except Exception as error:  # noqa: BLE001 - whatever the class raises, the job is buried with it
            refusal = self._undecodable(fields, error)
        # Outside of the except clause: a chain of what was tried tells the reader nothing.
        raise refusal

    def encode_result(self, value: object) -> str:
        """
        Return what the target returned as JSON; raises `UsageError` when it is not of the result's type.

        Numbers and strings in a container are taken for what they should be: who reads them checks them.
        """
        try:
            return self._result.put(value)
        except Exception as error:  # noqa: BLE001 - as in encode
            reason = describe(beneath("", error))
        raise UsageError(f"the result of {self.name}: {reason}")

    def decode_result(self, text: str) -> R_co:
        """Return the result that `text` holds; raises `UndecodableJob` for one of another type."""
        try:
            # The codec was made for exactly the result's type.
            return cast("R_co", self._result.take(text))
        except Exception as error:  # noqa: BLE001 - as in decode
            misfit = beneath("result", error)
        raise UndecodableJob(misfit.reason, path=misfit.path)

    def _refuse(self, job: Job[object]) -> NoReturn:
        """Find out which field it was, and say so."""
        if not isinstance(job, self.cls):
            raise UsageError(f"{type(job).__qualname__} is not a {self.name}")
        for field in self._fields:
            try:
                field.codec.put(getattr(job, field.name))
            except Exception as error:  # noqa: BLE001 - as in encode
                misfit = beneath(f"{self.name}.{field.name}", error)
                raise UsageError(f"{misfit.path}: {misfit.reason}") from None
        raise UsageError(f"{self.name}: its fields changed while they were written")

    def _undecodable(self, fields: Mapping[str, str], error: Exception) -> UndecodableJob:
        """Find out which field it was; if each is right by itself, it is what the class says to all of them."""
        for field in self._fields:
            if field.name not in fields:
                if field.required:
                    return UndecodableJob("missing", path=field.name)
                continue
            try:
                field.codec.take(fields[field.name])
            except Exception as refused:  # noqa: BLE001 - as in decode
                misfit = beneath(field.name, refused)
                return UndecodableJob(misfit.reason, path=misfit.path)
        return UndecodableJob(describe(error), path=refused_field(error))


_made: dict[type[Job[object]], JobType[object]] = {}


def job_type(cls: type[Job[R]]) -> JobType[R]:
    """
    Return the codec of a class of jobs; the same one each time.

    Raises `UsageError` for a class that attrs has not made, or whose fields JSON cannot hold.
    """
    found = _made.get(cls)
    if found is None:
        _check(cls)
        found = _made.setdefault(cls, JobType(cls))
    # What is stored under a class was made from it.
    return cast("JobType[R]", found)


def _check(cls: object) -> None:
    name = getattr(cls, "__qualname__", repr(cls))
    if not (isinstance(cls, type) and issubclass(cls, Job)):
        raise UsageError(f"{name} is not a job: derive it from qw.Job")
    if cls is Job:
        raise UsageError("Job is the base of all jobs: queue one of a class of your own")
    if "__dataclass_fields__" in vars(cls):
        raise UsageError(f"{name} is a dataclass: qw's jobs are attrs classes, so put @attrs.frozen above it instead")
    # Asked of the class itself: one that only inherits from an attrs class loses its own annotations.
    if "__attrs_attrs__" not in vars(cls):
        raise UsageError(f"{name} is not an attrs class: put @attrs.frozen above it")


def _options_of(cls: type[Job[object]]) -> Options:
    # With an annotation it is a field, and on the class there is attrs' descriptor.
    options: object = getattr(cls, "options", None)
    if not isinstance(options, Options):
        raise UsageError(f"{cls.__qualname__}: write options = Options(…) without an annotation, and name no field so")
    return options


def _name_of(cls: type[Job[object]]) -> str:
    # Its own name only: a subclass that inherits the options is still another type.
    own: object = vars(cls).get("options")
    return (isinstance(own, Options) and own.name) or cls.__qualname__


def _fields_of(cls: type[Job[object]]) -> tuple[_Field, ...]:
    types = field_types(cls)
    return tuple(
        _Field(
            field.name,
            field.alias or field.name,
            field.default is attrs.NOTHING,
            RAW if types[field.name] is str else _codec(cls, field.name, types[field.name]),
        )
        for field in fields_of(cls)
        if field.init
    )


def _codec(cls: type, what: str, annotation: object) -> Codec:
    try:
        return json_codec(annotation)
    except Exception as error:  # noqa: BLE001 - cattrs raises what it likes for a type it does not know
        reason = describe(error)
    raise UsageError(f"{cls.__qualname__}: {what}: {reason}")
