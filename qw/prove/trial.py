"""One trial from its start to its verdict: a Redis, a fleet, a producer and a nemesis in a directory of their own."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final, cast

import attrs
import redis

from qw.prove.faults import write_faults
from qw.prove.fleet import LEASE, POSTS, Member
from qw.prove.gather import gather
from qw.prove.judge import Evidence, Verdict, judge
from qw.prove.nemesis import Nemesis
from qw.prove.plan import Plan, make_plan
from qw.prove.producer import PATIENCE, Producer
from qw.prove.relay import Relay
from qw.prove.server import Server

#: Seconds that may pass, when all faults are over, without that fewer jobs are left than ever before: a slow machine
#: may need long for what has gathered, but then it goes on.
DRAIN: Final = 120.0
#: Seconds that it gets to leave when it is told to.
LEAVE: Final = 10.0

_TURN: Final = 0.1


@attrs.frozen
class Rates:
    """How much happens in a second."""

    jobs: float = 60.0
    faults: float = 2.0


@attrs.frozen
class Trial:
    """What came of a trial."""

    plan: Plan
    evidence: Evidence
    verdict: Verdict
    missed: int
    redis_version: str
    #: Whether all was worked off, and all managers left, in time.
    is_over: bool

    @property
    def holds(self) -> bool:
        """Whether all promises were kept."""
        return self.is_over and self.verdict.holds


def run_trial(directory: Path, seed: int, seconds: float, rates: Rates, say: Callable[[str], None]) -> Trial:
    """Make a trial in a directory, which holds afterwards all that was written down; `say` is told how it goes."""
    names = [post.name for post in POSTS]
    plan = make_plan(seed, seconds, names, jobs_a_second=rates.jobs, faults_a_second=rates.faults, lease=LEASE)
    with _scene(directory) as (server, members):
        nemesis = Nemesis(server, members, plan.faults)
        producer = Producer(server.url, plan.jobs)
        for member in members:
            member.start()
        _await(lambda: _count(server, "all:managers") == len(members), 30.0)
        say(f"{len(plan.jobs)} jobs, {len(plan.faults)} faults in {seconds:.0f} s")
        producer.start()
        began = time.monotonic()
        for part in range(1, 11):
            nemesis.run(began, began + seconds * part / 10)
            say(f"{part * 10} %: {len(producer.accepted)} jobs queued, {len(nemesis.faults)} faults")
        nemesis.make_peace()
        is_over = _drain(server, members, nemesis, producer, say)
        evidence = gather(directory, server, plan, producer, nemesis.faults)
    write_faults(directory / "faults.jsonl", nemesis.faults)
    return Trial(plan, evidence, judge(evidence), nemesis.missed, server.binary.version, is_over)


@contextmanager
def _scene(directory: Path) -> Iterator[tuple[Server, list[Member]]]:
    with ExitStack() as stack:
        server = Server(directory)
        server.start()
        stack.callback(server.kill)
        members = []
        for post in POSTS:
            relay = Relay(server.port)
            stack.callback(relay.close)
            members.append(Member(post, relay, directory, LEASE))
            stack.callback(members[-1].kill)
        yield server, members


def _await(condition: Callable[[], bool], within: float) -> bool:
    until = time.monotonic() + within
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(_TURN)
    return True


def _drain(
    server: Server, members: Sequence[Member], nemesis: Nemesis, producer: Producer, say: Callable[[str], None]
) -> bool:
    """Let the fleet finish what is queued, then leave; returns whether it did both in time."""
    least, done, now = math.inf, False, time.monotonic()
    until = now + DRAIN + PATIENCE
    while not done and now <= until:
        nemesis.turn(now)
        # In this order: what is queued, or comes back from a dead manager, is counted.
        settled = producer.finish(0) and _is_settled(server, len(members))
        left = _left(server)
        if left < least:
            least, until = left, now + DRAIN + PATIENCE
        done = settled and not left
        time.sleep(_TURN)
        now = time.monotonic()
    say("all is worked off" if done else f"not worked off: never fewer than {least:.0f} jobs were left")
    producer.finish(0)
    for member in members:
        member.signal(signal.SIGTERM)
    codes = [member.wait(LEAVE) for member in members]
    return done and codes == [0] * len(members)


def _is_settled(server: Server, managers: int) -> bool:
    """Tell whether all managers are there, with no mark of a dead one."""
    with redis.Redis(port=server.port, decode_responses=True) as plain:
        try:
            beats = cast("list[str]", plain.hvals("all:beats"))
        except redis.RedisError:
            return False
    return len(beats) == managers and not any(beat.startswith("struck") for beat in beats)


def _left(server: Server) -> float:
    """Return how many jobs are in any list or scheduled; endlessly many when the server does not say."""
    with redis.Redis(port=server.port) as plain:
        try:
            lists = list(plain.scan_iter("*:jobs", count=1000))
            return sum(cast("int", plain.llen(key)) for key in lists) + cast("int", plain.zcard("all:scheduled"))
        except redis.RedisError:
            return math.inf


def _count(server: Server, key: str) -> int:
    with redis.Redis(port=server.port) as plain:
        return int(cast("int", plain.scard(key)))
