"""
Who waits for nothing: from when each job began and ended, and from what each slot was given.

    given ──── in the slot, behind another ──── began ──── ended
    given ──── in the slot, behind another ──── taken back            and given to one that may be free

A slot is free when it neither runs a job nor has been given one.
"""

from __future__ import annotations

from bisect import bisect
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

from benchmarks.handed import Event
from benchmarks.ledger import Mark

#: From when to when, in seconds.
Span = tuple[float, float]


class Stay(NamedTuple):
    """From when to when (s) a job was in a worker's slot and had not begun."""

    worker: str
    since: float
    until: float


def longest_idle(marks: Sequence[Mark], began: float, slots: int) -> float:
    """Return for how long (s) at most one of so many slots ran nothing while there were jobs that had not begun."""
    last_begin = max(mark.began for mark in marks)
    of_slots: dict[int, list[Span]] = defaultdict(list)
    for mark in marks:
        of_slots[mark.who].append((mark.began, mark.ended))
    return max((end - start for start, end in _free(of_slots.values(), slots, began, last_begin)), default=0.0)


def longest_behind(marks: Sequence[Mark], events: Iterable[Event], began: float, slots: int) -> float:
    """
    Return for how long (s) at most a job was in one of so many slots without having begun while another was free.

    Now one, now the other: a wait goes on for as long as any of them is. Raises `RuntimeError` unless events say of
    each job which slot it was given to last.
    """
    by_number = {mark.number: mark for mark in marks}
    stays, holders = _stays(events, by_number)
    if holders.keys() != by_number.keys():
        raise RuntimeError(f"of {len(by_number):,} jobs {len(holders):,} are known to have been in a slot")
    taken: dict[str, list[Span]] = defaultdict(list)
    for stay in stays:
        taken[stay.worker].append((stay.since, stay.until))
    for number, worker in holders.items():
        taken[worker].append((by_number[number].began, by_number[number].ended))
    # A slot that a job is in is not free meanwhile, so each of these is of another one.
    merged = _merged(_free(taken.values(), slots, began, max(mark.began for mark in marks)))
    return max((_overlap(stay, merged) for stay in stays), default=0.0)


def _stays(events: Iterable[Event], marks: Mapping[int, Mark]) -> tuple[list[Stay], dict[int, str]]:
    """Return all stays of jobs, of events in their order and marks by number; and who ran which job."""
    stays: list[Stay] = []
    held: dict[str, list[tuple[int, float]]] = defaultdict(list)
    for event in events:
        of = held[event.worker]
        of += [(number, event.at) for number in event.given]
        for _ in range(event.taken):
            _, since = of.pop()
            stays.append(Stay(event.worker, since, event.at))
    stays += [Stay(who, since, marks[number].began) for who, of in held.items() for number, since in of]
    return stays, {number: who for who, of in held.items() for number, _ in of}


def _free(of_slots: Collection[Iterable[Span]], slots: int, began: float, ended: float) -> list[Span]:
    """Return when each of so many slots was free, by when it was not; all the time one that nothing is said of."""
    free = [gap for spans in of_slots for gap in _between(spans, began, ended)]
    return [*free, (began, ended)] if len(of_slots) < slots else free


def _between(spans: Iterable[Span], began: float, ended: float) -> list[Span]:
    """Return what lies between spans, from one time to another, in order."""
    gaps: list[Span] = []
    since = began
    for start, end in sorted(spans):
        if min(start, ended) > since:
            gaps.append((since, min(start, ended)))
        since = max(since, end)
    return [*gaps, (since, ended)] if since < ended else gaps


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Return spans in order, those as one that overlap or touch."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


def _overlap(stay: Stay, spans: Sequence[Span]) -> float:
    """Return for how long (s) at most a stay and one of some spans in order have in common."""
    longest = 0.0
    for index in range(max(0, bisect(spans, (stay.since,)) - 1), len(spans)):
        start, end = spans[index]
        if start >= stay.until:
            break
        longest = max(longest, min(end, stay.until) - max(start, stay.since))
    return longest
