"""
One id, two starts of managers with a worker each, and Redis, as small as they can be without losing what can go wrong.

A step is atomic where the product's script is. The id may be queued a second time once its first job is done, since
programs choose their own ids; to the queue, or to one worker, of which the bell sends its start a letter that may come
late. What is in a process's memory is gone with it; a BLMOVE that it has armed lives on in Redis for a while.

Left out: a start that was struck off and forgotten comes back under its own name. Should it have an outcome in hand
still, and a program queue another job under that id to its very worker before that is sent, it would count for that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import attrs

Mark = Literal["unknown", "listed", "alive", "struck"]
Process = Literal["up", "paused", "dead"]
Mutant = Literal[
    "",
    "no fence",
    "no sweep",
    "one sweep",
    "register in two steps",
    "claim in two steps",
    "no number",
    "mark unread",
    "letters when struck off",
    "letters after a look",
    "letters after registering",
]

#: Jobs that are queued under the one id, one after the other.
JOBS = 2
#: Times that a job may be rescued until it is buried; the product's is 5.
MOST_RESCUES = 2


@attrs.frozen
class Start:
    """One start of a manager: its process, and what Redis knows of it."""

    #: What all:beats says; `listed`: its worker is, without a beat (only in a mutant).
    mark: Mark = "unknown"
    process: Process = "up"
    #: Whether the id is in its worker's list.
    listed: bool = False
    #: Whether a BLMOVE of it waits in Redis.
    armed: bool = False
    #: What its slot does with the job that it has in hand: not begun, or running.
    #: `took`: only in a mutant, it was taken off the queue and is noted in no list yet.
    slot: Literal["", "took", "has", "runs"] = ""
    #: An outcome that Redis has not confirmed: not sent yet, or sent without an answer.
    outcome: Literal["", "new", "sent"] = ""
    #: Whether Redis has applied the load that was sent and not answered.
    applied: bool = False
    #: The letters on their way to it, the next one first: whether it will believe them.
    letters: tuple[bool, ...] = ()
    #: Whether it was forgotten and has come back with something in hand, which others have had since.
    is_stale: bool = False

    @property
    def doubtful(self) -> tuple[bool, ...]:
        """The same letters, of which none is believed any more."""
        return (False,) * len(self.letters)


@attrs.frozen
class State:
    """Everything, at one moment."""

    starts: tuple[Start, Start] = (Start(), Start())
    #: Whether the id is in the queue.
    queued: bool = False
    #: How many jobs were queued under the id; and whether the last one is still there, has begun, is dead.
    jobs: int = 0
    alive: bool = False
    begun: bool = False
    buried: bool = False
    rescues: int = 0
    #: Faults so far, of which there are only so many.
    faults: int = 0
    #: What went wrong; nothing may follow.
    wrong: str = ""

    def with_start(self, n: int, **changes: Any) -> State:
        """Return this state with one start changed."""
        changed, (first, second) = attrs.evolve(self.starts[n], **changes), self.starts
        return attrs.evolve(self, starts=(first, changed) if n else (changed, second))


Step = tuple[str, State]


def steps(state: State, mutant: Mutant, most_faults: int, *, letters: bool) -> Iterator[Step]:
    """Yield whatever may happen next, in words, and what comes of it; `letters`: also with jobs for one worker."""
    if state.wrong:
        return
    if state.jobs < JOBS and not state.alive and not state.buried:
        again = attrs.evolve(state, jobs=state.jobs + 1, queued=True, alive=True, begun=False, rescues=0)
        yield "a producer queues the id", again
        for n, start in enumerate(state.starts):
            if letters and start.mark == "alive" and start.process != "dead" and not start.is_stale:
                sent = attrs.evolve(again, queued=False).with_start(n, listed=True, letters=(*start.letters, True))
                yield f"a producer queues the id to the worker of {n}", sent
    for n, start in enumerate(state.starts):
        if start.process == "up":
            yield from _own(state, n, start, mutant)
        yield from _in_redis(state, n, start)
        yield from _others(state, n, start, mutant)
        if state.faults < most_faults:
            yield from _faults(attrs.evolve(state, faults=state.faults + 1), n, start)
        # Somebody always comes along in the end; under another name, so that an id left in this one's list stays there.
        if start.process != "up" and start.mark == "unknown" and not start.armed and not start.listed:
            yield f"another one takes the place of {n}", state.with_start(n, **attrs.asdict(Start()))


def _own(state: State, n: int, start: Start, mutant: Mutant) -> Iterator[Step]:
    """Yield what the process of a start does by itself."""
    if start.mark == "unknown":
        first: Mark = "listed" if mutant == "register in two steps" else "alive"
        letters = start.letters if mutant == "letters after registering" else start.doubtful
        stale = start.is_stale or start.slot != "" or start.outcome != ""
        yield f"{n} registers", state.with_start(n, mark=first, letters=letters, is_stale=stale)
    if start.letters:
        yield from _hear(state, n, start, mutant)
    if start.mark == "listed":
        yield f"{n} beats for the first time", state.with_start(n, mark="alive")
    known = start.mark == "alive" or mutant == "mark unread" or start.mark == "listed"
    if start.mark == "struck" and mutant != "mark unread":
        # Any script tells it: it lets go of all it has, and comes back under another name.
        yield f"{n} finds itself struck off", _let_go(state, n)
        return
    idle = start.slot == "" and start.outcome == ""
    if known and idle and not start.armed:
        yield f"{n} arms a BLMOVE", state.with_start(n, armed=True)
    if mutant == "claim in two steps":
        yield from _claim_in_two_steps(state, n, start, may=known and idle)
    elif known and idle and state.queued:
        dealt = attrs.evolve(state, queued=False).with_start(n, listed=True)
        yield f"{n} is dealt the job", dealt.with_start(n, slot="has")
        yield f"{n} is dealt the job, the answer is lost", dealt
    if known and idle and start.listed:
        letters = start.letters if mutant == "letters after a look" else start.doubtful
        yield f"{n} adopts the job", state.with_start(n, slot="has", letters=letters)
    yield from _with_the_job(state, n, start, mutant, known=known)


def _hear(state: State, n: int, start: Start, mutant: Mutant) -> Iterator[Step]:
    """Yield what a start makes of the next letter: the job in hand, unless something speaks against that."""
    (believed, *rest), idle = start.letters, start.slot == "" and start.outcome == ""
    left = state.with_start(n, letters=tuple(rest))
    yield f"a letter to {n} is lost", left
    # The age of its last beat tells it that nobody can have struck it off.
    if not (idle and believed and (start.mark == "alive" or mutant == "letters when struck off")):
        yield f"{n} does not believe a letter", left
        return
    wrong = "" if state.alive and start.listed else "a job is begun that is not there"
    yield f"{n} has the job from a letter", attrs.evolve(left, wrong=wrong).with_start(n, slot="has")


def _with_the_job(state: State, n: int, start: Start, mutant: Mutant, *, known: bool) -> Iterator[Step]:
    """Yield what a start does with the job that it has in hand."""
    if start.slot == "has":
        yield f"{n} begins the job", attrs.evolve(state, begun=True).with_start(n, slot="runs")
        if known and start.listed:
            released = attrs.evolve(state, queued=True).with_start(n, slot="", listed=False)
            yield f"{n} gives the job back", released
    if start.slot == "runs":
        yield f"{n} ends the job", state.with_start(n, slot="", outcome="new")
    if start.outcome and known:
        yield from _report(state, n, start, mutant)


def _claim_in_two_steps(state: State, n: int, start: Start, *, may: bool) -> Iterator[Step]:
    if may and state.queued:
        yield f"{n} takes the job off the queue", attrs.evolve(state, queued=False).with_start(n, slot="took")
    if start.slot == "took":
        yield f"{n} notes that it has the job", state.with_start(n, slot="has", listed=True)


def _let_go(state: State, n: int) -> State:
    return state.with_start(n, slot="", outcome="", applied=False, process="dead", letters=())


def _report(state: State, n: int, start: Start, mutant: Mutant) -> Iterator[Step]:
    """Yield an exchange with the outcome, and its answer or none."""
    after = state if start.applied and mutant != "no number" else _finish(state, n, start, mutant)
    yield f"{n} reports", after.with_start(n, outcome="", applied=False)
    yield f"{n} reports, the answer is lost", after.with_start(n, outcome="sent", applied=True)


def _finish(state: State, n: int, start: Start, mutant: Mutant) -> State:
    if not start.listed and mutant != "no fence":
        return state
    wrong = "" if state.begun or not state.alive else "a job was deleted that never ran"
    elsewhere = state.queued or any(one.listed for m, one in enumerate(state.starts) if m != n)
    if elsewhere:
        wrong = wrong or "a job was finished that is another's now"
    return attrs.evolve(state, alive=False, begun=False, wrong=wrong).with_start(n, listed=False)


def _in_redis(state: State, n: int, start: Start) -> Iterator[Step]:
    """Yield what Redis does with an armed BLMOVE."""
    if start.armed:
        yield f"the BLMOVE of {n} runs out", state.with_start(n, armed=False)
        if state.queued:
            moved = attrs.evolve(state, queued=False).with_start(n, armed=False, listed=True)
            yield f"the BLMOVE of {n} moves the job", moved


def _others(state: State, n: int, start: Start, mutant: Mutant) -> Iterator[Step]:
    """Yield what others do about this one: the other start, or a third that comes along."""
    if start.mark == "alive" and start.process != "up":
        struck = state.with_start(n, mark="struck")
        yield f"{n} is struck off", struck if mutant == "no sweep" else _sweep(struck, n)
    # Nobody looks for one that shows no beat.
    if start.mark == "struck" and mutant != "no sweep":
        if start.listed and mutant != "one sweep":
            yield f"{n} is swept again", _sweep(state, n)
        # Two leases later: whatever it had armed has run out long ago, and what that moved was swept.
        patient = not start.armed and not start.listed
        if patient or mutant == "one sweep":
            yield f"{n} is forgotten", state.with_start(n, mark="unknown")


def _sweep(state: State, n: int) -> State:
    if not state.starts[n].listed:
        return state
    swept = state.with_start(n, listed=False)
    if state.rescues + 1 >= MOST_RESCUES:
        return attrs.evolve(swept, buried=True, rescues=MOST_RESCUES)
    return attrs.evolve(swept, queued=True, rescues=state.rescues + 1)


def _faults(state: State, n: int, start: Start) -> Iterator[Step]:
    """Yield what may happen to a process."""
    gone = {"slot": "", "outcome": "", "applied": False, "letters": ()}
    if start.process != "dead":
        yield f"{n} is killed", state.with_start(n, process="dead", **gone)
        yield f"the worker process of {n} dies", state.with_start(n, slot="") if start.slot == "" else _crash(state, n)
    if start.process == "up":
        yield f"{n} is stopped", state.with_start(n, process="paused")
    if start.process == "paused":
        yield f"{n} goes on", state.with_start(n, process="up")


def _crash(state: State, n: int) -> State:
    """Have the dispatcher give the job back that its slot has died of, if it still can."""
    if not state.starts[n].listed or state.starts[n].process != "up" or state.starts[n].mark != "alive":
        return state.with_start(n, slot="")
    return attrs.evolve(state, queued=True).with_start(n, slot="", listed=False)


def places(state: State) -> int:
    """Count where the id is."""
    return state.queued + state.buried + sum(start.listed or start.slot == "took" for start in state.starts)


def violation(state: State) -> str:
    """Say what is wrong with a state; '' when nothing is."""
    if state.wrong:
        return state.wrong
    if state.alive and places(state) != 1:
        return f"a job is in {places(state)} places"
    return ""
