"""
What a type checker makes of the public names; checked, never run.

A line that mypy is told to ignore is a mistake of a user's. `warn_unused_ignores` makes it an error
if that mistake ever passes.
"""

from __future__ import annotations

import functools

import attrs
from typing_extensions import assert_type

from qw import Client, Job, JobId, Manager, Options, Worker, current_job


@attrs.frozen
class Size:
    """A result."""

    width: int
    height: int


@attrs.frozen
class Thumbnail(Job[Size]):
    """A job with a result."""

    path: str
    width: int = 128
    options = Options(name="thumb", result_ttl=60.0)


@attrs.frozen
class Mail(Job[None]):
    """A job without one."""

    to: str


# -- A producer --------------------------------------------------------------------------------------------------------


def produce(client: Client) -> None:
    """Queue typed and plain jobs: the id carries the type of the result."""
    job_id = client.queue_job(Thumbnail("/a.png"))
    assert_type(job_id, JobId[Size])
    assert_type(client.queue_job(Thumbnail("/a.png", 64), manager="web", id="a"), JobId[Size])
    assert_type(client.queue_job(Mail("me")), JobId[None])
    assert_type(client.queue_job({"path": "/a.png"}), JobId[None])
    assert_type(client.queue_jobs([Thumbnail("/a"), Thumbnail("/b")]), list[JobId[Size]])
    assert_type(client.queue_job(Thumbnail("/a.png"), durable=True, delay=1.5), JobId[Size])
    assert_type(client.requeue_dead_jobs(client.get_dead_jobs()), list[bool])
    assert_type(client.delete_dead_job(job_id), bool)
    text: str = job_id
    print(text.upper())  # noqa: T201 - a JobId is a str

    Thumbnail(path=3)  # type: ignore[arg-type]
    Thumbnail()  # type: ignore[call-arg]
    Thumbnail("/a", widht=1)  # type: ignore[call-arg]
    Options("thumb")  # type: ignore[call-arg]
    Options(result_ttl="60")  # type: ignore[arg-type]
    client.queue_job("/a.png")  # type: ignore[call-overload]
    client.queue_job(Size(1, 2))  # type: ignore[call-overload]
    client.queue_job(Thumbnail)  # type: ignore[call-overload]
    client.queue_job(Thumbnail("/a"), durable=2)  # type: ignore[call-overload]


def wait(client: Client, job_id: JobId[Size], plain: str) -> int:
    """Wait for results: each comes in its type."""
    size = client.wait_job(job_id, timeout=10)
    assert_type(size, Size)
    assert_type(client.wait_job(plain), object)
    assert_type(client.wait_jobs([job_id, job_id]), list[Size])

    size.depth  # type: ignore[attr-defined]  # noqa: B018 - looking is the mistake
    client.wait_job(3)  # type: ignore[call-overload]
    number: int = client.wait_job(job_id)  # type: ignore[assignment]
    return size.width + number


def hand_on(job_id: JobId[Size]) -> JobId[object]:
    """Every id is one of an `object`, but not of something else: `R` is covariant."""
    other: JobId[str] = job_id  # type: ignore[assignment]
    return JobId(other) if other else job_id


# -- Targets -----------------------------------------------------------------------------------------------------------


def plain(job_id: str, job_data: dict[str, str]) -> None:
    """Take the form of the seed."""


def thumbnail(job: Thumbnail) -> Size:
    """Take one type of job."""
    job.widht  # type: ignore[attr-defined]  # noqa: B018 - as above
    job.path = "/b"  # type: ignore[misc]
    return Size(job.width, current_job().attempt)


async def later(job: Thumbnail) -> Size:
    """Take one type of job, and time."""
    return Size(job.width, job.width)


def either(job: Thumbnail | Mail) -> Size | None:
    """Take two types of job."""
    job.path  # type: ignore[union-attr]  # noqa: B018 - as above
    return Size(job.width, 1) if isinstance(job, Thumbnail) else None


@functools.singledispatch
def routed(job: Job[object]) -> object:
    """Take whatever is registered."""
    raise NotImplementedError


@routed.register
def _(job: Mail) -> None:
    job.width  # type: ignore[attr-defined]  # noqa: B018 - as above


class Handler:
    """Something that can be called."""

    def __call__(self, job: Mail) -> None:
        """Take one type of job."""


def three(a: str, b: str, c: str) -> None:
    """Take too much."""


def number(job: int) -> None:
    """Take something else."""


def run(client: Client) -> None:
    """Run each form, and none that is none."""
    Manager(plain)
    Manager(thumbnail)
    Manager(later)
    Manager(either)
    Manager(routed)
    Manager(Handler())
    with Manager("app.tasks:thumbnail", "redis.example.org", num_workers=4, name="web") as manager:
        manager.join()
    Worker(client, thumbnail, manager_name="web").start()

    Manager(three)  # type: ignore[arg-type]
    Manager(number)  # type: ignore[type-var]
    Manager(3)  # type: ignore[arg-type]
    Manager(plain, mode="tasks")  # type: ignore[arg-type]
    Manager(plain, workers=4)  # type: ignore[call-arg]
    Worker("localhost", plain)  # type: ignore[arg-type]
    thumbnail(Mail("me"))  # type: ignore[arg-type]


# -- The public names --------------------------------------------------------------------------------------------------


def no_other_names() -> None:
    """Find no names but the public ones, each with its type, though all are loaded late."""
    import qw

    assert_type(qw.Options().result_ttl, float)
    qw.Jobs  # type: ignore[attr-defined]  # noqa: B018 - as above
