"""The benchmark `peers`: whom it measures and how, held without installing anybody."""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import BENCHMARKS, ON_DEMAND, select
from benchmarks.measure import NotMeasured, measure
from benchmarks.peers import bench, environments, produce, tasks
from benchmarks.peers.crews import COPY, Crew, Peer, Plan
from benchmarks.peers.environments import Environment
from benchmarks.peers.roster import CREWS, KNOBS, PLAIN
from benchmarks.peers.variables import PATIENCE
from benchmarks.server import Server
from benchmarks.setting import Setting
from tests.support.programs import ROOT

HERE = ROOT / "benchmarks" / "peers"
PEERS = list(dict.fromkeys(crew.peer for crew in CREWS))
OTHERS = [peer for peer in PEERS if peer.requirements is not None]
PLANS = [(crew, plan) for crew in CREWS for plan in (crew.nothing, crew.wait, crew.spin) if plan]

#: Who is to be measured, by what stands in the requirements of each environment.
NAMES = {"rq", "celery", "dramatiq", "huey", "arq", "saq", "taskiq", "streaq"}

#: What runs in the environments of the peers, and has nothing of qw's in there.
INSIDE = ["tasks", "variables", "produce", *sorted(f"{peer.name}_app" for peer in [PLAIN, *OTHERS])]


def names(peer: Peer) -> str:
    """Return how a test of one peer is called."""
    return peer.name


def imports(path: Path) -> Iterator[str]:
    """Yield the modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def calls(path: Path) -> list[str]:
    """Return the names in the table `CALLS` of a file."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if (
            isinstance(node, ast.Assign)
            and ast.unparse(node.targets[0]) == "CALLS"
            and isinstance(node.value, ast.Dict)
        ):
            return [str(ast.literal_eval(key)) for key in node.value.keys if key]
    return []


# Whom it measures


def test_it_is_run_only_when_named() -> None:
    """Nobody has eight packages installed who did not ask for it."""
    assert {"peers"} == ON_DEMAND
    assert [benchmark.name for benchmark in select([])] == [name for name in BENCHMARKS if name != "peers"]
    assert [benchmark.name for benchmark in select(["peers"])] == ["peers"]


def test_all_are_in_the_roster() -> None:
    """Each of the eight has an environment, and qw comes first."""
    assert {peer.name for peer in OTHERS} == NAMES
    assert all(f"{peer.name}" in " ".join(peer.requirements or ()) for peer in OTHERS)
    assert [crew.peer.name for crew in CREWS][:3] == ["qw"] * 3


@pytest.mark.parametrize("peer", PEERS, ids=names)
def test_a_peer_does_every_kind_of_work(peer: Peer) -> None:
    """Some crew of each does nothing, one waits, and one computes; its versions are told by packages it has."""
    crews = [crew for crew in CREWS if crew.peer is peer]

    assert any(crew.nothing for crew in crews)
    assert any(crew.wait for crew in crews)
    assert any(crew.spin for crew in crews)
    assert bool(peer.tells) == (peer.requirements is not None)


@pytest.mark.parametrize("peer", OTHERS, ids=names)
def test_how_a_peer_is_set_up_is_told(peer: Peer) -> None:
    """Above the figures, with how long its workers wait for a reply where that is not its own default."""
    told = " ".join(knob for name, knob in KNOBS.items() if peer.title in name.split(", "))
    waits = {plan.environment.get(PATIENCE) for crew, plan in PLANS if crew.peer is peer} - {None}

    assert told
    assert all(f"wait {seconds} s for a reply" in told for seconds in waits)


@pytest.mark.slow
def test_rows_have_names_of_their_own(redis_binary: str) -> None:
    """Two rows of one name would be taken for one."""
    with closing(Server()) as server:  # nothing is measured: it is not started
        comparisons = list(bench.comparisons(Setting(server, 100, 1)))

    for comparison in comparisons:
        titles = [contender.name for contender in comparison.contenders]

        assert len(set(titles)) == len(titles)
        assert titles[0].startswith(("qw", "2 plain processes"))


def test_a_queue_is_filled_once() -> None:
    """Crews that have the same kind of queue share a row for queueing, and one with a kind of its own has another."""
    one, two = Peer("one", "One", ()), Peer("two", "Two", ())
    crews = [Crew("a", one, 1), Crew("b", one, 1), Crew("c", two, 1), Crew("d", two, 1, environment={"KIND": "list"})]

    assert [crew.name for crew in bench.producers(crews)] == ["a", "c", "d"]


@pytest.mark.parametrize(("crew", "plan"), PLANS, ids=[f"{crew.name}-{index}" for index, (crew, _) in enumerate(PLANS)])
def test_a_plan_can_be_started(crew: Crew, plan: Plan) -> None:
    """Its command names modules that are there, copies are told apart, and all processes can have a job."""
    words = [word.partition(":")[0] for word in plan.command if "benchmarks." in word]
    modules = [word.rpartition("=")[2].removeprefix("benchmarks.").split(".") for word in words]

    assert all(
        (ROOT / "benchmarks" / "/".join(module[:2])).with_suffix(".py").is_file()
        for module in modules
        if len(module) > 1
    )
    assert plan.copies == 1 or "--hostname" not in str(plan.command) or COPY in str(plan.command)
    assert plan.copies <= plan.processes <= plan.at_once


@pytest.mark.parametrize("plan", [plan for crew, plan in PLANS if crew.peer.name == "qw"], ids=str)
def test_the_targets_of_qw_are_there(plan: Plan) -> None:
    """The manager is started with a function that exists."""
    module, _, name = plan.command[-1].partition(":")

    assert callable(getattr(import_module(module), name))


# What runs in their environments


