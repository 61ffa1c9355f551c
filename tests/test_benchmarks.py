"""The benchmarks run, say first what their figures depend on, and compare what was measured in the same round."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest
import redis

from benchmarks import __main__ as command
from benchmarks import run
from benchmarks.__main__ import BENCHMARKS, ON_DEMAND, ROUNDS
from benchmarks.alone import standing
from benchmarks.compiled import NONE, PLACE, compiled
from benchmarks.jobs import typed
from benchmarks.measure import Comparison, Contender, Lap, Measured, NotMeasured, Table, measure, rates
from benchmarks.report import markdown, save
from benchmarks.setting import MANAGER, Benchmark
from qw.client import Client
from tests.support.programs import ROOT, run_python
from tests.support.wait import wait_until

README = (ROOT / "benchmarks" / "README.md").read_text("utf-8")


def contender(name: str, seconds: list[float], turns: list[str]) -> Contender:
    """Return one that takes so long, round by round, after its warming up, and notes its turns."""
    left = iter([1.0, *seconds])

    def run(work: int) -> Measured:
        turns.append(f"{name} {work}")
        return rates("jobs", work, {"act": Lap(next(left), 0.5)}, f"{name} was here" if name == "b" else "")

    return Contender(name, 100, run)


def measured(turns: list[str]) -> Table:
    """Return what comes out when a machine gets slower in the second round, and b is always twice as fast as a."""
    done: list[None] = []
    contenders = [contender("a", [1.0, 10.0, 1.0], turns), contender("b", [0.5, 5.0, 0.5], turns)]
    (table,) = measure(Comparison("jobs", contenders), ROUNDS[1], lambda: done.append(None))

    assert len(done) == 6
    return table


def test_contenders_take_turns() -> None:
    """All warm up with a tenth of the work, then each has its turn in each round."""
    turns: list[str] = []
    measured(turns)

    assert turns == ["a 10", "b 10", *["a 100", "b 100"] * 3]


def test_ratios_are_of_the_same_round() -> None:
    """What slows one round down does not change how contenders compare."""
    a, b = measured([]).rows

    assert (a.figures["jobs/s"], b.figures["jobs/s"]) == ([100.0, 10.0, 100.0], [200.0, 20.0, 200.0])
    assert (a.ratios, b.ratios) == ([1.0, 1.0, 1.0], [2.0, 2.0, 2.0])
    assert b.figures["Redis CPU, µs each"] == [5000.0] * 3  # half a second for 100 jobs, in microseconds


def test_a_table_shows_medians_and_spread() -> None:
    """A figure comes with its lowest and its highest round, and notes stand below."""
    text = markdown(measured([]))

    assert "| b | 100 | 200 (20 – 200) | 2.00 (2.00 – 2.00) | 5,000 |" in text
    assert text.endswith("\n\nb: b was here")


def test_who_cannot_be_measured_is_named() -> None:
    """A contender that is not there is in the table, without figures and with the reason; the others go on."""

    def run(_work: int) -> Measured:
        raise NotMeasured("cannot be installed")

    contenders = [contender("a", [1.0], []), Contender("z", 100, run)]
    (table,) = measure(Comparison("jobs", contenders), 1, lambda: None)

    assert markdown(table).endswith("| z | 100 | – | – | – |\n\nz: cannot be installed")


def test_a_table_may_count_other_work() -> None:
    """What a contender has done for one table need not be what it was told to do."""
    tables = {"run": {"jobs/s": 1.0}, "wait": {"p50 ms": 2.0}}
    one = Contender("a", 100, lambda _work: Measured(tables, work={"wait": 7}))
    found = measure(Comparison("jobs", [one], warm_up=False), 1, lambda: None)

    assert [(table.title, table.rows[0].work) for table in found] == [("run", 100), ("wait", 7)]


@pytest.mark.slow
def test_who_is_measured_beside_qw_is_told_first(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], redis_binary: str, tmp_path: Path
) -> None:
    """Their versions stand before the knobs and before any figure."""
    fake = Benchmark("fake", "measures nothing", {"knob": "on"}, lambda _setting: [], lambda: {"Other": "other 3.1"})
    monkeypatch.setattr(command, "BENCHMARKS", {"fake": fake})
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # this process is the suite's

    assert command.main(["fake", f"--json={tmp_path / 'figures.json'}"]) == 0
    said = capsys.readouterr().out
    assert re.findall(r"^[A-Z][\w ]*$", said, re.MULTILINE) == [
        "Machine",
        "Versions",
        "Versions of fake",
        "Knobs",
        "Knobs of fake",
    ]
    assert "  Other  other 3.1\n" in said


def test_figures_become_a_picture(tmp_path: Path) -> None:
    """A bar for each who was measured, of the first column; the names are in the picture as text that can be read."""
    figures, picture = tmp_path / "figures.json", tmp_path / "picture.svg"
    save(figures, {}, {"demo": [measured([])]})
    done = run_python("-m", "benchmarks.plot", str(figures), str(picture))

    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    assert all(f"<!-- {text} -->" in picture.read_text("utf-8") for text in ("demo: act — jobs/s", "a", "b"))


def test_a_picture_needs_figures(tmp_path: Path) -> None:
    """A file that is not there, or is another one, is named in one line."""
    done = run_python("-m", "benchmarks.plot", str(tmp_path / "none.json"), "picture.svg")

    assert done.returncode == 2
    assert re.fullmatch(r"benchmarks\.plot: \S+none\.json holds no figures: [^\n]+\n", done.stderr)


@pytest.mark.slow
@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", sorted(BENCHMARKS.keys() - ON_DEMAND))
def test_a_benchmark_runs(name: str, redis_binary: str, tmp_path: Path) -> None:
    """Each runs from end to end, prints machine, versions and knobs before any figure, and keeps each round's."""
    file = tmp_path / "new" / "figures.json"
    done = run_python("-m", "benchmarks", "--quick", "--jobs=10", "--runs=1", f"--json={file}", name, within=120)

    assert (done.returncode, done.stderr) == (0, "")
    before, table, figures = done.stdout.partition("\n| ")
    assert re.findall(r"^\w.*", before, re.MULTILINE) == ["Machine", "Versions", "Knobs", f"Knobs of {name}"]
    assert "redis-py" in before
    assert table
    assert re.search(r"\| [\d,.]+ \|", figures)
    saved = json.loads(file.read_text("utf-8"))
    assert saved["environment"]["Machine"]["cpu"] in before
    assert all(
        len(of) == 1 for table in saved["benchmarks"][name] for row in table["rows"] for of in row["figures"].values()
    )


