"""Rules: processes die, are taken for dead, and come back; and a program that works as one of qw 0.1.1 did."""

from __future__ import annotations

from typing import Literal

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.statemachine import moves
from tests.statemachine.machine import OLD, Machine, some, step
from tests.statemachine.process import Start
from tests.statemachine.producing import OWN
from tests.statemachine.shadow import ALL
from tests.statemachine.working import STARTS

#: Starts that Redis knows: when there are more, none is added before one is forgotten.
MOST_STARTS = 7


class Failing(Machine):
    """Processes come and go."""

    @precondition(lambda self: len(self.shadow.beats) <= MOST_STARTS)
    @rule(start=STARTS, in_good_order=st.booleans())
    @step
    def end(self, start: Start, in_good_order: bool) -> None:
        """Let a process leave, or die, which Redis does not notice; another one takes its place."""
        if in_good_order:
            self.wake(start)
            given = self.redis.call(start.scripts.leave())
            is_struck = self.shadow.beats[start.name].is_struck
            assert given == (-1 if is_struck else moves.leave(self.shadow, start.name, start.workers))
        self._start_over(start)

    @precondition(lambda self: any(beat.is_struck for beat in self.shadow.beats.values()))
    @rule(start=STARTS)
    @step
    def register_again(self, start: Start) -> None:
        """Register as after a lost connection; one that was struck off comes back under another name."""
        self.wake(start)
        if self.register(start) == "struck":
            self._start_over(start)

    @rule(
        by=STARTS,
        whom=some(lambda machine: machine.shadow.beats),
        seen=st.sampled_from(["what it shows", "what it showed", "anything"]),
        forget=st.booleans(),
    )
    @step
    def rescue_from(
        self, by: Start, whom: str, seen: Literal["what it shows", "what it showed", "anything"], forget: bool
    ) -> None:
        """Have a start taken for dead, rightly or not; or one that was struck off swept again, and forgotten."""
        self.wake(by)
        if whom == by.name or whom not in self.shadow.beats:
            return
        # Only what has been swept before is forgotten.
        forget = forget and self.shadow.beats[whom].is_struck
        words = {"what it shows": self.shown(whom), "what it showed": "0", "anything": ""}
        self.rescue(by, whom, words[seen], forget=forget)

    def _start_over(self, start: Start) -> None:
        self.start(next(post for post, one in self.up.items() if one is start))

    # -- as of qw 0.1.1 ------------------------------------------------------------------------------------------------

    @precondition(lambda self: not self.old_hand and any(self.shadow.lists[queue] for queue in (ALL, "web", OLD)))
    @rule(count=st.integers(1, 3))
    @step
    def old_fetch(self, count: int) -> None:
        """Register a worker without a beat, and claim jobs for it."""
        self.redis.client.register_manager("web")
        self.redis.client.register_worker("web", OLD)
        self.shadow.managers.add("web")
        self.shadow.workers["web"].add(OLD)
        wanted = moves.fetch(self.shadow, "web", OLD, count, self.old_hand)
        assert [job_id for job_id, _ in self.redis.client.fetch_jobs("web", OLD, count)] == wanted

    @precondition(lambda self: OLD in self.shadow.workers["web"])
    @rule(ids=some(lambda machine: [[*sorted(machine.old_hand)], [OWN[0]], [OWN[1], OWN[2]]]), is_the_end=st.booleans())
    @step
    def old_finish(self, ids: list[str], is_the_end: bool) -> None:
        """Finish jobs that it has in hand, or has not; and end, maybe."""
        assert self.redis.client.finish_jobs(ids, OLD) == moves.finish(self.shadow, OLD, ids)
        self.old_hand.difference_update(ids)
        if is_the_end:
            self.redis.client.deregister_worker("web", OLD)
            moves.deregister(self.shadow, "web", OLD)
            self.redis.another_client()
            self.old_hand.clear()
