"""
The nemesis: carries out the planned faults, each at its time, and notes what it did.

It also does what an init system would: a manager that has gone is started again. One thread, one loop; what
lasts is ended by a later turn.
"""

from __future__ import annotations

import heapq
import itertools
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from qw.prove.faults import Fault
from qw.prove.fleet import Member, is_there
from qw.prove.plan import OF_ITS_JOB, FaultKind, PlannedFault
from qw.prove.server import Server

#: Seconds between two turns, when nothing is due earlier.
_TURN: Final = 0.02
#: Seconds after which a manager that went by itself is started again.
_RESTART: Final = 0.3
#: Seconds after which it is tried again to end a fault that only Redis can end.
_AGAIN: Final = 0.3
#: What the process of a manager in threads mode ends with when its job kills it.
_DIED: Final = 9
#: Bytes: with so little allowed, Redis refuses every write that needs memory.
_FULL: Final = 1

#: Takes a planned fault and the note of it; returns what ends it, None at once, and raises `Missed`.
Strike = Callable[[PlannedFault, Fault], "Callable[[], None] | None"]


class Missed(Exception):
    """What was to be struck is not there just now."""


class Nemesis:
    """Carries out the faults of one trial."""

    def __init__(self, server: Server, members: Iterable[Member], planned: Iterable[PlannedFault]) -> None:
        self._server = server
        self._members = {member.post.name: member for member in members}
        self._planned = deque(planned)
        self._admin = redis.Redis(port=server.port, socket_timeout=2, retry=Retry(NoBackoff(), 0))
        self._ends: list[tuple[float, int, Fault, Callable[[], None]]] = []
        self._number = itertools.count()
        self._orphans: list[tuple[Fault, list[int]]] = []
        self._stopping: dict[str, Fault] = {}
        self._reviving: Fault | None = None
        #: What it did, in this order.
        self.faults: list[Fault] = []
        #: How many came when there was nothing to strike.
        self.missed = 0

    def run(self, began: float, until: float) -> None:
        """Carry out what is planned from the moment `began` on, up to `until` (both `time.monotonic`)."""
        while (now := time.monotonic()) < until:
            while self._planned and began + self._planned[0].at <= now:
                self._strike(self._planned.popleft())
            self.turn(now)
            coming = [began + self._planned[0].at] if self._planned else []
            coming += [self._ends[0][0]] if self._ends else []
            time.sleep(max(0.0, min([now + _TURN, *coming]) - time.monotonic()))

    def make_peace(self) -> None:
        """End all that lasts, whatever its time; what needs Redis for that is left to later turns."""
        for fault, end in [each[2:] for each in self._ends]:
            if fault.kind != "fill Redis":
                self._end(fault, end)
        self._ends = [each for each in self._ends if each[2].kind == "fill Redis"]
        for member in self._members.values():
            member.signal(signal.SIGCONT)
            member.relay.heal()

    def turn(self, now: float) -> None:
        """End what is over, look who has gone, start again who is due."""
        while self._ends and self._ends[0][0] <= now:
            self._end(*heapq.heappop(self._ends)[2:])
        if self._reviving is not None and self._server.answers():
            self._reviving.ended, self._reviving = time.monotonic(), None
        for fault, pids in list(self._orphans):
            if not any(map(is_there, pids)):
                fault.orphans_gone = time.monotonic() - fault.began
                self._orphans.remove((fault, pids))
        for member in self._members.values():
            self._look_after(member, now)

    def _look_after(self, member: Member, now: float) -> None:
        if member.runs:
            return
        if member.due is None:
            stopped = self._stopping.pop(member.post.name, None)
            if stopped is not None:
                stopped.ended = now
            elif member.wait(0) == _DIED:
                self.faults.append(Fault(OF_ITS_JOB, member.post.name, now))
            member.due = now + _RESTART
        elif member.due <= now:
            member.start()

    def _strike(self, planned: PlannedFault) -> None:
        fault = Fault(planned.kind, "" if planned.kind in _OF_REDIS else planned.manager, time.monotonic())
        try:
            end = self._strikes()[planned.kind](planned, fault)
        except (Missed, redis.RedisError, OSError):
            self.missed += 1
            return
        self.faults.append(fault)
        if end is not None:
            heapq.heappush(self._ends, (fault.began + planned.seconds, next(self._number), fault, end))

    def _end(self, fault: Fault, end: Callable[[], None]) -> None:
        try:
            with suppress(OSError):
                end()
        except (Missed, redis.RedisError):  # it is away just now, by another fault
            heapq.heappush(self._ends, (time.monotonic() + _AGAIN, next(self._number), fault, end))
            return
        if fault.kind != "kill Redis":
            fault.ended = time.monotonic()

    def _strikes(self) -> dict[FaultKind, Strike]:
        return {
            "kill process": self._kill_process,
            "pause process": self._pause_process,
            "kill manager": self._kill_manager,
            "stop manager": self._stop_manager,
            "hurry manager": self._hurry_manager,
            "pause manager": self._pause_manager,
            "pause manager past its lease": self._pause_manager,
            "cut": lambda planned, _: self._running(planned).relay.cut(),
            "tear": lambda planned, _: self._running(planned).relay.tear(),
            "black hole": self._swallow,
            "black hole past the lease": self._swallow,
            "latency": self._slow_down,
            "kill Redis": self._kill_redis,
            "pause Redis": self._pause_redis,
            "fill Redis": self._fill_redis,
            "kill clients": self._kill_clients,
            "forget scripts": self._forget_scripts,
        }

    # -- managers -----------------------------------------------------------------------------------

    def _running(self, planned: PlannedFault) -> Member:
        member = self._members[planned.manager]
        if not member.runs or member.is_paused or planned.manager in self._stopping:
            raise Missed
        return member

    def _worker(self, planned: PlannedFault) -> int:
        member = self._running(planned)
        workers = member.workers()
        if not workers:  # threads, or they are about to be born
            raise Missed
        return workers[int(planned.choice * len(workers))]

    def _kill_process(self, planned: PlannedFault, fault: Fault) -> None:
        fault.pid = self._worker(planned)
        fault.began = time.monotonic()
        os.kill(fault.pid, signal.SIGKILL)

    def _pause_process(self, planned: PlannedFault, fault: Fault) -> Callable[[], None]:
        pid = fault.pid = self._worker(planned)
        os.kill(pid, signal.SIGSTOP)
        return lambda: os.kill(pid, signal.SIGCONT)

    def _kill_manager(self, planned: PlannedFault, fault: Fault) -> None:
        member = self._running(planned)
        fault.began = time.monotonic()
        pids = member.kill()
        fault.orphans = len(pids)
        self._orphans.append((fault, pids))
        member.due = fault.began + planned.seconds

    def _stop_manager(self, planned: PlannedFault, fault: Fault) -> None:
        self._running(planned).signal(signal.SIGTERM)
        self._stopping[planned.manager] = fault

    def _hurry_manager(self, planned: PlannedFault, fault: Fault) -> Callable[[], None]:
        member = self._running(planned)
        self._stop_manager(planned, fault)
        return lambda: member.signal(signal.SIGTERM)

    def _pause_manager(self, planned: PlannedFault, _fault: Fault) -> Callable[[], None]:
        member = self._running(planned)
        member.signal(signal.SIGSTOP)
        member.is_paused = True

        def resume() -> None:
            member.signal(signal.SIGCONT)
            member.is_paused = False

        return resume

    # -- lines --------------------------------------------------------------------------------------

    def _swallow(self, planned: PlannedFault, _fault: Fault) -> Callable[[], None]:
        relay = self._running(planned).relay
        relay.swallow()
        return relay.heal

    def _slow_down(self, planned: PlannedFault, _fault: Fault) -> Callable[[], None]:
        relay = self._running(planned).relay
        relay.latency = 0.1 * planned.choice
        return relay.heal

    # -- Redis --------------------------------------------------------------------------------------

    def _kill_redis(self, _planned: PlannedFault, fault: Fault) -> Callable[[], None]:
        self._check_redis()
        self._server.kill()

        def launch() -> None:
            self._server.launch()
            self._reviving = fault

        return launch

    def _pause_redis(self, _planned: PlannedFault, _fault: Fault) -> Callable[[], None]:
        self._check_redis()
        self._server.pause()
        return self._server.resume

    def _fill_redis(self, _planned: PlannedFault, _fault: Fault) -> Callable[[], None]:
        self._check_redis()
        self._admin.config_set("maxmemory", _FULL)

        def empty() -> None:
            self._check_redis()
            self._admin.config_set("maxmemory", 0)

        return empty

    def _check_redis(self) -> None:
        """Raise `Missed` while Redis is gone or hangs: to ask it for anything would hold up all other faults."""
        if self._reviving is not None or any(
            fault.kind in ("kill Redis", "pause Redis") for _, _, fault, _ in self._ends
        ):
            raise Missed

    def _kill_clients(self, _planned: PlannedFault, _fault: Fault) -> None:
        self._check_redis()
        for kind in ("normal", "pubsub"):
            self._admin.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")

    def _forget_scripts(self, _planned: PlannedFault, _fault: Fault) -> None:
        self._check_redis()
        self._admin.execute_command("SCRIPT", "FLUSH")


_OF_REDIS: Final = frozenset(("kill Redis", "pause Redis", "fill Redis", "kill clients", "forget scripts"))
