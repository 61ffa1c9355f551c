"""
One worker as its dispatcher sees it: a name, a slot that computes, and the jobs in its hand.

    handed in, oldest first:   [ reported ][ runs ][ not started ............ ]
                                            └───────── held ─────────────────┘
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import attrs

from qw.dispatcher.pace import LEISURELY, Pace
from qw.scripts import Batch
from qw.slots import Outcome, Report, Slot

#: Seconds that a job may wait in a process for the one before it; then it goes back. With the way to another slot it
#: is within the 20 ms of promise 4.
PATIENCE: Final = 0.015
#: The same for a thread or a task that runs short jobs, which want the interpreter; so does who takes them back.
PATIENCE_HERE: Final = 0.013
#: The same for a job that came to a busy worker without being asked for, as by a late knock.
SHORT_PATIENCE: Final = 0.002
#: Bytes a second that a slot takes in on a busy machine: a large job that goes alone into an idle slot has so much
#: longer, or it would come back, and be fetched again, without end. From that size on it is large.
SLOWEST: Final = 4 * 1024 * 1024
LARGE: Final = 64 * 1024
#: Batches that a slot may have at a time: one to run, one to follow without a pause, and one on its way.
MOST_BATCHES: Final = 3
#: Seconds for which the end of a job that left nothing is not looked for, while its slot has others to run: those of
#: several slots are told of in one go. Half of it where jobs differ, since any of them may be a short one.
LINGER: Final = 0.020
#: Seconds before the time at which a slot will have run all it has: Redis deals the next ones within that, most often.
SOON: Final = 0.003
#: The same for a thread or a task: it has to wait for the interpreter, which dozens of others want as well just then.
SOON_HERE: Final = 0.007
#: Seconds after its start in which a slot that dies without running anything was not fit to live, born or not.
YOUNG: Final = 1.0
#: Seconds between two looks at a slot that has plenty to do.
LOOK_AGAIN: Final = 0.001
#: Jobs in hand from which on a slot counts as having plenty to do.
PLENTY: Final = 8


#: Fields, as they stand in a line, of a job that a process or a manager died of: `exchange` deals it alone.
SUSPICIOUS: Final = (b'"qw:crashes"', b'"qw:rescues"')


@attrs.frozen
class Death:
    """What a dead slot leaves behind."""

    worker: str
    #: The job that ran; None when none did.
    ran: str | None
    #: How that job ended, when the slot was killed because its time was over.
    outcome: Outcome | None
    #: The jobs that had not started, oldest first.
    others: Sequence[str]


class WorkerState:
    """A worker's slot and what it holds."""

    def __init__(self, name: str, make_slot: Callable[[str], Slot]) -> None:
        self.name = name
        self._make_slot = make_slot
        self.slot = make_slot(name)
        #: (id, its line, or nothing when nobody will log it), oldest first.
        self.held: deque[tuple[str, bytes]] = deque()
        #: Of each batch not wholly started: when its patience ends, and the count of handed jobs up to its end.
        self._batches: deque[tuple[float, int]] = deque()
        self._handed = 0
        self._reported = 0
        self._looked = 0.0
        #: When it got the first of the jobs that it holds now, having held none.
        self._filled = 0.0
        #: Seconds that the jobs which it is given next may wait in it.
        self._patience = PATIENCE
        #: Set when jobs were taken back: it runs a long one, and gets nothing until that is over.
        self.stuck = False
        #: Set while it has a job that was there when a process died: that one runs with none behind it.
        self._alone = False
        #: How often in a row its slot died without a report, and when a dead one is replaced; 0: it lives.
        self.deaths = 0
        self.reborn_at = 0.0
        #: How often in a row it died at its birth, or so soon after it that the birth is to blame.
        self.stillborn = 0
        #: The job whose time was over when the slot was killed for it, and how that job ended.
        self._condemned: tuple[str, Outcome] | None = None
        self._started_at = time.monotonic()

    @property
    def idle(self) -> bool:
        """Whether a job handed in now would start at once."""
        return not self.held and self.slot.ready

    def room(self, pace: Pace, now: float) -> int:
        """How many jobs it may be given, of the duration that is usual now."""
        held = len(self.held)
        # `enough` first, though the pace would say so too: of dozens of slots most have that much.
        if held > pace.enough or self.stuck or self._alone or len(self._batches) >= MOST_BATCHES or not self.slot.ready:
            return 0
        self._patience = PATIENCE_HERE if self.is_here and pace.mean < LEISURELY else PATIENCE
        # What may wait less in the slot is to begin that much sooner.
        room = pace.room(held, max(0.0, self._empty_at(pace.mean) - now) + PATIENCE - self._patience)
        # What it will not run any more would only come back, and be fetched by the next one.
        return int(min(room, self.slot.most_jobs - self._handed))

    @property
    def is_here(self) -> bool:
        """Whether its slot is of this process, and shares the interpreter with the dispatcher and the other slots."""
        return self.slot.fileno() < 0

    def _empty_at(self, mean: float) -> float:
        """When it will have run all it holds, with jobs of that mean (s); sooner than now, if one takes longer."""
        return max(self.slot.began(), self._filled) + (len(self.held) - self.slot.untold) * mean

    def hand(self, batch: Batch, now: float, *, unasked: bool, keep_lines: bool) -> None:
        """Give a batch to the slot; `unasked`: it comes of a knock, a letter or a look."""
        patience = SHORT_PATIENCE if unasked and self.held else self._patience
        if not self.held and len(batch.ids) == 1:
            # It waits for nothing but its own way.
            patience += max(0, len(batch.lines) - LARGE) / SLOWEST
        self._filled = self._filled if self.held else now
        lines = batch.lines.split(b"\n") if keep_lines else [b""] * len(batch.ids)
        self.held.extend(zip(batch.ids, lines, strict=True))
        self._alone = len(batch.ids) == 1 and any(mark in batch.lines for mark in SUSPICIOUS)
        self._handed += len(batch.ids)
        self._batches.append((now + patience, self._handed))
        self.slot.hand(batch.lines, len(batch.ids))

    def reports(self, now: float, *, readable: bool = True) -> list[tuple[str, bytes, Report]]:
        """Return what has been reported, with the job it is about; `readable`: whether the slot's descriptor is."""
        if self.busy(now):
            return []
        self._looked = now
        reports = self.slot.reports() if readable or self.slot.has_reports else []
        if not reports:
            return []
        self.stuck = self._alone = False
        self.deaths = self.stillborn = 0
        held = self.held
        if len(reports) > len(held):
            # A target has forked and its child goes on as this slot, or has written to the channel.
            self.slot.kill()
            reports = reports[: len(held)]
        out = [(*held.popleft(), report) for report in reports]
        self._reported += len(out)
        self._note_started()
        return out

    def _note_started(self) -> None:
        """Forget the patience of batches that are wholly started."""
        if self._batches:
            started = self.slot.started()
            while self._batches and self._batches[0][1] <= started:
                self._batches.popleft()

    def busy(self, now: float) -> bool:
        """Whether it has plenty to do and was looked at just now: a look costs more than it brings."""
        return len(self.held) > PLENTY and now - self._looked < LOOK_AGAIN

    def look_due(self, now: float, pace: Pace) -> float:
        """When to look for reports that nothing tells of; infinity when none will come."""
        if len(self.held) < 2:
            return float("inf")  # it tells of its last one
        if self.busy(now):
            return now + LOOK_AGAIN
        soon = SOON_HERE if self.is_here else SOON
        if pace.even:
            return min(max(self._empty_at(pace.mean) - soon, self._looked + LOOK_AGAIN), self._looked + LINGER)
        return self._looked + min(max((len(self.held) - 1) * pace.mean - soon, LOOK_AGAIN), LINGER / 2)

    def due(self, now: float) -> float:
        """When the next job that was not started has waited long enough; infinity when none waits."""
        if self._batches and self._batches[0][0] <= now:
            self._note_started()
        return self._batches[0][0] if self._batches else float("inf")

    def hand_back(self, now: float) -> list[str]:
        """Take back, when it is due, all jobs that were not started; returns their ids, oldest first."""
        self._note_started()
        return self.take_back() if self._batches and self._batches[0][0] <= now else []

    def take_back(self) -> list[str]:
        """Take back all jobs that were not started; returns their ids, oldest first."""
        taken = self.slot.take_back()
        self._handed -= taken
        self._batches.clear()
        ids = [self.held.pop()[0] for _ in range(taken)]
        ids.reverse()
        # Not stuck when nothing is left that runs: it was only slow to begin, and no report would ever free it.
        self.stuck = bool(self.held and ids)
        if ids:
            self._alone = False  # nothing is handed behind the one that has to be alone, so it was among them
        return ids

    def condemn(self, now: float) -> list[tuple[str, bytes, Report]]:
        """Kill the slot if the job that runs has overrun its time; returns what was reported until then."""
        outcome = self.slot.expire(now)
        if outcome is None or not self.held:
            return []
        self._looked = 0.0
        reports = self.reports(now)  # it may have ended in the last moment
        if self.held and self.slot.expire(now) is outcome:
            self._condemned = (self.held[0][0], outcome)
            self.slot.kill()
        return reports

    def bury_slot(self) -> Death:
        """Clear up after a dead slot."""
        ran = self.slot.started() > self._reported
        self.slot.take_back()
        ids = [job_id for job_id, _ in self.held]
        condemned, self._condemned = self._condemned, None
        # A birth may take long, and fail at its very end: until it is over no slot is old enough.
        young = not self.slot.born or time.monotonic() - self._started_at < YOUNG
        self.stillborn = self.stillborn + 1 if young and not ran and not self.slot.retired else 0
        self.held.clear()
        self._batches.clear()
        self.stuck = self._alone = False
        self._handed = self._reported = 0
        if not (ran and ids):
            return Death(self.name, None, None, ids)
        if condemned is None or condemned[0] == ids[0]:
            return Death(self.name, ids[0], condemned[1] if condemned else None, ids[1:])
        # It was killed for the job before, which ended in the last moment: this one has done nothing wrong.
        return Death(self.name, None, None, ids)

    def rebirth(self) -> None:
        """Put a new slot in the place of a dead one."""
        slot = self._make_slot(self.name)
        slot.start()
        self.slot = slot
        self._started_at = time.monotonic()
        self.reborn_at = 0.0
