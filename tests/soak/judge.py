"""
Whether something grows: pure functions of what was measured.

    ├─ warm-up ─┼─────────────── judged ───────────────┤
    0 %        20 %   2nd quarter: early    4th: late 100 %

Memory is never quite still, so it may move a little; a descriptor or a thread more is one too many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import linear_regression, median
from typing import Final

import attrs

from tests.soak.samples import Point, Quantity

MIB: Final = 2**20

#: The share of a run in which whatever there is may grow: caches fill, modules are imported, arenas find their size.
WARM_UP: Final = 0.2

#: Jobs for which growth is told, and bytes that memory may grow in so many, along the line that fits best.
PER: Final = 250_000
MOST_GROWTH: Final = MIB
#: What the line must rise by in all before its slope says anything: a short run sees only noise.
LEAST_RISE: Final = MIB
#: From the second quarter of a run to the last one the median may move by this share, or by so many bytes.
MOST_SHARE: Final = 0.05
MOST_SHIFT: Final = 2 * MIB


@attrs.frozen
class Finding:
    """What became of one quantity."""

    quantity: Quantity
    #: Medians of the second quarter of the run and of the last one; of memory in bytes.
    early: float
    late: float
    #: Along the line that fits best, for `PER` jobs.
    growth: float
    #: What is wrong; empty when nothing is.
    wrong: str = ""


def judge(series: Mapping[Quantity, Sequence[Point]]) -> list[Finding]:
    """Return what became of each quantity, sorted by whose it is."""
    return [judge_one(quantity, points) for quantity, points in sorted(series.items())]


def judge_one(quantity: Quantity, points: Sequence[Point]) -> Finding:
    """Return what became of one quantity; the points stand in the order of the looks."""
    settled = after_warm_up(points)
    quarter = max(1, len(points) // 4)
    early, late = (median(value for _, value in part) for part in (points[quarter : 2 * quarter], points[-quarter:]))
    growth = slope(settled) * PER
    if quantity.what == "memory":
        wrong = _memory(growth, early, late, settled)
    else:
        # How full Redis is depends on who was faster just then, producer or workers.
        wrong = "" if quantity.what == "full" else _constant(settled)
    return Finding(quantity, early, late, growth, wrong)


def judge_empty(before: float, after: float, jobs: int) -> Finding:
    """Return what became of the memory of a Redis that holds no job, from before the first one to after the last."""
    grown = after - before
    wrong = f"has grown by {grown / MIB:.2f} MiB" if grown > MOST_SHIFT else ""
    return Finding(Quantity("Redis", "empty"), before, after, grown * PER / jobs, wrong)


def after_warm_up(points: Sequence[Point]) -> Sequence[Point]:
    """Return the points that count; raises `ValueError` when they are too few to say anything."""
    settled = points[int(len(points) * WARM_UP) :]
    if len(settled) < 4:
        raise ValueError(f"{len(points)} looks are too few to tell what grows")
    return settled


def slope(points: Sequence[Point]) -> float:
    """Return by how much the values rise with a job, along the line that fits them best."""
    jobs, values = zip(*points, strict=True)
    return linear_regression(jobs, values).slope


def _memory(growth: float, early: float, late: float, settled: Sequence[Point]) -> str:
    rise = growth * (settled[-1][0] - settled[0][0]) / PER
    if growth > MOST_GROWTH and rise > LEAST_RISE:
        return f"grows by {growth / MIB:.2f} MiB in {PER:,} jobs"
    if late - early > max(MOST_SHIFT, MOST_SHARE * early):
        return f"has grown by {(late - early) / MIB:.2f} MiB"
    return ""


def _constant(settled: Sequence[Point]) -> str:
    values = [int(value) for _, value in settled]
    return f"from {min(values)} to {max(values)}" if len(set(values)) > 1 else ""
