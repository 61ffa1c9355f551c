"""Typed jobs of what `qw-client` reads: each field is checked against the class before anything is queued."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TYPE_CHECKING

from qw.commands.intake import Number, Object, check_text, plain, to_json
from qw.errors import BadJSON, UndecodableJob, UnknownName, UsageError
from qw.logs import safe

if TYPE_CHECKING:
    from qw.commands.queueing import Make
    from qw.job import Job, JobType


def maker(type_name: str | None, module: str | None) -> Make:
    """
    Return what makes a job of an object: a typed one of the type that `module` defines, without both a plain one.

    Raises `UsageError` when only one is given, `UnknownName` for a type that the module has not, and `TargetError`
    for a module that cannot be imported.
    """
    if type_name is None and module is None:
        return plain
    if type_name is None or module is None:
        raise UsageError("--app needs --type=<name>" if type_name is None else "--type needs --app=<module>")
    from qw.target import find_job_types

    types = find_job_types(module)
    if type_name not in types:
        raise UnknownName(f"{module} has no job type '{safe(type_name)}'{_near(type_name, types)}")
    return Typed(types[type_name])


class Typed:
    """Makes jobs of one type."""

    def __init__(self, job_type: JobType[object]) -> None:
        self._type = job_type

    def __call__(self, value: Object) -> Job[object]:
        """
        Return the job that an object describes; a field that has a default may be missing.

        Raises `BadJSON` for a field that the class has not: it would be lost without a word. Raises `UndecodableJob`
        with the path of what does not fit.
        """
        for name in value:
            if name not in self._type.field_names:
                raise BadJSON(f"{name}: {self._type.name} has no such field{_near(name, self._type.field_names)}")
        return self._type.decode({name: self._text(name, item) for name, item in value.items()})

    def _text(self, name: str, item: object) -> str:
        if name not in self._type.raw_names:
            return to_json(item)
        if not isinstance(item, str) or isinstance(item, Number):
            raise UndecodableJob(f"expected a string, got {to_json(item)}", path=name)
        check_text(name, item)
        return item


def _near(name: str, names: Iterable[str]) -> str:
    known = list(names)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; there is {', '.join(sorted(known)[:10])}" if known else ""
