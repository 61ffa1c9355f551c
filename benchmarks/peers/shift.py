"""One crew at work: its workers are started, warmed up, given jobs, watched while they have none, and ended."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import attrs

from benchmarks import heat, idle, processes
from benchmarks.latency import GAP
from benchmarks.ledger import Ledger
from benchmarks.measure import Lap
from benchmarks.peers.crews import COPY, Crew, Plan
from benchmarks.peers.fleet import Fleet, Producer
from benchmarks.peers.variables import URL
from benchmarks.server import Server
from benchmarks.setting import Setting
from benchmarks.waiting import wait_until

#: Seconds in which workers have started and run their first jobs, also on a machine that has other things to do.
START = 60.0

#: Jobs by which workers show that they are there; they get as many again until all have had some.
FIRST_JOBS = 20

#: The most of those at once.
MOST = 64

#: Seconds after which what workers do beside jobs, at their start and after jobs, is over.
SETTLE = 0.3

#: Multiples of it, less their whole part, lie evenly between 0 and 1, however many there are.
GOLDEN = 0.6180339887

#: Jobs a second: who is slower than that is taken for stuck.
SLOWEST = 10


@attrs.frozen
class Ran:
    """What it took to run jobs: until the last one's end with what Redis spent, and what workers spent in seconds."""

    lap: Lap
    workers: float


@attrs.frozen
class Shift:
    """Workers that wait for jobs of one kind, and who gives them some."""

    setting: Setting
    ledger: Ledger
    fleet: Fleet
    producer: Producer
    what: str
    #: The call that queues many jobs: `one` where there is no other.
    call: str

    def warm_up(self, plan: Plan) -> None:
        """Have them run jobs until all processes have run one."""
        end = time.monotonic() + START
        batch = max(FIRST_JOBS, min(MOST, plan.at_once))
        # Who forks for each job leaves threads that have ended, which count for processes, as they were.
        while len({processes.of_thread(mark.who) for mark in self.ledger.marks()}) < plan.processes:
            before = self.ledger.count()
            self.producer.queue("one", self.what, 0, batch)
            self._wait_for(before + batch, end)
            if time.monotonic() > end:
                raise RuntimeError(f"waited {START:g} s for all processes to run a job; {self.fleet.last_words()}")
        self._settle()

    def run(self, count: int) -> Ran:
        """Queue jobs while the workers are stopped, then have them run; each must do so once."""
        server = self.setting.server
        self.fleet.stop()
        try:
            self.producer.queue(self.call, self.what, 0, count)
        finally:
            redis, workers, began = server.cpu(), self.fleet.cpu(), time.monotonic()
            self.fleet.proceed()
        self._wait_for(count, began + 60 + count / SLOWEST)
        ended = max(mark.ended for mark in self.ledger.marks())
        ran = Ran(Lap(ended - began, server.cpu() - redis), self.fleet.cpu() - workers)
        self._settle(count)
        return ran

    def pickups(self, count: int, looks: float) -> list[float]:
        """
        Queue jobs one by one, with pauses; return the seconds from each call to the first line of its job.

        They come at all moments of the time between two looks for jobs, `looks` seconds.
        """
        called: list[float] = []
        for number in range(count):
            called.append(self.producer.queue("one", self.what, number, 1)[0])
            self._wait_for(number + 1, time.monotonic() + START)
            time.sleep(GAP + looks * (number * GOLDEN % 1))
        took = [mark.began - called[mark.number] for mark in self.ledger.marks()]
        self._settle(count)
        return took

    def idle(self) -> Mapping[str, float]:
        """Have nothing to do; return what is asked of Redis and what the workers take meanwhile."""
        figures = idle.watch(self.setting, self.fleet.pids, idle.seconds(self.setting))
        self.fleet.check()
        return figures

    def _settle(self, count: int | None = None) -> None:
        """
        Let them end whatever they do beside jobs, and forget these.

        Raises `RuntimeError` unless each of so many ran exactly once; None: that does not matter.
        """
        time.sleep(SETTLE)
        if count is not None:
            self.ledger.expect(count)
        self.ledger.clear()

    def _wait_for(self, jobs: int, end: float) -> None:
        """Return when so many jobs have run; raises `RuntimeError` when they do not, and says how that looks."""

        def ran() -> bool:
            if self.ledger.count() >= jobs:
                return True
            self.fleet.check()
            return False

        try:
            wait_until(ran, f"{jobs:,} jobs to be run", round(max(1.0, end - time.monotonic())))
        except TimeoutError as error:
            said = self.fleet.last_words()
            raise RuntimeError(f"{error}, of which {self.ledger.count():,} were; {said}") from error


def told(server: Server, ledger: Ledger, beside: Mapping[str, str]) -> dict[str, str]:
    """Return what all processes of a crew are told."""
    # qw's and RQ's commands look for the URL under names of their own.
    return {URL: server.url, "QW_URL": server.url, "RQ_REDIS_URL": server.url, **ledger.environment, **beside}


def producing(server: Server, ledger: Ledger, crew: Crew) -> Producer:
    """Return the producer of a crew, to be started."""
    command = crew.peer.command(("python", "-m", "benchmarks.peers.produce", crew.peer.name))
    return Producer(command, told(server, ledger, crew.environment))


@contextmanager
def at_work(setting: Setting, crew: Crew, plan: Plan, what: str) -> Iterator[Shift]:
    """Have a crew's workers wait for jobs, of which they have had the first."""
    server = setting.server
    server.flush()
    commands = [
        [word.replace(COPY, str(copy)) for word in crew.peer.command(plan.command)] for copy in range(plan.copies)
    ]
    with (
        heat.ledger() as ledger,
        producing(server, ledger, crew) as producer,
        Fleet(commands, told(server, ledger, plan.environment)) as fleet,
    ):
        shift = Shift(setting, ledger, fleet, producer, what, "many" if crew.peer.many else "one")
        shift.warm_up(plan)
        yield shift
