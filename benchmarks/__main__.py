"""
Measure what qw costs and gains, beside the plain design of qw 0.1.1.

Usage:
  benchmarks [--quick] [--jobs=<n>] [--runs=<n>] [--json=<file>] [--plot=<file>]
             [--latency-ms=<n>] [<name>...]
  benchmarks --list
  benchmarks --help

Options:
  --help          Show this help message
  --list          Show the names of the benchmarks
  --quick         Take fewer jobs and rounds: all benchmarks in less than two minutes
  --jobs=<n>      Set how many jobs the slowest contenders have in a round, defaults to 4000 (quick: 500)
  --runs=<n>      Set how often the contenders take turns, defaults to 5 (quick: 3)
  --json=<file>   Set where the figures of each round go, defaults to a new file in benchmarks/results/
  --plot=<file>   Draw what was measured, as PNG or SVG by the file's name; needs matplotlib (the extra `bench`)
  --latency-ms=<n>  Set how much longer a round trip to Redis takes, for all contenders [default: 0]

Run it as `python -m benchmarks`. <name> is a benchmark; all of them are run when it is left out, but for `peers`,
which installs other job queues in `.venv-bench/`. They have a Redis server of their own, and touch no other.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from docopt import docopt

from benchmarks import (
    cpu,
    environment,
    fair,
    fetch,
    idle,
    inspect_,
    io,
    latency,
    limit,
    payload,
    queue,
    run,
    scale,
    start,
)
from benchmarks.compiled import compiled
from benchmarks.measure import Comparison, Table, measure
from benchmarks.peers import bench as peers
from benchmarks.plot import check, draw
from benchmarks.report import markdown, save
from benchmarks.server import Server
from benchmarks.setting import BATCHED, Benchmark, Setting
from qw.commands.progress import Progress
from qw.errors import QwError, UsageError
from qw.logs import safe

MODULES = (queue, fetch, inspect_, run, io, cpu, latency, idle, scale, payload, fair, limit, start, peers)
BENCHMARKS = {each.BENCHMARK.name: each.BENCHMARK for each in MODULES}

#: These install packages, so they are run only when they are named.
ON_DEMAND = {peers.BENCHMARK.name}

#: Jobs and rounds; the second pair is for `--quick`.
JOBS = (4000, 500)
ROUNDS = (5, 3)

#: Milliseconds: more is no network.
MOST_LATENCY = 10_000

RESULTS = Path(__file__).with_name("results")


def main(argv: Sequence[str] | None = None) -> int:
    """Do what the command line says (None: that of the process) and return the exit code."""
    arguments = docopt(str(__doc__), argv)
    if arguments["--list"]:
        for benchmark in BENCHMARKS.values():
            print(f"{benchmark.name:<8} {benchmark.about}")
        return 0
    # As Ctrl-C does: the server and the workers are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        _act(arguments)
    except QwError as error:
        print(f"benchmarks: {error.message}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    return 0


def _act(arguments: Mapping[str, object]) -> None:
    """Read the rest of the command line, and run what it asks for."""
    quick = bool(arguments["--quick"])
    jobs, rounds = _whole(arguments, "--jobs", JOBS[quick]), _whole(arguments, "--runs", ROUNDS[quick])
    chosen = select(arguments["<name>"])
    path = Path(str(arguments["--json"] or _new_file()))
    plot = Path(str(arguments["--plot"])) if arguments["--plot"] else None
    if plot:
        check(plot)
    with compiled(), Server(_milliseconds(arguments)) as server:
        tables = _run(Setting(server, jobs, rounds, quick), chosen, path)
    if plot:
        draw(tables, plot)


def _whole(arguments: Mapping[str, object], name: str, default: int) -> int:
    text = str(arguments[name] or default)
    if not text.isdecimal() or not int(text):
        raise UsageError(f"{name}={safe(text)}: use a whole number, 1 or more")
    return int(text)


def _milliseconds(arguments: Mapping[str, object]) -> float:
    text = str(arguments["--latency-ms"])
    try:
        latency = float(text)
    except ValueError:
        latency = -1.0
    if not 0 <= latency <= MOST_LATENCY:
        raise UsageError(f"--latency-ms={safe(text)}: use a number of milliseconds, from 0 to {MOST_LATENCY:,}")
    return latency


def select(names: object) -> list[Benchmark]:
    """Return the benchmarks that a command line names; raises `UsageError` for a name that none has."""
    wanted = [str(name) for name in names] if isinstance(names, list) else []
    unknown = [name for name in wanted if name not in BENCHMARKS]
    if unknown:
        raise UsageError(f"{safe(unknown[0])} is not a benchmark: use {', '.join(BENCHMARKS)}")
    asked = wanted or BENCHMARKS.keys() - ON_DEMAND
    return [benchmark for name, benchmark in BENCHMARKS.items() if name in asked]


def _new_file() -> Path:
    return RESULTS / time.strftime("%Y-%m-%dT%H-%M-%SZ.json", time.gmtime())


def _run(setting: Setting, chosen: Sequence[Benchmark], path: Path) -> dict[str, list[Table]]:
    about = {
        "Machine": environment.machine(),
        "Versions": environment.versions(setting.server.version),
        **{f"Versions of {benchmark.name}": found for benchmark in chosen if (found := benchmark.versions())},
        "Knobs": _knobs(setting),
        **{f"Knobs of {benchmark.name}": benchmark.knobs for benchmark in chosen},
    }
    environment.show(about)
    tables: dict[str, list[Table]] = {}
    for benchmark in chosen:
        tables[benchmark.name] = []
        for comparison in benchmark.comparisons(setting):
            tables[benchmark.name] += _measured(benchmark, comparison, min(setting.rounds, comparison.most_rounds))
    save(path, about, tables)
    print(f"The figures of each round: {path}")
    return tables


def _knobs(setting: Setting) -> dict[str, str]:
    return {
        "jobs": f"{setting.jobs:,} a round for those who do one at a time, {BATCHED} times as many for the others",
        "rounds": f"{setting.rounds} if not said otherwise, in which all take turns, and one of a tenth to warm up",
        "job": "three short fields, of which qw decodes one from JSON; its target does nothing",
        "Redis": f"on this machine, over TCP (loopback{setting.server.distance}), nothing written to disk",
        "connections": "as redis-py makes them, without TLS; the plain design has replies decoded by redis-py",
        "kept on": "typed encoding and decoding (but for rows of mappings), one acknowledged finish for each job",
    }


def _measured(benchmark: Benchmark, comparison: Comparison, rounds: int) -> list[Table]:
    """Measure, and print what came out at once: who stops the run has seen the rest."""
    with Progress(f"measurements of {benchmark.name}", rounds * len(comparison.contenders)) as progress:
        count = iter(range(1, rounds * len(comparison.contenders) + 1))
        tables = measure(comparison, rounds, lambda: progress.show(next(count)))
    for table in tables:
        print(f"{markdown(table)}\n", flush=True)
    return tables


if __name__ == "__main__":
    sys.exit(main())
