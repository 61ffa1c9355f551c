"""
qw beside other job queues, on the same jobs.

    queue         a producer alone, a call for each job and then as many at once as the peer has a call for
    run           workers are stopped, jobs queued, workers continued ──timed──▶ the last job's end, by the ledger
    idle → running, idle    the same workers afterwards: single jobs, then none
    sleeps, CPU   as `run`, with jobs that wait and jobs that compute
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from benchmarks import heat, idle
from benchmarks.latency import GAP, percentiles
from benchmarks.measure import Comparison, Contender, Lap, Measured, NotMeasured, Stopwatch, rates
from benchmarks.peers.crews import Crew, Plan
from benchmarks.peers.fleet import Producer
from benchmarks.peers.roster import CREWS, KNOBS, PLAIN, WIDE
from benchmarks.peers.shift import FIRST_JOBS, Ran, at_work, producing
from benchmarks.setting import Benchmark, Setting
from benchmarks.work import LONG
from qw.commands.progress import Progress

#: Sleeps, spins, and single jobs, for each of the jobs that `--jobs` says: 2,000, 400 and 100 of 4,000.
SLEEPS, SPINS, SINGLES = 2, 10, 40

#: Who cannot have 64 jobs at once has fewer of them, so that it does not take too long.
FEWER = 5

PROCESSES = 2

#: Measures a crew with so many jobs.
Act = Callable[[Setting, Crew, int], Measured]


def comparisons(setting: Setting) -> Iterator[Comparison]:
    """Yield the comparisons: queueing, doing nothing, waiting, computing."""
    sleeps, spins = _sleeps(setting), max(PROCESSES, setting.jobs // SPINS)

    def contender(crew: Crew, name: str, work: float, act: Act) -> Contender:
        return Contender(name, max(PROCESSES, int(work)), partial(_tried, setting, crew, act))

    def compare(*contenders: Contender) -> Comparison:
        return Comparison("jobs", contenders, warm_up=False)

    yield compare(*(contender(crew, _queue(crew), setting.jobs, _queued) for crew in producers(CREWS)))
    yield compare(
        *(
            contender(crew, crew.name, setting.jobs * crew.share, partial(_ran, plan))
            for crew in CREWS
            if (plan := crew.nothing)
        )
    )
    yield compare(
        *(
            contender(
                crew, _waiter(crew, plan), sleeps / (1 if plan.at_once >= WIDE else FEWER), partial(_waited, plan)
            )
            for crew in CREWS
            if (plan := crew.wait)
        )
    )
    plain = Contender(f"{PROCESSES} plain processes, no queue", spins, partial(_plain, setting))
    yield compare(
        plain,
        *(contender(crew, crew.name, spins, partial(_computed, plan)) for crew in CREWS if (plan := crew.spin)),
    )


def versions() -> Mapping[str, str]:
    """Return the versions of each peer by its name, or why it cannot be had; makes those that are not there."""
    peers = [peer for peer in dict.fromkeys(crew.peer for crew in CREWS) if peer.requirements is not None]
    found: dict[str, str] = {}
    with Progress("environments", len(peers)) as progress:
        for count, peer in enumerate(peers):
            progress.show(count)
            try:
                peer.make()
                found[peer.title] = peer.about()
            except NotMeasured as error:
                found[peer.title] = str(error)
    return found


def producers(crews: Sequence[Crew]) -> Sequence[Crew]:
    """Return one crew for each kind of queue: the others are filled in the same way."""
    first = {_queue(crew): crew for crew in reversed(crews)}
    return [crew for crew in crews if first[_queue(crew)] is crew]


def _queue(crew: Crew) -> str:
    """Return the name of a queue: a peer that has several kinds tells its producer which."""
    return crew.name if crew.environment else crew.peer.title


def _sleeps(setting: Setting) -> int:
    return max(WIDE, setting.jobs // SLEEPS)


def _waiter(crew: Crew, plan: Plan) -> str:
    return crew.name if plan.at_once >= WIDE else f"{crew.name}: {plan.at_once} at once"


def _tried(setting: Setting, crew: Crew, act: Act, work: int) -> Measured:
    """Measure a crew; a peer that fails is named with the reason, and does not end the measuring of the others."""
    crew.peer.make()
    try:
        return act(setting, crew, work)
    except (RuntimeError, OSError) as error:  # a TimeoutError is an OSError
        if crew.peer.requirements is None:
            raise
        raise NotMeasured(f"does not work here: {error}") from error


def _queued(setting: Setting, crew: Crew, work: int) -> Measured:
    peer = crew.peer
    calls = {"one": ("queue, a call each", work)}
    if peer.many:
        calls["many"] = ("queue, many at once", work * peer.many_share)
    setting.server.flush()
    with heat.ledger() as ledger, producing(setting.server, ledger, crew) as producer:
        laps = {call: _lap(setting, producer, call, count) for call, (_, count) in calls.items()}
    setting.server.flush()
    figures = {
        title: rates("jobs", count, {title: laps[call]}).figures[title] for call, (title, count) in calls.items()
    }
    return Measured(figures, f"many at once: {peer.many or 'has no call for that'}", dict(calls.values()))


def _lap(setting: Setting, producer: Producer, call: str, work: int) -> Lap:
    """Queue jobs, after some that warm up the connection and the scripts."""
    producer.queue(call, "nothing", 0, FIRST_JOBS)
    with Stopwatch(setting.server.cpu) as watch:
        began, ended = producer.queue(call, "nothing", 0, work)
    return Lap(ended - began, watch.lap.redis)


def _ran(plan: Plan, setting: Setting, crew: Crew, work: int) -> Measured:
    """Run no-op jobs, then single ones, then none, with the same workers."""
    singles = max(2, setting.jobs // SINGLES)
    with at_work(setting, crew, plan, "nothing") as shift:
        ran = shift.run(work)
        waits = [1000 * seconds for seconds in shift.pickups(singles, plan.looks)]
        nothing = shift.idle()
    run, pickup, none = f"run no-op jobs, {PROCESSES} processes", "idle → running", f"idle, {idle.seconds(setting)} s"
    tables = {run: _rates(work, ran), pickup: percentiles(waits), none: nothing}
    return Measured(tables, crew.note, {run: work, pickup: singles, none: 0})


def _rates(work: int, ran: Ran) -> Mapping[str, float]:
    return {
        "jobs/s": work / ran.lap.seconds,
        "worker CPU, µs each": ran.workers / work * 1e6,
        "Redis CPU, s per 10,000": ran.lap.redis / work * 1e4,
    }


def _waited(plan: Plan, setting: Setting, crew: Crew, work: int) -> Measured:
    with at_work(setting, crew, plan, "wait") as shift:
        ran = shift.run(work)
    every = _sleeps(setting)
    # Who has fewer is told as if it had had them all.
    seconds = ran.lap.seconds / work * every
    figures = {"seconds for all": seconds, "× the ideal": seconds / (every / WIDE * LONG)}
    return Measured({f"{every:,} sleeps of 10 ms, {WIDE} at once": figures}, crew.note)


def _computed(plan: Plan, setting: Setting, crew: Crew, work: int) -> Measured:
    with at_work(setting, crew, plan, "spin") as shift:
        ran = shift.run(work)
    return _spins(ran.lap.seconds, crew.note)


def _plain(setting: Setting, work: int) -> Measured:
    """Have two processes share the work by halves, with nobody between them."""
    plain = Crew(PLAIN.title, PLAIN, 1)
    with (
        heat.ledger() as ledger,
        producing(setting.server, ledger, plain) as one,
        producing(setting.server, ledger, plain) as other,
    ):
        one.ask("one", "spin", 0, work // PROCESSES)
        other.ask("one", "spin", work // PROCESSES, work - work // PROCESSES)
        times = [process.answer() for process in (one, other)]
        ledger.expect(work)
    return _spins(max(ended for _, ended in times) - min(began for began, _ in times))


def _spins(seconds: float, note: str = "") -> Measured:
    return Measured({f"computing for 10 ms a job, {PROCESSES} processes": {"seconds": seconds}}, note)


BENCHMARK = Benchmark(
    "peers",
    "the same jobs by qw and by other job queues; installs those in .venv-bench/, so it is only run when named",
    {
        "environments": "one for each peer, of the latest releases, with hiredis and uvloop where it advises them",
        "jobs": "a mapping of three short fields; each writes 24 bytes to a file, by which it is seen that it ran once",
        "run": "2 processes, started and warm; stopped while jobs are queued, timed from there to the last job's end",
        "share": "who is slower has fewer jobs, so that a round is some two seconds for each",
        "idle → running": f"from the call that queues to the first line, at least {GAP * 1e3:.0f} ms after the last",
        "idle": "what is asked of Redis over TCP, without what scripts do; CPU and PSS of all processes",
        "sleeps": f"{WIDE} at once in {PROCESSES} processes where it can; who cannot has a fifth, told as for all",
        "qw": "Manager of 2, its jobs typed; sleeps: 64 threads, or 64 tasks of an async target; log level WARNING",
        **KNOBS,
    },
    comparisons,
    versions,
)
