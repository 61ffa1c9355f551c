"""The time that a job in a worker process may take: SIGALRM tells the target, the manager is told beforehand."""

from __future__ import annotations

import signal
import socket
from types import FrameType

from qw.errors import TimedOut
from qw.slots._slot import Outcome
from qw.slots.channel import pack_limit
from qw.slots.tally import Tally


class Alarm:
    """
    The limit of the job that runs in this process.

    Before a target begins that has one, the manager gets to know by when it is to report, and how it ended if
    it does not: for a target that does not hear the signal, or does not heed it, is killed. (The manager
    does not decode jobs; only here it is known what their class says.)
    """

    def __init__(self, channel: socket.socket, tally: Tally, cleanup: float) -> None:
        self._channel = channel
        self._tally = tally
        self._cleanup = cleanup
        self._armed = False
        signal.signal(signal.SIGALRM, self._ring)

    def _ring(self, _number: int, _frame: FrameType | None) -> None:
        if self._armed:
            self._armed = False
            raise TimedOut

    def begin(self, seconds: float, overran: Outcome, *, soft: bool) -> None:
        """Note that a target begins, which is to return within these seconds."""
        self._channel.sendall(pack_limit(seconds + self._cleanup, self._tally.ended(), overran))
        if soft:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, seconds)

    def end(self) -> None:
        """Note that it has returned; a signal that comes from now on is nothing to anybody."""
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)
