"""Targets: each form that one may have, and the arguments it is called with."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar, Union

import attrs
import pytest

from qw.errors import UndecodableJob
from qw.job import Job, job_type
from qw.target import Target

if TYPE_CHECKING:
    from decimal import Decimal as Unknown

T = TypeVar("T")
Data = dict[str, str]


@attrs.frozen
class Thumbnail(Job[int]):
    """A job with a result."""

    path: str
    width: int = 128


@attrs.frozen
class Mail(Job[None]):
    """A job without one."""

    to: str


def plain(job_id: str, job_data: Data) -> str:
    """Take the form of the seed."""
    return f"{job_id} {job_data}"


def plain_unannotated(job_id, job_data):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201 - as in the seed
    """Take the form of the seed, as in the seed."""


def plain_for_type_checkers(job_id: Unknown, job_data: Unknown) -> Unknown:
    """Take the form of the seed, with annotations that mean nothing at run time."""
    raise NotImplementedError


def plain_with_more(job_id: str, job_data: Data | None = None, retries: int = 3) -> None:
    """Take more than qw gives."""


def plain_all(*args: object) -> None:
    """Take anything."""


def one(job: Thumbnail) -> int:
    """Take one type."""
    return job.width


def one_with_more(job: Thumbnail, *, verbose: bool = False) -> int:
    """Take one type, and what qw does not give."""
    return job.width


async def later(job: Thumbnail) -> int:
    """Take one type, and time."""
    return job.width


def either(job: Thumbnail | Mail) -> int:
    """Take two types."""
    return 0


def either_as_of_old(job: Union[Thumbnail, Mail]) -> int:  # noqa: UP007 - the older form is what is tested
    """Take two types."""
    return 0


@functools.singledispatch
def routed(job: Job[object]) -> object:
    """Take what is registered."""
    raise NotImplementedError


@routed.register
def _(job: Thumbnail) -> int:
    return job.width


@routed.register
def _(job: Mail) -> None:
    """Take the other."""


class Handler:
    """Something with a target in it, and one itself."""

    def handle(self, job: Mail) -> None:
        """Take one type."""

    def __call__(self, job: Thumbnail) -> int:
        """Take another."""
        return job.width

    @staticmethod
    def static(job: Mail) -> None:
        """Take one type."""


def wrapped(function: Callable[..., T]) -> Callable[..., T]:
    """Decorate, as decorators do."""

    @functools.wraps(function)
    def wrapper(*args: object) -> T:
        return function(*args)

    return wrapper


HANDLER = Handler()
HERE = "tests.test_target"


@pytest.mark.parametrize(
    ("target", "name", "types"),
    [
        (plain, "plain", ()),
        (plain_unannotated, "plain_unannotated", ()),
        (plain_for_type_checkers, "plain_for_type_checkers", ()),
        (plain_with_more, "plain_with_more", ()),
        (plain_all, "plain_all", ()),
        (one, "one", (Thumbnail,)),
        (one_with_more, "one_with_more", (Thumbnail,)),
        (later, "later", (Thumbnail,)),
        (either, "either", (Thumbnail, Mail)),
        (either_as_of_old, "either_as_of_old", (Thumbnail, Mail)),
        (routed, "routed", (Thumbnail, Mail)),
        (HANDLER.handle, "Handler.handle", (Mail,)),
        (HANDLER, "Handler", (Thumbnail,)),
        (functools.partial(plain_with_more, retries=1), "plain_with_more", ()),
        (functools.partial(HANDLER.handle), "Handler.handle", (Mail,)),
        (wrapped(one), "one", (Thumbnail,)),
        (functools.cache(one), "one", (Thumbnail,)),
        (functools.partial(functools.cache(one)), "one", (Thumbnail,)),
        (f"{HERE}:one", "one", (Thumbnail,)),
        (f"{HERE}.one", "one", (Thumbnail,)),
        (f"{HERE}.Handler.static", "Handler.static", (Mail,)),
        (f"{HERE}:HANDLER.handle", "HANDLER.handle", (Mail,)),
    ],
)
def test_forms(target: object, name: str, types: tuple[type[Job[object]], ...]) -> None:
    """Each form says what it takes, and has a name."""
    loaded = Target.load(target)

    assert loaded.name == f"{HERE}:{name}"
    assert repr(loaded) == f"<Target {HERE}:{name}>"
    assert loaded.types == tuple(job_type(cls) for cls in types)
    assert loaded.plain == (not types)
    assert loaded.is_async == (target is later)
    assert Target.load(loaded) is loaded


class TestDecode:
    """The arguments for one call, and whose result is kept."""

    def test_plain(self) -> None:
        """The seed's form gets every job as it stands, and keeps no result."""
        assert Target.load(plain).decode("a", {"qw:type": "Whatever", "x": "\udcff"}) == (("a", {"x": "\udcff"}), None)

    def test_by_name(self) -> None:
        """The type is looked up among those the target takes; it tells how a result is written, and the options."""
        target = Target.load(either)

        assert target.decode("a", {"qw:type": "Thumbnail", "path": "/a"}) == ((Thumbnail("/a"),), job_type(Thumbnail))
        assert target.decode("a", {"qw:type": "Mail", "to": "b"}) == ((Mail("b"),), job_type(Mail))

    def test_without_a_name(self) -> None:
        """A job without `qw:type` is of the one type there is; with two it might be either."""
        assert Target.load(one).decode("a", {"path": "/a"}) == ((Thumbnail("/a"),), job_type(Thumbnail))
        with pytest.raises(UndecodableJob, match=r"a job without qw:type: target .*either takes Thumbnail, Mail"):
            Target.load(either).decode("a", {"path": "/a"})

    def test_unknown_name(self) -> None:
        """A name out of Redis is never imported, and never shown as it came."""
        with pytest.raises(UndecodableJob) as caught:
            Target.load(one).decode("a", {"qw:type": "os.system\x1b", "path": "/a"})

        assert caught.value.message == f"no job type 'os.system\\x1b': target {HERE}:one takes Thumbnail"

    def test_routing(self) -> None:
        """The registry of a singledispatch function routes what is decoded."""
        target = Target.load(routed)
        arguments, _ = target.decode("a", {"qw:type": "Thumbnail", "path": "/a", "width": "7"})

        assert target.function(*arguments) == 7


def test_it_crosses_to_another_process() -> None:
    """As a string when it was given as one, else as pickle carries functions."""
    by_name = Target.load(f"{HERE}.HANDLER.handle")

    back = pickle.loads(pickle.dumps(by_name))  # noqa: S301 - of our own making

    assert by_name.__reduce__() == (Target.load, (f"{HERE}:HANDLER.handle",))
    assert (back.name, back.types) == (by_name.name, by_name.types)
    assert pickle.loads(pickle.dumps(Target.load(either))).function is either  # noqa: S301 - as above
