"""
Waiting for jobs without polling: two connections, each blocked on one list for an idle worker.

    BLMOVE <manager>:jobs <idle worker>:jobs RIGHT LEFT 10      peek
    BLMOVE all:jobs       <idle worker>:jobs RIGHT LEFT 10      peek

A plain LPUSH from any program wakes exactly one worker of the fleet. The reply is only a knock: what
runs is what a script then finds in the worker's list. Behind each BLMOVE waits a `peek`, which Redis
runs as soon as that is served: with its reply an ordinary job starts without another round trip. Any
other, a claim whose reply was lost, and one that comes after its worker has got something else to do,
is picked up by the next `exchange`.
"""

from __future__ import annotations

import time
from typing import Final, Protocol, cast

from redis.exceptions import ResponseError

from qw.dispatcher.link import Link
from qw.dispatcher.refusals import Refusals
from qw.keys import Keys, to_str
from qw.scripts import DispatcherScripts, Peeked

#: Seconds that one BLMOVE blocks: a connection that is dead without our knowing stays first in Redis's
#: queue of waiters, and takes the next job, for no longer than this. With a peek behind each it is as much
#: for Redis as two that block for 5 s.
BLOCK: Final = 10.0
#: Seconds over `BLOCK` after which a reply is given up, and the connection with it.
MARGIN: Final = 3.0
#: Seconds that a knock may stay armed for a worker that has got something to do meanwhile.
TOLERANCE: Final = 0.002


class KnockListener(Protocol):
    """Who is told what became of a knock."""

    def knocked(self, worker: str, job_id: str, queue: str, peeked: Peeked | None) -> None:
        """Note a job that was moved to a worker from a queue, '' for all:jobs, and what was seen of it."""

    def knock_refused(self) -> None:
        """Note that Redis refuses to block: only asking tells what there is."""

    def claimed(self, worker: str, queue: str) -> None:
        """Note that a job may have been moved to a worker from this queue, unheard of."""


class Knocker:
    """
    One of the two blocked connections.

    1. It arms a BLMOVE for an idle worker.
    2. It tells its listener which id was moved to whom.
    3. It frees the connection when its worker is not idle any more.
    """

    def __init__(
        self,
        link: Link,
        keys: Keys,
        scripts: DispatcherScripts,
        queue: str | None,
        listener: KnockListener,
        block: float,
        refusals: Refusals,
    ) -> None:
        self.link = link
        self._keys = keys
        self._scripts = scripts
        self._source = keys.all_jobs if queue is None else keys.jobs(queue)
        #: What `qw:queue` says of a job from this list.
        self._queue = "" if queue is None else f"{queue}:jobs"
        self._listener = listener
        self._refusals = refusals
        self._block = max(0.1, min(BLOCK, block))
        #: The worker that the armed BLMOVE is for.
        self.armed_for: str | None = None
        #: What it has answered, while the reply to the peek is on its way.
        self._moved: object = None
        #: Whether Redis knows the peek, as far as is known.
        self._is_known = False
        #: Whether the job may have been adopted by the time its peek is read.
        self._is_doubtful = False
        self._busy_since = float("inf")
        self._unblocking = False
        self._may_unblock = True

    def arm(self, worker: str) -> None:
        """Block for `worker`, unless it is blocked already."""
        if self.armed_for is not None or not self.link.up or time.monotonic() < self._refusals.until:
            return
        self.armed_for, self._is_doubtful = worker, False
        self._busy_since, self._unblocking = float("inf"), False
        block = ("BLMOVE", self._source, self._keys.jobs(worker), "RIGHT", "LEFT", f"{self._block:g}")
        peek = self._scripts.peek(worker, self._queue)

        def blocked(reply: object) -> None:
            self._moved = reply

        def peeked(reply: object) -> None:
            self._is_known = not isinstance(reply, ResponseError)
            self._answered(self._moved, None if isinstance(reply, ResponseError) else peek.parse(reply))

        self.link.send_both(block, blocked, peek.evalsha() if self._is_known else peek.eval(), peeked)

    def _answered(self, reply: object, peeked: Peeked | None) -> None:
        worker, self.armed_for = cast("str", self.armed_for), None
        if isinstance(reply, ResponseError):
            # Redis ends what is blocked when it becomes a replica, and hangs up; that is told when it refuses more.
            if not str(reply).startswith("UNBLOCKED"):
                self._refusals.note(reply)
            self._listener.knock_refused()
            return
        self._refusals.over()
        if reply is not None:
            peeked = None if self._is_doubtful else peeked
            self._listener.knocked(worker, to_str(cast("bytes", reply)), self._queue, peeked)

    def doubt(self, worker: str | None) -> None:
        """
        Note that the list of this worker, or of whichever it is armed for, is looked into meanwhile.

        What this knock moves there may be found, run and finished before the reply comes: a peek is no proof then.
        """
        self._is_doubtful = self._is_doubtful or worker in (None, self.armed_for)

    def lost(self) -> None:
        """Note that the connection is gone: it may have moved a job to the worker that it was armed for."""
        worker, self.armed_for = self.armed_for, None
        if worker is not None:
            self._listener.claimed(worker, self._queue)

    def release_if_busy(self, *, idle: bool, now: float, main: Link) -> None:
        """Free the connection when its worker has not been idle for a while."""
        if self.armed_for is None or self._unblocking:
            return
        if idle:
            self._busy_since = float("inf")
        else:
            self._busy_since = min(self._busy_since, now)
            if now - self._busy_since >= TOLERANCE:
                self.unblock(main)

    def unblock(self, main: Link) -> None:
        """Ask Redis to free the connection. It may come too late: then the reply is a knock like any other."""
        if self.armed_for is None or self._unblocking or not main.up:
            return
        if self.link.client_id:
            self._unblocking = True
            main.send(("CLIENT", "UNBLOCK", self.link.client_id), self._unblocked)
        elif self._may_unblock:
            self._busy_since = time.monotonic()  # the answer is on its way
        else:
            self._unblocking = True

    def identified(self, reply: object) -> None:
        """Note the reply to CLIENT ID, without which the connection cannot be freed."""
        if isinstance(reply, int):
            self.link.client_id = reply
        else:
            self._may_unblock = False

    def _unblocked(self, reply: object) -> None:
        # Not permitted: the BLMOVE runs out by itself within 10 s, and what it claims meanwhile is handed back.
        if not isinstance(reply, ResponseError):
            self._may_unblock = True
        elif str(reply).startswith("NOPERM"):
            self._may_unblock = False
        if reply == 0:
            # The BLMOVE has its answer already, or has not reached Redis yet: then it is still to be freed.
            self._unblocking, self._busy_since = False, time.monotonic()

    def free(self, main: Link) -> bool:
        """Free the connection for good; returns True when that took closing it: Redis may notice a moment later."""
        if self.armed_for is None:
            return False
        if self.link.client_id and self._may_unblock and main.up:
            self.unblock(main)
            return False
        self.link.close()
        self.armed_for = None
        return True

    def may_move_to(self, worker: str) -> bool:
        """Whether a job may still come to this worker; where nobody can free the connection, it has to be borne."""
        return self.armed_for == worker and self._may_unblock

    def due(self) -> float:
        """When `release_if_busy` wants to look again; infinity when it need not."""
        if self.armed_for is None:
            return self._refusals.until if self._refusals.until > time.monotonic() else float("inf")
        if self._unblocking:
            return float("inf")
        return self._busy_since + TOLERANCE

    def overdue(self, now: float) -> bool:
        """Whether the reply should have come long ago: the connection is dead and does not know it."""
        return now - self.link.since() > BLOCK + MARGIN
