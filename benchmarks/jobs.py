"""The jobs that benchmarks queue, of three short fields each, and the targets that take them."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from benchmarks import work
from qw.job import Job


@attrs.frozen
class Thumbnail(Job[None]):
    """A job with a field that is stored as it is, one that is JSON, and one that mostly has its default."""

    path: str
    width: int
    style: str = "plain"


def typed(count: int) -> Iterator[Thumbnail]:
    """Yield jobs as a typed producer makes them."""
    return (Thumbnail(f"/images/{number}.png", number) for number in range(count))


def mappings(count: int) -> Iterator[dict[str, str | int]]:
    """Yield the same jobs as qw 0.1.1 takes them."""
    return ({"path": f"/images/{number}.png", "width": number, "style": "plain"} for number in range(count))


def run_typed(job: Thumbnail) -> None:
    """Do nothing with a decoded job."""


def run_mapping(job_id: str, job_data: dict[str, str]) -> None:
    """Do nothing with the fields of a job."""


@attrs.frozen
class Numbered(Job[None]):
    """A job that writes down when it ran, under its number."""

    path: str
    number: int
    style: str = "plain"


def numbered(count: int, style: str = "plain") -> Iterator[Numbered]:
    """Yield jobs that are numbered from 0."""
    return (Numbered(f"/images/{number}.png", number, style) for number in range(count))


def do_nothing(job: Numbered) -> None:
    """Write down that it ran."""
    work.nothing(job.number)


def do_wait(job: Numbered) -> None:
    """Wait for 10 ms."""
    work.wait(job.number)


async def do_wait_async(job: Numbered) -> None:
    """Wait for 10 ms, as a task."""
    await work.wait_async(job.number)


def do_spin(job: Numbered) -> None:
    """Compute for 10 ms."""
    work.spin(job.number)


def do_as_told(job: Numbered) -> None:
    """Wait for as many seconds as `style` says."""
    work.wait(job.number, float(job.style))


def run_numbered_mapping(_job_id: str, job_data: dict[str, str]) -> None:
    """Write down that it ran, as a target without types does."""
    work.nothing(int(job_data["number"]))
