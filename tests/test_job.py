"""Classes of jobs: which may be queued, how they become a hash and come back, and what a JobType tells."""

from __future__ import annotations

import datetime as dt
import pickle
from dataclasses import dataclass
from typing import TypeVar, cast

import attrs
import pytest
from attrs.validators import ge

from qw.errors import UndecodableJob, UsageError
from qw.job import Job, JobId, Options, job_type

T = TypeVar("T")


@attrs.frozen
class Thumbnail(Job["Later"]):
    """The example of the README, but that its result is defined further down."""

    path: str
    width: int = 128
    options = Options(name="thumb", result_ttl=60.0)


@attrs.frozen
class Keeps(Job[T]):
    """A generic base of jobs."""

    content: list[T]


@attrs.frozen
class Copied(Keeps["dt.date"]):
    """A job of that base."""

    path: str


@attrs.frozen
class Later:
    """A result."""

    width: int


class TestFields:
    """One hash field for each attrs field."""

    def test_str_as_it_is_and_the_rest_as_json(self) -> None:
        """Fields declared exactly `str` have no quotes; any other is JSON."""
        assert job_type(Thumbnail).encode(Thumbnail("/a b.png", 7)) == {"path": "/a b.png", "width": "7"}

    def test_what_redis_cli_writes(self) -> None:
        """`HSET job:x path /a width 128` makes a job, and qw needs nothing else of it."""
        assert job_type(Thumbnail).decode({"path": "/a", "width": " 128 "}) == Thumbnail("/a", 128)

    def test_two_versions_of_a_class(self) -> None:
        """A new field that has a default decodes from an old hash, and an unknown field is ignored."""
        assert job_type(Thumbnail).decode({"path": "/a", "colour": "red"}) == Thumbnail("/a", 128)

    def test_missing_field(self) -> None:
        """A field without a default has to be there."""
        with pytest.raises(UndecodableJob, match="path: missing"):
            job_type(Thumbnail).decode({"width": "1"})

    def test_a_job_of_no_fields(self) -> None:
        """A job may be nothing but its type."""

        @attrs.frozen
        class Ping(Job[None]):
            pass

        assert job_type(Ping).decode(job_type(Ping).encode(Ping())) == Ping()

    def test_a_job_of_another_class_is_refused(self) -> None:
        """A codec writes only what it can read."""
        with pytest.raises(UsageError, match="Copied is not a thumb"):
            job_type(Thumbnail).encode(Copied([], "/a"))


class TestAttrs:
    """What attrs can do, jobs can."""

    def test_aliases_keywords_and_fields_without_init(self) -> None:
        """The hash has the names of the fields; what `__init__` does not take is not stored."""

        @attrs.define(kw_only=True)
        class Upload(Job[None]):
            _source: str
            size: int = attrs.field(alias="length")
            tries: list[int] = attrs.field(init=False, factory=list)

        job = Upload(source="/a", length=3)

        assert job_type(Upload).encode(job) == {"_source": "/a", "size": "3"}
        assert job_type(Upload).decode({"_source": "/a", "size": "3"}) == job

    def test_a_field_named_as_its_type(self) -> None:
        """In `Later: Later` the second one is not the field."""

        @attrs.frozen
        class Shadow(Job[None]):
            Later: Later

        assert job_type(Shadow).decode({"Later": '{"width": 1}'}) == Shadow(Later(1))

    def test_the_class_refuses(self) -> None:
        """What a validator, a converter or the class itself refuses is told like any other misfit."""

        def odd(value: int) -> int:
            if value % 2 == 0:
                raise ValueError("even")
            return value

        @attrs.frozen
        class Checked(Job[None]):
            width: int = attrs.field(default=1, validator=ge(1))
            side: int = attrs.field(default=1, converter=odd)

            def __attrs_post_init__(self) -> None:
                if self.width > 9:
                    raise KeyError("too wide")

        def refusal(**fields: str) -> tuple[str, str]:
            with pytest.raises(UndecodableJob) as caught:
                job_type(Checked).decode(fields)
            return caught.value.path, caught.value.message

        assert refusal(width="0") == ("width", "width: 'width' must be >= 1: 0")
        assert refusal(side="2") == ("side", "side: even")
        assert refusal(width="10") == ("", "KeyError: too wide")

    def test_inheritance_and_generic_bases(self) -> None:
        """Inherited fields are read with what the subclass puts in the place of type variables."""
        job = Copied([dt.date(2020, 2, 29)], "/a")

        assert job_type(Copied).encode(job) == {"content": '["2020-02-29"]', "path": "/a"}
        assert job_type(Copied).decode(job_type(Copied).encode(job)) == job
        assert job_type(Copied).decode_result('"2020-02-29"') == dt.date(2020, 2, 29)

    def test_classes_that_attrs_has_not_made(self) -> None:
        """Those are refused with what to do: their fields would be lost without a word."""

        class Plain(Job[None]):
            path: str

        class Undecorated(Thumbnail):
            height: int = 0

        @dataclass
        class Data(Job[None]):
            path: str

        for cls, reason in (
            (Plain, "Plain is not an attrs class: put @attrs.frozen above it"),
            (Undecorated, "Undecorated is not an attrs class"),
            (Data, "Data is a dataclass"),
            (Job, "Job is the base of all jobs"),
            (cast("type[Job[object]]", str), "str is not a job"),
        ):
            with pytest.raises(UsageError, match=reason):
                job_type(cls)


