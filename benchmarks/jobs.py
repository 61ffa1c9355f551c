"""The job that every benchmark queues, three short fields that nobody works on, and the targets that take it."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

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
