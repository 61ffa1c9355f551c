"""All workers of a manager at once: their slots' births and deaths, reports, hand-backs, and what to wait for."""

from __future__ import annotations

import contextlib
import math
import select
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor
from typing import Final

from qw.dispatcher.pace import Pace
from qw.dispatcher.workers import Death, WorkerState
from qw.slots import Report, Slot, births

#: Seconds between the deaths of a slot that never gets to report: doubled each time, up to the longest.
FIRST_PAUSE: Final = 0.1
LONGEST_PAUSE: Final = 30.0
#: So many deaths in a row right after their birth are no accident: nothing runs here.
HOPELESS: Final = 7
#: Seconds for the system to clear up after processes that were killed.
KILLED: Final = 0.5


class Crew:
    """The workers of one start of a manager, in the order of their names."""

    def __init__(self, names: Sequence[str], make_slot: Callable[[str], Slot]) -> None:
        self._states = {name: WorkerState(name, make_slot) for name in names}
        self._readable: frozenset[int] = frozenset()
        #: Whose descriptors are waited for; and when the first patience ends, or the first job's time.
        self._watched: list[WorkerState] = []
        self._soonest = -math.inf
        #: Dead slots whose descriptors are not all given back yet.
        self._dead: list[Slot] = []

    def __contains__(self, name: object) -> bool:
        return name in self._states

    def __getitem__(self, name: str) -> WorkerState:
        return self._states[name]

    def __iter__(self) -> Iterator[WorkerState]:
        return iter(self._states.values())

    @property
    def resting(self) -> bool:
        """Whether no worker holds a job."""
        return not any(state.held for state in self)

    @property
    def hopeless(self) -> bool:
        """Whether some worker's slot dies again and again at its birth."""
        return any(state.stillborn >= HOPELESS for state in self)

    def idle(self) -> list[str]:
        """Return the names of those for whom a job would start at once."""
        return [state.name for state in self if state.idle]

    def wants(self, pace: Pace, now: float) -> list[tuple[str, int]]:
        """Return who may be given how many jobs, of the duration that is usual now."""
        rooms = [(state.name, state.room(pace, now)) for state in self]
        return [(name, room) for name, room in rooms if room > 0]

    # -- lives --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Give birth to all slots."""
        for state in self:
            births.insist(state.slot.start)

    def died(self, now: float) -> Iterator[Death]:
        """Yield what each slot that has died, and was not retired, leaves behind; a retired one's jobs as well."""
        for state in self:
            if state.slot.alive or state.reborn_at:
                continue
            death, retired = state.bury_slot(), state.slot.retired
            state.slot.kill()  # it may only have lost its channel
            self._dead.append(state.slot)
            # One that died of a job is replaced at once, and so is the first that did not; if it does so again
            # before it has run anything, the system or the target's module may be to blame: that has to wait.
            state.deaths = state.deaths + 1 if death.ran is None and not retired else 1
            state.reborn_at = now if state.deaths == 1 else now + self._pause(state.deaths)
            yield death

    def condemn(self, now: float) -> Iterator[tuple[str, list[tuple[str, bytes, Report]]]]:
        """Kill the slots whose job has overrun its time; yields what they had to report until then."""
        for state in self._overdue(now):
            if state.slot.deadline() <= now and state.slot.alive:
                reports = state.condemn(now)
                if reports:
                    yield state.name, reports

    @staticmethod
    def _pause(deaths: int) -> float:
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0**deaths)

    def revive(self, now: float) -> None:
        """Replace the dead ones whose time has come."""
        if self._dead:
            self._dead = [slot for slot in self._dead if not slot.join(0)]
        for state in self:
            if state.reborn_at and state.reborn_at <= now:
                try:
                    state.rebirth()
                except births.NotNow:
                    state.reborn_at = now + births.SOON
                except (OSError, RuntimeError) as error:
                    # No memory, no descriptor, no process left: others may give some back. Or it died too soon to
                    # be told what it is for.
                    state.stillborn += isinstance(error, (BrokenPipeError, BrokenExecutor))
                    state.deaths += 1
                    state.reborn_at = now + self._pause(state.deaths)

    def kill(self) -> None:
        """End all slots at once; what they hold stays in their workers' lists in Redis."""
        for state in self:
            state.slot.kill()
            state.held.clear()

    def end(self, seconds: float) -> None:
        """Close all slots, and kill those that have not ended in time; a thread that runs on is left behind."""
        slots = [*(state.slot for state in self), *self._dead]
        for slot in slots:
            slot.close()
        left = _not_ended(slots, seconds)
        for slot in left:
            slot.kill()
        _not_ended(left, KILLED)

    # -- jobs ---------------------------------------------------------------------------------------

    def reports(self, now: float) -> Iterator[tuple[str, list[tuple[str, bytes, Report]]]]:
        """Yield the workers that have something to report, and what."""
        readable = self._readable
        for state in self:
            reports = state.reports(now, readable=bool(readable) and state.slot.fileno() in readable)
            if reports:
                yield state.name, reports

    def overdue(self, now: float) -> Iterator[tuple[str, list[str]]]:
        """Take back what has waited too long; yields whose it was."""
        for state in self._overdue(now):
            if state.due(now) <= now and state.slot.alive:
                ids = state.hand_back(now)
                if ids:
                    yield state.name, ids

    def _overdue(self, now: float) -> Iterable[WorkerState]:
        """Return those whose patience or whose job's time may be over: none, most often, and that is known at once."""
        return self._states.values() if self._soonest <= now else ()

    def take_back(self) -> Iterator[tuple[str, list[str]]]:
        """Take back all that was not started; yields whose it was."""
        for state in self:
            if state.reborn_at:
                continue  # a dead slot has nothing, and its descriptors may be gone
            ids = state.take_back()
            if ids:
                yield state.name, ids

    # -- waiting ------------------------------------------------------------------------------------

    def watch(self, poll: select.poll, now: float) -> bool:
        """Register what slots wait for; returns whether those without a descriptor may ring now."""
        may_ring = False
        self._watched = []
        for state in self:
            fileno, busy = state.slot.fileno(), state.busy(now)
            if fileno < 0:
                may_ring = may_ring or not busy
                continue
            may_ring = True
            self._watched.append(state)
            if state.slot.death_fileno() >= 0:
                poll.register(state.slot.death_fileno(), select.POLLIN)
            poll.register(fileno, (0 if busy else select.POLLIN) | self._writing(state))
        return may_ring

    @staticmethod
    def _writing(state: WorkerState) -> int:
        return select.POLLOUT if state.slot.wants_to_write() else 0

    def take(self, events: Mapping[int, int]) -> None:
        """Note which descriptors are readable, and write to those that take it."""
        self._readable = frozenset(fileno for fileno, event in events.items() if event & ~select.POLLOUT)
        for state in self._watched:
            if state.slot.death_fileno() in events:
                state.slot.note_death()
            if events.get(state.slot.fileno(), 0) & select.POLLOUT:
                with contextlib.suppress(OSError):
                    state.slot.write()

    def due(self, now: float, pace: Pace) -> float:
        """When a worker must be looked at, whatever comes in, with jobs of the duration that is usual now."""
        soonest = look = math.inf
        at_present = time.monotonic()  # `now` may be of before a wait: `wake.wait` asks again
        for state in self:
            soonest = min(soonest, state.due(at_present), state.slot.deadline())
            look = min(look, state.look_due(now, pace))
            if state.reborn_at > now:
                look = min(look, state.reborn_at)
        self._soonest = soonest
        return min(soonest, look)


def _not_ended(slots: Sequence[Slot], seconds: float) -> list[Slot]:
    """Wait for the end of slots, all together no longer than `seconds`; return those to whom it did not come."""
    until = time.monotonic() + seconds
    return [slot for slot in slots if not slot.join(max(0.0, until - time.monotonic()))]
