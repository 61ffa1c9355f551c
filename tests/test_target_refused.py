"""Targets that qw cannot call: each is refused with what it may look like."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs
import pytest

from qw.errors import TargetSignatureError
from qw.job import Job, Options
from qw.target import Target
from tests.test_target import Mail, Thumbnail

if TYPE_CHECKING:
    from decimal import Decimal as Unknown

T = TypeVar("T")
HERE = "tests.test_target_refused"
NOT_CALLABLE = 3


@attrs.frozen
class Namesake(Job[None]):
    """A job that goes by the name of another."""

    options = Options(name="Mail")


@attrs.frozen
class Store(Job[T]):
    """A generic job."""

    content: T


class Undecorated(Job[None]):
    """A job that attrs has not made."""


def three(a: str, b: str, c: str) -> None:
    """Take too much."""


def none() -> None:
    """Take nothing."""


def by_keyword(job_id: str, job_data: dict[str, str], *, queue: str) -> None:
    """Take what qw does not give."""


def unannotated(job):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - what is tested
    """Leave open what it takes."""


def number(job: int) -> None:
    """Take something else."""


def job_and_more(job: Mail, extra: str) -> None:
    """Take a job, and what qw does not give."""


def optional(job: Mail | None) -> None:
    """Take a job or none."""


def any_job(job: Job[object]) -> None:
    """Take any job."""


def parametrized(job: Store[int]) -> None:
    """Take a job that does not know its own fields."""


def undecorated(job: Undecorated) -> None:
    """Take what cannot be decoded."""


def unknown(job: Unknown) -> None:
    """Take what is not there at run time."""


def namesakes(job: Mail | Namesake) -> None:
    """Take two types that look the same in Redis."""


def generator(job: Mail) -> Iterator[int]:
    """Yield."""
    yield 1


@functools.singledispatch
def unregistered(job: Job[object]) -> None:
    """Take what is registered: nothing."""


@functools.singledispatch
def mixed(job: object) -> Any:
    """Take what is registered."""


@mixed.register
async def _(job: Mail) -> None:
    """Be awaited, unlike the others."""


class Methods(Generic[T]):
    """A class with a dispatching method."""

    @functools.singledispatchmethod
    def dispatching(self, job: Job[object]) -> None:
        """Take what is registered with the class."""


FORMS = "write f(job_id, job_data), or f(job: SomeJob)"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (three, f"target {HERE}:three(a, b, c) takes 3 arguments: {FORMS}"),
        (none, f"target {HERE}:none() takes 0 arguments: {FORMS}"),
        (by_keyword, f"by_keyword(job_id, job_data, queue) needs an argument by keyword: {FORMS}"),
        (unannotated, f"unannotated(job) does not say which job it takes: {FORMS}"),
        (number, f"number(job) takes int, which is not a job: {FORMS}"),
        (job_and_more, f"job_and_more(job, extra) takes a job and more: {FORMS}"),
        (optional, "optional(job) takes NoneType, which is not a class of jobs"),
        (any_job, "any_job(job) takes any job: name those it takes, f(job: A | B), or use functools.singledispatch"),
        (parametrized, "takes tests.test_target_refused.Store[int], which is not a class of jobs"),
        (undecorated, "Undecorated is not an attrs class: put @attrs.frozen above it"),
        (unknown, "unknown(job): 'Unknown' in its annotation is not known"),
        (namesakes, "tests.test_target.Mail and tests.test_target_refused.Namesake are both named 'Mail'"),
        (generator, "generator yields"),
        (unregistered, "unregistered has no job registered: put @unregistered.register above an f(job: SomeJob)"),
        (mixed, "mixed has implementations with async def and with def"),
        (Methods[int]().dispatching, "dispatching is a singledispatchmethod"),
        (Thumbnail, "Thumbnail is a job, not what runs it"),
        (type, "does not tell what it takes"),
        (f"{HERE}:NOT_CALLABLE", f"target {HERE}:NOT_CALLABLE is not callable, but of type int"),
        (3, "target 3 is not callable, but of type int"),
    ],
)
def test_what_qw_cannot_call(target: object, reason: str) -> None:
    """It is refused with what it may look like."""
    with pytest.raises(TargetSignatureError) as caught:
        Target.load(target)

    assert reason in caught.value.message
