"""
From a string to what it names: modules are imported, and the three ways in which that goes wrong are told apart.

    app.tsks:resize     there is no module app.tsks; did you mean app.tasks?   TargetNotFound
    app.tasks:resise    app.tasks has no resise; did you mean resize?          TargetNotFound
    app.tasks:resize    app.tasks imports requests, which is not there         TargetImportFailed
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import os
import pkgutil
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from qw.errors import TargetImportFailed, TargetNotFound, TargetSignatureError
from qw.job import JobType, job_type
from qw.logs import safe
from qw.target._signature import is_job

# Frames below these are the way to the target's module, not the target's own.
_OURS = (str(Path(__file__).parent), importlib.__file__, "<frozen importlib")


def load_object(spec: str) -> tuple[object, str]:
    """
    Return what `pkg.mod:f` or `pkg.mod.f` names, and its name as `pkg.mod:f`; the working directory is looked in too.

    Raises `TargetNotFound`, or `TargetImportFailed` when a module of it raised while it was imported.
    """
    path, colon, attributes = spec.partition(":")
    parts = path.split(".")
    names = attributes.split(".") if colon else []
    if not all(name.isidentifier() for name in parts + names) or len(parts) + len(names) < 2:
        raise TargetNotFound(f"target {spec!r}: write pkg.mod:function or pkg.mod.function")
    _look_in_working_directory()
    if colon:
        return _walk(import_module(path), names)
    return _load_dotted(parts)


def find_job_types(module_name: str) -> dict[str, JobType[object]]:
    """
    Return the types of the jobs that are defined in a module, or imported into it, by name.

    Raises as `load_object` does, `TargetSignatureError` when two have one name, and `UsageError` for
    a class that cannot be queued.
    """
    if not all(name.isidentifier() for name in module_name.split(".")):
        raise TargetNotFound(f"module {module_name!r}: write the name of a module, such as app.jobs")
    _look_in_working_directory()
    values = vars(import_module(module_name)).values()
    # A base that attrs has not made only bears what others share.
    return by_name(job_type(value) for value in values if is_job(value) and "__attrs_attrs__" in vars(value))


def by_name(types: Iterable[JobType[object]]) -> dict[str, JobType[object]]:
    """Return types of jobs by what `qw:type` says; raises `TargetSignatureError` when two say the same."""
    found: dict[str, JobType[object]] = {}
    for one in types:
        other = found.setdefault(one.name, one)
        if other is not one:
            raise TargetSignatureError(
                f"{_place(other.cls)} and {_place(one.cls)} are both named {one.name!r}: "
                "give one of them options = Options(name=…)"
            )
    return found


def import_module(name: str) -> ModuleType:
    """Import a module; raises `TargetNotFound` or `TargetImportFailed`."""
    try:
        return importlib.import_module(name)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - a module may do anything, sys.exit() too
        own = _own_traceback(error)
        if isinstance(error, ModuleNotFoundError) and not own:
            raise TargetNotFound(_no_module(name, error.name or name)) from None
        reason = safe(f"{type(error).__name__}: {error}")
        raise TargetImportFailed(f"{name} raised while being imported: {reason}", traceback=own) from None


def _place(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _look_in_working_directory() -> None:
    """Put the working directory on `sys.path`, for good: slots import lazily. A console script has it not."""
    try:
        here = os.getcwd()  # noqa: PTH109 - sys.path holds strings
    except FileNotFoundError:
        return
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)


def _load_dotted(parts: list[str]) -> tuple[object, str]:
    """Take as many parts as name a module; the rest are attributes, such as a method of a class."""
    not_found: TargetNotFound | None = None
    for size in range(len(parts) - 1, 0, -1):
        try:
            module = import_module(".".join(parts[:size]))
        except TargetNotFound as error:
            not_found = not_found or error
            continue
        # What is neither a module nor an attribute was most likely meant to be a module.
        if not_found is not None and not hasattr(module, parts[size]):
            break
        return _walk(module, parts[size:])
    raise not_found or TargetNotFound()


def _walk(module: ModuleType, names: list[str]) -> tuple[object, str]:
    found: object = module
    place = module.__name__
    if len(names) == 1 and _is_submodule(module, names[0]):
        raise TargetNotFound(f"{place}.{names[0]} is a module: write {place}.{names[0]}:function")
    for name in names:
        if not hasattr(found, name):
            raise TargetNotFound(f"{place} has no {name!r}{_near(name, _callables(found))}")
        found = getattr(found, name)
        place = f"{place}.{name}"
    return found, f"{module.__name__}:{'.'.join(names)}"


def _is_submodule(module: ModuleType, name: str) -> bool:
    """Whether a package has a module of that name, imported or not, and nothing else."""
    if hasattr(module, name):
        return isinstance(getattr(module, name), ModuleType)
    return hasattr(module, "__path__") and importlib.util.find_spec(f"{module.__name__}.{name}") is not None


def _callables(thing: object) -> list[str]:
    return [name for name in dir(thing) if not name.startswith("__") and callable(getattr(thing, name, None))]


def _no_module(name: str, missing: str) -> str:
    parent, _, last = missing.rpartition(".")
    near = _near(last, _modules_beside(parent), parent + "." if parent else "")
    if parent and not hasattr(sys.modules.get(parent), "__path__"):
        return f"there is no module {name!r}: {parent!r} is a module, not a package"
    return f"there is no module {missing!r}{near}{_where(parent)}"


def _where(parent: str) -> str:
    return "" if parent else "; looked in the working directory and where Python looks"


def _modules_beside(parent: str) -> list[str]:
    """Return the names of modules in a package, or in the working directory."""
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else [os.curdir]
    return [module.name for module in pkgutil.iter_modules(path)]


def _near(name: str, candidates: Iterable[str], prefix: str = "") -> str:
    close = difflib.get_close_matches(name, candidates, n=1)
    return f"; did you mean {prefix}{close[0]}?" if close else ""


def _own_traceback(error: BaseException) -> str:
    """Return the traceback without the frames of qw and importlib; empty when there were no others."""
    report = traceback.TracebackException.from_exception(error)
    own = _trim(report)
    return "".join(report.format()) if own or isinstance(error, SyntaxError) else ""


def _trim(report: traceback.TracebackException) -> bool:
    """Take our frames out of a report, and out of what it was raised from; tell whether any are left at the top."""
    own = [frame for frame in report.stack if not frame.filename.startswith(_OURS)]
    report.stack = traceback.StackSummary.from_list(own)
    for earlier in (report.__cause__, report.__context__):
        if earlier is not None:
            _trim(earlier)
    return bool(own)