class TestResults:
    """What the target returns, by the `R` of `Job[R]`."""

    def test_a_result_comes_back_as_what_it_was(self) -> None:
        """`R` may be named in a string, and be defined after the job."""
        codec = job_type(Thumbnail)

        assert codec.has_result
        assert codec.encode_result(Later(3)) == '{"width":3}'
        assert codec.decode_result('{"width":3}') == Later(3)

    def test_a_str_is_json_here(self) -> None:
        """What lies in `result:<id>` is always JSON."""

        @attrs.frozen
        class Shout(Job[str]):
            pass

        assert job_type(Shout).encode_result("a") == '"a"'
        assert job_type(Shout).decode_result('"a"') == "a"

    def test_no_result(self) -> None:
        """With `Job[None]`, or without any `R`, nothing is kept."""

        @attrs.frozen
        class Silent(Job[None]):
            pass

        @attrs.frozen
        class Bare(Job):  # type: ignore[type-arg]
            pass

        assert not job_type(Silent).has_result
        assert not job_type(Bare).has_result

    def test_a_result_of_another_type(self) -> None:
        """A target that returns something else has failed; so has a reader that expects something else."""
        with pytest.raises(UsageError, match=r"the result of thumb: expected Later, got the object \{\}"):
            job_type(Thumbnail).encode_result({})
        with pytest.raises(UndecodableJob, match=r"result\.width: missing"):
            job_type(Thumbnail).decode_result("{}")

    def test_a_type_of_result_that_is_not_there(self) -> None:
        """It is told at the first use of the class, with its name."""

        @attrs.frozen
        class Lost(Job["Nowhere"]):  # type: ignore[name-defined]
            pass

        with pytest.raises(UsageError, match=r"Lost: 'Nowhere' is not known in module tests\.test_job"):
            job_type(Lost)


class TestOptions:
    """How jobs of a class are run."""

    def test_names(self) -> None:
        """`qw:type` is the qualified name, or what the class itself says; a subclass is another type."""

        @attrs.frozen
        class Larger(Thumbnail):
            pass

        assert job_type(Copied).name == "Copied"
        assert job_type(Thumbnail).name == "thumb"
        assert job_type(Larger).name == "TestOptions.test_names.<locals>.Larger"
        assert job_type(Larger).options.result_ttl == 60.0

    def test_values_that_cannot_be(self) -> None:
        """Mistakes are found where they are made."""
        for name, seconds in (("", 1.0), ("a\nb", 1.0), ("a", 0.0), ("a", float("inf"))):
            with pytest.raises(UsageError, match=r"Options\("):
                Options(name=name, result_ttl=seconds)

    def test_options_that_are_a_field(self) -> None:
        """With an annotation attrs makes a field of them: refused."""

        @attrs.frozen
        class Slip(Job[None]):
            options: Options = Options()

        with pytest.raises(UsageError, match="without an annotation"):
            job_type(Slip)


class TestJobType:
    """The codec of one class."""

    def test_there_is_one(self) -> None:
        """It is made once, and is the same one on the other side of a pickle."""
        codec = job_type(Thumbnail)

        assert job_type(Thumbnail) is codec
        assert pickle.loads(pickle.dumps(codec)) is codec  # noqa: S301 - of our own making
        assert repr(codec) == "<JobType thumb>"

    def test_which_fields_are_stored_as_they_are(self) -> None:
        """Whoever writes fields by hand can ask."""
        assert job_type(Thumbnail).field_names == ("path", "width")
        assert job_type(Thumbnail).raw_names == {"path"}


def test_an_id_is_a_str_that_knows_its_class() -> None:
    """Equal to the plain text, and it forgets the class when it is pickled."""
    job_id = JobId("a-b", job_type(Thumbnail))

    back = pickle.loads(pickle.dumps(job_id))  # noqa: S301 - of our own making

    assert (job_id, repr(job_id), hash(job_id)) == ("a-b", "'a-b'", hash("a-b"))
    assert job_id.job_type is job_type(Thumbnail)
    assert (type(back), back, back.job_type) == (JobId, "a-b", None)