@pytest.mark.parametrize("peer", [PLAIN, *PEERS], ids=names)
def test_a_peer_has_its_module(peer: Peer) -> None:
    """The module is Python, and has a call for each job, and one for many where the roster says so."""
    path = HERE / f"{peer.name}_app.py"
    compile(path.read_text("utf-8"), path, "exec", dont_inherit=True)

    assert calls(path) == (["one", "many"] if peer.many else ["one"])


@pytest.mark.parametrize("name", INSIDE)
def test_what_runs_inside_needs_only_its_peer(name: str) -> None:
    """Neither qw nor anything that qw needs is in the environments of the others, but for their own redis-py."""
    app = name.removesuffix("_app")
    roots = {module.partition(".")[0] for module in imports(HERE / f"{name}.py")} - set(sys.stdlib_module_names)
    ours = {module for module in imports(HERE / f"{name}.py") if module.startswith("benchmarks")}
    theirs = {"redis", "uvloop"} if name != app or app == "produce" else set()

    assert roots <= {"benchmarks", app, f"{app}_redis", *theirs}
    assert ours <= {f"benchmarks.peers.{module}" for module in INSIDE} | {"benchmarks", "benchmarks.peers"}


def test_what_jobs_do_needs_only_python() -> None:
    """The same holds for the work itself, which all environments import."""
    needed = {module for name in ("work", "ledger") for module in imports(ROOT / "benchmarks" / f"{name}.py")}

    assert {module.partition(".")[0] for module in needed} <= {*sys.stdlib_module_names, "benchmarks"}
    assert {module for module in needed if module.startswith("benchmarks")} == {"benchmarks.ledger"}


def test_jobs_come_in_batches() -> None:
    """No job is left out or sent twice."""
    numbers = [[job["number"] for job in batch] for batch in tasks.batches(tasks.fields(3, 5), 2)]

    assert numbers == [[3, 4], [5, 6], [7]]


def test_a_producer_does_what_it_is_told(tmp_path: Path) -> None:
    """It queues the jobs of a line by the call of that name, and answers with two times."""
    queued: list[tuple[str, list[tasks.Fields]]] = []
    answers = io.StringIO()
    produce.serve({"many": lambda what, jobs: queued.append((what, list(jobs)))}, ["many wait 5 2\n"], answers)
    ready, times = answers.getvalue().splitlines()
    began, ended = map(float, times.split())

    assert queued == [("wait", list(tasks.fields(5, 2)))]
    assert ready == produce.READY
    assert began <= ended


# Who cannot be measured


def absent(self: Environment) -> None:
    """Stand for an environment that cannot be made."""
    raise NotMeasured(f"cannot be installed: no {self.name} here")


@pytest.mark.slow
def test_who_cannot_be_installed_is_told_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """Among the versions, each under its name."""
    monkeypatch.setattr(Environment, "make", absent)

    assert bench.versions() == {peer.title: f"cannot be installed: no {peer.name} here" for peer in OTHERS}


@pytest.mark.slow
def test_who_cannot_be_installed_is_in_the_table(monkeypatch: pytest.MonkeyPatch, redis_binary: str) -> None:
    """A row without figures and with the reason, beside those who can be measured."""
    monkeypatch.setattr(Environment, "make", absent)
    with Server() as server:
        computing = list(bench.comparisons(Setting(server, 20, 1)))[-1]
        others = [one for one in computing.contenders if not one.name.startswith("qw")]
        (table,) = measure(type(computing)("jobs", others, warm_up=False), 1, lambda: None)

    assert [row.name for row in table.rows if row.figures] == ["2 plain processes, no queue"]
    assert all("cannot be installed: no " in row.note for row in table.rows[1:])


@pytest.mark.slow
def test_who_does_not_work_is_not_measured(monkeypatch: pytest.MonkeyPatch, redis_binary: str, tmp_path: Path) -> None:
    """A peer that cannot be started ends its own row and nothing else, and the reason is one line."""
    monkeypatch.setattr(environments, "ROOT", tmp_path)
    monkeypatch.setattr(Environment, "make", lambda _self: None)
    with Server() as server:
        for comparison in bench.comparisons(Setting(server, 20, 1)):
            theirs = next(one for one in comparison.contenders if one.name.startswith("RQ"))
            with pytest.raises(NotMeasured, match=r"^does not work here: [^\n]*No such file[^\n]*$"):
                theirs.run(theirs.work)


# qw's own rows


@pytest.mark.slow
@pytest.mark.parametrize("index", range(4), ids=["queue", "run", "sleeps", "CPU"])
def test_ours_are_measured(index: int, redis_binary: str) -> None:
    """The way that all take is gone by qw, whose figures are there in all columns, and every job ran once."""
    with Server() as server:
        comparison = list(bench.comparisons(Setting(server, 40, 1)))[index]
        ours = [one for one in comparison.contenders if one.name.startswith("qw")]
        done = [(one, one.run(one.work)) for one in ours]

    assert done
    for contender, measured in done:
        tables = {title: set(figures) for title, figures in measured.figures.items()}

        assert all(figure >= 0 for figures in measured.figures.values() for figure in figures.values())
        assert tables == COLUMNS[index], contender.name


COLUMNS: Sequence[dict[str, set[str]]] = (
    {title: {"jobs/s", "Redis CPU, µs each"} for title in ("queue, a call each", "queue, many at once")},
    {
        "run no-op jobs, 2 processes": {"jobs/s", "worker CPU, µs each", "Redis CPU, s per 10,000"},
        "idle → running": {"p50 ms", "p99 ms"},
        "idle, 1 s": {"requests/s", "memory, MB (PSS)", "CPU, %"},
    },
    {"64 sleeps of 10 ms, 64 at once": {"seconds for all", "× the ideal"}},
    {"computing for 10 ms a job, 2 processes": {"seconds"}},
)
