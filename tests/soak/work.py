"""What a soak works on: jobs of each kind of ending, none of which takes any time, and how many there are of each."""

from __future__ import annotations

from typing import Final

import attrs

from qw.errors import Bury
from qw.job import Job, Options, current_job

#: Seconds for which results are kept: shorter than a run, so that they come and go while it lasts.
RESULT_TTL: Final = 1.0

#: Of a hundred jobs so many return something, raise on their first try, and ask to be buried; the rest do nothing.
RESULTS, FLAKY, DOOMED = 5, 2, 1


@attrs.frozen
class Nothing(Job[None]):
    """Do nothing."""

    path: str
    width: int
    options = Options(name="soak.Nothing", result_ttl=RESULT_TTL)


@attrs.frozen
class Count(Job[int]):
    """Return the number after this one."""

    number: int
    options = Options(name="soak.Count", result_ttl=RESULT_TTL)


@attrs.frozen
class Flaky(Job[None]):
    """Raise on the first try, and do nothing on the next."""

    why: str
    options = Options(name="soak.Flaky", result_ttl=RESULT_TTL, retries=3, backoff=0.2)


@attrs.frozen
class Doomed(Job[None]):
    """Ask to be buried."""

    why: str
    options = Options(name="soak.Doomed", result_ttl=RESULT_TTL)


AnyJob = Nothing | Count | Flaky | Doomed


def work(job: Nothing | Count | Flaky | Doomed) -> int | None:
    """Do what the class of the job says: the target."""
    if isinstance(job, Count):
        return job.number + 1
    if isinstance(job, Flaky) and current_job().attempt == 1:
        raise ValueError(job.why)
    if isinstance(job, Doomed):
        raise Bury(job.why)
    return None


def job_of(number: int) -> AnyJob:
    """Return the job of this number; each hundred holds the same ones."""
    place = number % 100
    if place < RESULTS:
        return Count(number)
    if place < RESULTS + FLAKY:
        return Flaky(f"the first try of {number} is to fail")
    if place < RESULTS + FLAKY + DOOMED:
        return Doomed(f"{number} is to be buried")
    return Nothing(f"/images/{number}.png", number)
