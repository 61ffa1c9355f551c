"""How the benchmark `fair` tells who waits for nothing: from what slots are given, and when jobs begin and end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import pytest

from benchmarks import gaps, handed
from benchmarks.handed import Event
from benchmarks.ledger import Mark
from qw.slots.process import ProcessSlot
from qw.slots.thread import ThreadSlot
from qw.target import Target
from tests.support.targets import succeed

#: A long job, and a short one behind it that goes back after 15 s and is run elsewhere; number, who, from when to when.
MARKS: Final = [Mark(0, 7, 1.0, 100.0), Mark(1, 8, 17.0, 18.0), Mark(2, 8, 30.0, 31.0)]
GIVEN: Final = [
    Event(1.0, "a", [0, 1], 0),
    Event(16.0, "a", [], 1),
    Event(17.0, "b", [1], 0),
    Event(29.0, "b", [2], 0),
]


def behind(*events: Event, slots: int = 2) -> float:
    """Return the longest wait behind another."""
    return gaps.longest_behind(MARKS, events, 0.0, slots)


def test_a_job_waits_in_a_slot_until_it_goes_back() -> None:
    """From when it was given, while the other slot had nothing; not while it is in a queue."""
    assert behind(*GIVEN) == 15.0


def test_a_slot_that_has_been_given_a_job_is_not_free() -> None:
    """Though this has not begun yet: the wait for nothing ends there."""
    assert behind(GIVEN[0], Event(3.0, "b", [2], 0), *GIVEN[1:3]) == 2.0


def test_a_slot_that_was_given_nothing_is_free_all_the_time() -> None:
    """Whoever it is: then each second that a job has not begun is one too many."""
    busy = Event(0.5, "b", [2], 0)

    assert behind(busy, *GIVEN[:3]) == 0.5
    assert behind(busy, *GIVEN[:3], slots=3) == 29.5


def test_now_one_is_free_and_now_another() -> None:
    """A third one is busy when the second is not: job 1 waits for nothing all the time until it goes back."""
    marks = [*MARKS, Mark(3, 9, 0.0, 5.0), Mark(4, 8, 5.0, 16.5)]
    events = [Event(0.0, "c", [3], 0), *GIVEN[:1], Event(5.0, "b", [4], 0), *GIVEN[1:]]

    assert gaps.longest_behind(marks, events, 0.0, 3) == 15.0


def test_its_own_slot_is_no_other() -> None:
    """Where the only one has nothing to do a job that it was given does not wait for another."""
    assert gaps.longest_behind([Mark(0, 7, 5.0, 6.0), Mark(1, 7, 9.0, 9.5)], GIVEN[:1], 0.0, 1) == 0.0


def test_who_had_a_job_is_known() -> None:
    """Or nothing was written down, and no wait would be seen."""
    with pytest.raises(RuntimeError, match="of 3 jobs 2 are known"):
        behind(*GIVEN[:3])


def test_what_a_slot_is_given_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is taken back; a manager reads its own notes when it ends."""
    monkeypatch.setenv(handed.VARIABLE, str(tmp_path))
    monkeypatch.setattr(ThreadSlot, "hand", ThreadSlot.hand)  # to be put back
    monkeypatch.setattr(ThreadSlot, "take_back", ThreadSlot.take_back)
    monkeypatch.setattr(ProcessSlot, "hand", ProcessSlot.hand)
    monkeypatch.setattr(ProcessSlot, "take_back", ProcessSlot.take_back)
    slot = ThreadSlot("w", Target.load(succeed), lambda: None)

    def manage() -> int:
        slot.hand(b'["number","4","id4"]\n["number","5","id5"]', 2)
        assert (slot.take_back(), slot.take_back()) == (2, 0)
        slot.hand(b'["path","x","number","6","id6"]', 1)
        return 7

    monkeypatch.setattr(handed, "manage", manage)
    before = time.monotonic()

    assert handed.main() == 7
    events = handed.read(tmp_path, before)
    assert [event[1:] for event in events] == [("w", [4, 5], 0), ("w", [], 2), ("w", [6], 0)]
    assert [event.at for event in events] == sorted(event.at for event in events)
    assert handed.read(tmp_path, events[1].at) == events[1:]


def test_a_slot_stands_idle_while_jobs_wait() -> None:
    """Anywhere; until the last one has begun."""
    assert gaps.longest_idle(MARKS, 0.0, 2) == 17.0
    assert gaps.longest_idle(MARKS[1:2], 16.0, 1) == 1.0
    assert gaps.longest_idle(MARKS, 0.0, 3) == 30.0


@pytest.mark.parametrize(
    ("since", "until", "longest"), [(0.0, 1.0, 0.0), (0.0, 9.0, 2.0), (3.5, 5.5, 0.5), (5.0, 6.0, 1.0)]
)
def test_common_time(since: float, until: float, longest: float) -> None:
    """The longest that a stay and one gap have in common; gaps are not added up."""
    spans = [(1.0, 3.0), (3.0, 4.0), (5.0, 7.0)]

    assert gaps._overlap(gaps.Stay("a", since, until), spans) == longest  # noqa: SLF001
