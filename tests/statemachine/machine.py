"""The real Redis and its shadow side by side: what is compared after each step, and that all comes to its end."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Collection, Iterable
from typing import ClassVar, ParamSpec, TypeVar, cast

import attrs
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize

from qw.scripts import Batch, Plan
from tests.statemachine import exchange, moves
from tests.statemachine.exchange import MOST_CRASHES
from tests.statemachine.process import Start
from tests.statemachine.shadow import ALL, Beat, Job, Shadow
from tests.statemachine.world import World, differences

P = ParamSpec("P")
T = TypeVar("T")

MANAGERS = ("web", "mail")
#: Where a process of a manager runs: the next start there takes the place of the last one.
POSTS = ("web.a", "web.b", "mail.a", "mail.b")
#: A worker of qw 0.1.1, which has no beat.
OLD = "web.77"


def some(which: Callable[[Machine], Collection[T]]) -> st.SearchStrategy[T]:
    """Draw one of what the machine has now; a rule that does so says in its precondition that there is one."""
    return st.runner().flatmap(lambda machine: st.sampled_from([*which(machine)]))


def step(act: Callable[P, None]) -> Callable[P, None]:
    """Make a rule of an act: when it is done, Redis and the shadow are compared."""

    @functools.wraps(act)
    def compared(*args: P.args, **kwargs: P.kwargs) -> None:
        machine = cast("Machine", args[0])
        machine.agrees = False
        act(*args, **kwargs)
        machine.agree()
        machine.agrees = True

    return compared


class Machine(RuleBasedStateMachine):
    """What the rules have in common."""

    url: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.shadow = Shadow()
        self.world: World | None = None
        #: Processes that are up, by their post; what Redis thinks of them is another matter.
        self.up: dict[str, Start] = {}
        self.generation = 0
        #: What the worker of qw 0.1.1 has in hand.
        self.old_hand: set[str] = set()
        #: Whether Redis and the shadow agree: else there is nothing to be drained.
        self.agrees = False

    @property
    def redis(self) -> World:
        """The real one."""
        assert self.world
        return self.world

    @initialize(namespace=st.sampled_from([None, "orders"]), jobs=st.integers(0, 9), worn=st.integers(0, 3))
    @step
    def begin(self, namespace: str | None, jobs: int, worn: int) -> None:
        """Start a process at each post, with some jobs to be had; managers or processes have died of the first."""
        self.world = World(self.url, namespace)
        for post in POSTS:
            self.start(post)
        for n in range(jobs):
            job_id, manager = f"k{n}", (None, *MANAGERS)[n % 3]
            self.world.client.queue_job({"n": n}, manager, id=job_id)
            self.shadow.push(manager or ALL, job_id)
            job = Job(manager, is_ours=True)
            if n < worn:
                job.rescues, job.crashes = ((0, MOST_CRASHES - 1), (1, 0))[n % 2]
                fields = [word for pair in job.fields().items() for word in pair]
                self.world.command("HSET", self.world.keys.job(job_id), *fields)
            self.shadow.jobs[job_id] = job

    # -- what rules are made of ----------------------------------------------------------------------------------------

    def start(self, post: str) -> Start:
        """Start a process, which registers."""
        self.generation += 1
        manager, _, place = post.partition(".")
        self.up[post] = start = Start(self.redis.keys, manager, f"{place}{self.generation}")
        self.register(start)
        return start

    def register(self, start: Start) -> str:
        """Register a start, for the first time or again; returns what it is told."""
        status = self.redis.call(start.scripts.register())
        shadow = self.shadow
        beat = shadow.beats.get(start.name)
        assert status == ("struck" if beat and beat.is_struck else "ok")
        if status == "ok":
            shadow.beats[start.name] = Beat(beat.counter + 1, beat.number) if beat else Beat()
            shadow.managers.add(start.manager)
            shadow.workers[start.manager].update(start.workers)
        return status

    def wake(self, start: Start) -> None:
        """Let a process go on: one that was stopped for so long that it is forgotten registers before all else."""
        if start.name not in self.shadow.beats:
            self.register(start)
            if start.unanswered is not None:
                self.exchange(start, Plan())

    def exchange(self, start: Start, plan: Plan, *, is_lost: bool = False) -> None:
        """Send a plan, or what had no answer with it, and follow what comes of it."""
        if start.unanswered is None:
            plan = start.numbered(plan)
        else:
            plan = attrs.evolve(start.unanswered, adopt=start.adoptions(), want=plan.want)
        held = [job_id for ids in start.hand.values() for job_id in ids]
        plan = attrs.evolve(plan, rescued=any(map(self.shadow.is_rescued, held)))
        reply = self.redis.call(start.scripts.exchange(plan))
        exchange.follow(self.shadow, start, plan, reply)
        if is_lost:
            start.unsure(plan)
            note(f"    {start} is not answered")
        elif reply.status == "ok":
            self._answered(start, plan, reply.batches)

    def _answered(self, start: Start, plan: Plan, batches: Collection[Batch]) -> None:
        start.answered(plan, [*batches])
        for batch in batches:
            note(f"    {batch.worker} has now {start.hand[batch.worker]}")

    def rescue(self, by: Start, whom: str, seen: str, *, forget: bool) -> None:
        """Have a start strike off another one that shows what was seen, and sweep its lists."""
        beat = self.shadow.beats[whom]
        said = self.redis.call(by.scripts.rescue(whom, seen, forget=forget))
        if self.shadow.beats[by.name].is_struck or seen not in ("", self.shown(whom)):
            assert (said.status, said.rescued) == ("struck" if self.shadow.beats[by.name].is_struck else "alive", 0)
            return
        assert (said.status, beat.is_struck or said.mark.startswith("struck ")) == ("ok", True)
        afters = [self._rescued(whom, order, forget=forget) for order in itertools.permutations("01")]
        # In which order Redis names the workers is its own affair.
        found = self.redis.look()
        after = next((after for after in afters if after[0].queues().items() <= found.items()), afters[0])
        self.shadow = after[0]
        assert (said.rescued, said.buried) == after[1]
        if not forget:
            self.shadow.beats[whom].mark = said.mark

    def _rescued(self, whom: str, order: Iterable[str], *, forget: bool) -> tuple[Shadow, tuple[int, int]]:
        """Return what is there after a rescue in which the workers are swept in this order, and what is told of it."""
        after = copy.deepcopy(self.shadow)
        return after, moves.rescue(after, whom, [f"{whom}.{n}" for n in order], forget=forget)

    def shown(self, start: str) -> str:
        """Return what a start shows, the time of its mark included."""
        beat = self.shadow.beats[start]
        return beat.mark or str(beat)

    # -- after each step -----------------------------------------------------------------------------------------------

    def agree(self) -> None:
        """Hold that Redis has what it ought to have, nothing else, and each job in exactly one place."""
        space = self.redis.look()
        self.shadow.learn(space)
        wrong = differences(space, self.shadow.space())
        assert not wrong, "\n".join(wrong)
        for job_id in {*self.shadow.jobs}.union(*self.shadow.lists.values(), self.shadow.dead, self.shadow.scheduled):
            places = self.shadow.places(job_id)
            is_there = f"job:{job_id}" in space
            if job_id in self.shadow.odd:
                assert places or not is_there, f"{job_id!r} is nowhere, and its key is left"
            else:
                assert (places, is_there) == (1, True), f"{job_id!r}: in {places} places, its key is there: {is_there}"

    # -- at the end ----------------------------------------------------------------------------------------------------

    def teardown(self) -> None:
        """Kill all, let healthy ones finish the rest, and hold that nothing is left but what is to be kept."""
        if self.world is None:
            return
        try:
            if self.agrees:
                self._drain()
        finally:
            self.world.close()

    def _drain(self) -> None:
        self.up.clear()
        self.redis.client.deregister_worker("web", OLD)
        moves.deregister(self.shadow, "web", OLD)
        healthy = [self.start(f"{manager}.z") for manager in MANAGERS]
        for whom in [name for name in self.shadow.beats if name not in map(repr, healthy)]:
            self.rescue(healthy[0], whom, "", forget=False)
            self.rescue(healthy[1], whom, "", forget=True)
            self.agree()
        self.back_date(len(self.shadow.scheduled))
        moves.due(self.shadow)
        self.redis.call(healthy[0].scripts.due())
        self.agree()
        for start in healthy:
            self._finish_all(start)
        for start in healthy:
            self.redis.call(start.scripts.leave())
            moves.leave(self.shadow, start.name, start.workers)
        self.shadow.managers.discard("web")
        self.redis.client.deregister_manager("web")
        self.agree()
        self._hold_what_is_left()

    def back_date(self, count: int) -> None:
        """Let the time come of the delayed jobs that are due first, in their order."""
        ahead = [job_id for job_id, score in self.shadow.scheduled.items() if score >= moves.PAST]
        self.agree()
        ahead.sort(key=self.shadow.scheduled.__getitem__)
        for job_id in ahead[:count]:
            self.generation += 1
            self.shadow.scheduled[job_id] = float(self.generation)
            self.redis.command("ZADD", self.redis.keys.all_scheduled, self.generation, job_id)

    def _finish_all(self, start: Start) -> None:
        """Fetch and finish until there is nothing more for this start."""
        waits = [ALL, start.manager, *start.workers]
        while any(self.shadow.lists[name] for name in waits):
            self.exchange(start, Plan(adopt=start.adoptions(), want=[(worker, 5) for worker in start.workers]))
            self.exchange(start, start.load(["done"] * 100))
            self.agree()

    def _hold_what_is_left(self) -> None:
        left = self.shadow.space()
        buried = {f"job:{job_id}" for job_id in self.shadow.dead}
        kept = {f"result:{job_id}" for job_id in self.shadow.results}
        more = {*left} - {"all:stats", "all:dead", *buried, *kept}
        assert not more, f"left over: {more}"
        assert not self.redis.lasting(kept), "a result is kept for good"