@pytest.mark.slow
def test_a_worker_standing_alone_is_measured(redis_url: str, plain: redis.Redis) -> None:
    """It is there before it gets a job, runs it, and leaves nothing of itself, as `run` needs it."""
    with standing(redis_url, run.TYPED) as worker:
        assert plain.scard(f"{MANAGER}:workers") == len(worker.pids) == 1
        Client.from_url(redis_url).queue_jobs(typed(3))
        wait_until(lambda: plain.hget("all:stats", "finished") == b"3", within=10, why="three jobs run")

    assert plain.keys("*") == [b"all:stats"]


@pytest.mark.slow
def test_a_worker_that_cannot_stand_is_told(redis_url: str, capfd: pytest.CaptureFixture[str]) -> None:
    """One that ends at once is not waited for, and never measured."""
    with pytest.raises(RuntimeError, match="ended with 1 before it took jobs"), standing(redis_url, "nowhere:at_all"):
        pytest.fail("it has started")
    assert "nowhere" in capfd.readouterr().err


@pytest.mark.parametrize("writes", [True, False])
def test_what_is_started_is_compiled(writes: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python is told to write no compiled files, they are elsewhere while the benchmarks run."""
    monkeypatch.setattr(sys, "dont_write_bytecode", not writes)
    monkeypatch.setenv(NONE, "" if writes else "1")
    monkeypatch.delenv(PLACE, raising=False)
    before = dict(os.environ)
    with compiled():
        directory = os.environ.get(PLACE)
        found = [path.name for path in Path(directory).rglob("*.pyc")] if directory else []

        assert any(name.startswith("_dispatcher.") for name in found) is not writes
    assert dict(os.environ) == before
    assert directory is None or not Path(directory).exists()


def test_list_names_them_all() -> None:
    """`--list` has a line for each, and the README says what each measures."""
    done = run_python("-m", "benchmarks", "--list")

    assert [line.split()[0] for line in done.stdout.splitlines()] == list(BENCHMARKS)
    assert all(f"| `{name}` |" in README for name in BENCHMARKS)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nonsense"], f"benchmarks: nonsense is not a benchmark: use {', '.join(BENCHMARKS)}\n"),
        (["--jobs=none"], "benchmarks: --jobs=none: use a whole number, 1 or more\n"),
        (["--latency-ms=far"], "benchmarks: --latency-ms=far: use a number of milliseconds, from 0 to 10,000\n"),
        (["--plot=x.txt"], "benchmarks: x.txt: the name of a picture ends in .png, .svg, .pdf\n"),
        (["--runs=0"], "benchmarks: --runs=0: use a whole number, 1 or more\n"),
    ],
)
def test_mistakes_get_one_line(arguments: list[str], complaint: str) -> None:
    """What cannot be run is told before anything is started."""
    done = run_python("-m", "benchmarks", *arguments)

    assert (done.returncode, done.stderr, done.stdout) == (2, complaint, "")


def test_help_is_the_docstring() -> None:
    """The README shows what `--help` prints."""
    assert run_python("-m", "benchmarks", "--help").stdout.strip() in README
