"""The outbox: nothing said by a slot is forgotten before Redis has confirmed it, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import attrs
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from qw.dispatcher.outbox import Outbox
from qw.scripts import Adopt, Content, Plan
from qw.slots import Outcome

RESULT: Final = Outcome("result", 60.0, "1")


@pytest.fixture
def outbox() -> Outbox:
    """Return an outbox with one outcome of each kind, of two workers."""
    made = Outbox()
    made.done("w1", ["a"])
    made.content("w1", "b", RESULT)
    made.release("w2", ["c", "d"])
    return made


def sent(outbox: Outbox) -> Plan:
    """Return the next plan, with nothing but outcomes."""
    return outbox.plan([], [])


FULL: Final = Plan([("w1", ["a"])], [Content("result", "w1", "b", 60.0, "1")], [("w2", ["c", "d"])], [], [], 1)


def test_empty() -> None:
    """Where nothing was said, nothing is sent, confirmed or lost."""
    outbox = Outbox()
    assert (bool(outbox), outbox.empty, outbox.ids("w1")) == (False, True, [])

    assert sent(outbox) == Plan([], [], [], [], [])
    outbox.confirmed()
    outbox.lost()
    assert (bool(outbox), outbox.empty) == (False, True)


def test_sends_what_was_said(outbox: Outbox) -> None:
    """A plan holds every outcome once, under its worker; and what is to be adopted and wanted besides."""
    adopt, want = [Adopt("w1", [], {}, "")], [("w2", 3)]

    assert outbox
    assert outbox.plan(adopt, want) == attrs.evolve(FULL, adopt=adopt, want=want)
    assert not outbox
    assert sent(outbox) == Plan([], [], [], [], [])


def test_keeps_the_order_of_running() -> None:
    """Ids of one worker are in the order in which they ended, so that Redis finds them at the end of its list."""
    outbox = Outbox()
    for job_id in "abc":
        outbox.done("w1", [job_id])
        outbox.done("w2", [job_id.upper()])
    outbox.release("w1", ["d", "e"])
    outbox.release("w1", ["f"])
    plan = sent(outbox)

    assert plan.done == [("w1", ["a", "b", "c"]), ("w2", ["A", "B", "C"])]
    assert plan.release == [("w1", ["d", "e", "f"])]


def test_in_hand_until_confirmed(outbox: Outbox) -> None:
    """What was sent counts as in hand until the answer, together with what was said since."""
    sent(outbox)
    outbox.done("w1", ["e"])
    assert (sorted(outbox.ids("w1")), outbox.ids("w2"), outbox.empty) == (["a", "b", "e"], ["c", "d"], False)

    outbox.confirmed()
    assert (outbox.ids("w1"), outbox.ids("w2"), outbox.empty) == (["e"], [], False)

    sent(outbox)
    outbox.confirmed()
    assert outbox.empty


def test_what_was_lost_goes_again(outbox: Outbox) -> None:
    """Without an answer the same goes again under the same number, and what was said meanwhile after it."""
    sent(outbox)
    outbox.done("w1", ["e"])
    outbox.release("w2", ["h"])
    outbox.lost()

    assert outbox
    assert (sorted(outbox.ids("w1")), outbox.ids("w2")) == (["a", "b", "e"], ["c", "d", "h"])
    assert sent(outbox) == FULL
    outbox.confirmed()
    assert sent(outbox) == Plan([("w1", ["e"])], [], [("w2", ["h"])], [], [], 2)


def test_what_was_lost_twice_goes_a_third_time(outbox: Outbox) -> None:
    """However often no answer comes."""
    for _ in range(2):
        sent(outbox)
        outbox.lost()

    assert sent(outbox) == FULL


def test_only_outcomes_are_numbered(outbox: Outbox) -> None:
    """An exchange that only asks has no number, and uses none up."""
    assert [sent(outbox).number, sent(outbox).number] == [1, 0]
    outbox.done("w1", ["e"])
    assert sent(outbox).number == 2


class Deliveries(RuleBasedStateMachine):
    """A dispatcher that gathers outcomes, and a Redis that applies them, sometimes without saying so."""

    def __init__(self) -> None:
        super().__init__()
        self.outbox = Outbox()
        self.said: set[str] = set()
        self.applied: set[str] = set()
        self.on_the_way: Plan | None = None
        #: The last number that Redis has applied.
        self.number = 0

    @rule(kind=st.sampled_from(["done", "content", "release"]), worker=st.sampled_from(["w1", "w2"]))
    def say(self, kind: str, worker: str) -> None:
        """Say how a job ended."""
        job_id = f"j{len(self.said)}"
        self.said.add(job_id)
        if kind == "done":
            self.outbox.done(worker, [job_id])
        elif kind == "content":
            self.outbox.content(worker, job_id, RESULT)
        else:
            self.outbox.release(worker, [job_id])

    @precondition(lambda self: self.on_the_way is None and self.outbox)
    @rule()
    def send(self) -> None:
        """Send the next exchange."""
        self.on_the_way = sent(self.outbox)

    @precondition(lambda self: self.on_the_way is not None)
    @rule()
    def answer(self) -> None:
        """Let Redis apply it, unless it has that number already, and answer."""
        self._apply()
        self.outbox.confirmed()

    @precondition(lambda self: self.on_the_way is not None)
    @rule(arrived=st.booleans())
    def lose(self, arrived: bool) -> None:
        """Lose the connection before the answer, and perhaps before Redis had it all."""
        if arrived:
            self._apply()
        self.on_the_way = None
        self.outbox.lost()

    def _apply(self) -> None:
        plan, self.on_the_way = self.on_the_way, None
        assert plan is not None
        if plan.number == self.number:
            return
        self.number = plan.number
        ids = _ids(plan)
        assert not self.applied.intersection(ids), "an outcome under two numbers"
        self.applied.update(ids)

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """Whatever was said is applied, or still in the outbox."""
        held = {*self.outbox.ids("w1"), *self.outbox.ids("w2")}
        assert self.said == self.applied | held
        assert self.outbox.empty == (not held)


def _ids(plan: Plan) -> Sequence[str]:
    listed = [job_id for _, ids in (*plan.done, *plan.release) for job_id in ids]
    return [*listed, *(one.job_id for one in plan.contents)]


TestDeliveries = Deliveries.TestCase
TestDeliveries.settings = settings(max_examples=50, stateful_step_count=30)
