"""The public names of qw: exactly these, sorted, and none of them loaded before it is used."""

from __future__ import annotations

import inspect
import json

import pytest

import qw
from qw import errors
from tests.support.programs import run_python

PUBLIC = [
    "AlreadyStartedException",
    "BadJSON",
    "BadName",
    "Bury",
    "Client",
    "CrashLoop",
    "EmbeddedError",
    "Job",
    "JobError",
    "JobFailed",
    "JobId",
    "Manager",
    "NotDurable",
    "NotStartedException",
    "Options",
    "PayloadTooLarge",
    "QueueUnsure",
    "QwError",
    "RedisRefused",
    "RedisTooOld",
    "RedisUnavailable",
    "ResultGone",
    "Retry",
    "TargetError",
    "TargetImportFailed",
    "TargetNotFound",
    "TargetSignatureError",
    "TimedOut",
    "UndecodableJob",
    "UnknownJob",
    "UnknownName",
    "UsageError",
    "Worker",
    "current_job",
]

# Prints which of the modules that cost time are loaded after a statement.
_LOADED = "import json, sys; print(json.dumps(sorted({'redis', 'multiprocessing', 'docopt'} & set(sys.modules))))"


def test_all_is_exactly_the_public_names() -> None:
    """A name becomes public, or stops to be, only on purpose."""
    assert list(qw.__all__) == PUBLIC


def test_every_error_is_public() -> None:
    """Whoever catches an error of qw finds it at the package's root."""
    defined = {
        name for name, value in vars(errors).items() if inspect.isclass(value) and value.__module__ == "qw.errors"
    }

    assert defined <= set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_there(name: str) -> None:
    """Each name can be had from the root, and is the same object as in its module."""
    value = getattr(qw, name)

    assert value is getattr(inspect.getmodule(value), name)


def test_dir_shows_the_public_names() -> None:
    """What is loaded late is seen all the same by whoever looks with `dir`."""
    assert set(PUBLIC) <= set(dir(qw))


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A name that is not there fails as in any module."""
    with pytest.raises(AttributeError, match="Jobs"):
        qw.Jobs  # type: ignore[attr-defined]  # noqa: B018  looking is what is tested


@pytest.mark.parametrize("statement", ["import qw", "from qw import Job, Options, current_job", "import qw.target"])
def test_importing_loads_no_redis(statement: str) -> None:
    """A slot, and a module that only defines jobs, does not pay for a Redis client."""
    done = run_python("-c", f"{statement}\n{_LOADED}")

    assert done.stderr == ""
    assert json.loads(done.stdout) == []
