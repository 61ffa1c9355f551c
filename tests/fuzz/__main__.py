"""
Fuzz what reads text from outside, and what shows it: all of it, or what is named.

    python -m tests.fuzz [--seed N] [--minutes M] [--number K] [name...]

Each input follows from the seed, the name and its number; the seed is drawn and told when it is left out. An input is
a find when anything comes of it but what is documented, or when it takes more than 0.1 s of CPU; it is printed with
its number, and `--number K` feeds that one alone. `--minutes` are for all targets together. Exit code 1 when
anything was found.
"""

from __future__ import annotations

import argparse
import re
import secrets
import sys
import time
import traceback
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from typing import Any, Final

from qw.commands.progress import Progress
from tests.fuzz import decoding, showing, streams, words
from tests.fuzz.engine import Find, Report, Target, fuzz

#: An input can be anything: the engine passes from a target's generator to its reader what it does not look at.
TARGETS: Final[dict[str, Target[Any]]] = {
    target.name: target for target in (*decoding.TARGETS, *streams.TARGETS, *words.TARGETS, *showing.TARGETS)
}

#: Inputs that a target gets in its turn.
TURN: Final = 100
#: Characters of an input that are printed; its number brings back all of it.
PRINTED: Final = 500


def run(targets: Sequence[Target[Any]], seed: int, seconds: float) -> list[Report]:
    """Let the targets take turns for so long, and return what came of each."""
    reports = [Report(target.name) for target in targets]
    until = time.monotonic() + seconds
    with Progress("inputs", None) as progress:
        while time.monotonic() < until and not all(report.is_enough for report in reports):
            for target, report in zip(targets, reports, strict=True):
                fuzz(target, seed, report.inputs, TURN, report)
                progress.show(sum(each.inputs for each in reports))
    return reports


def table(reports: Sequence[Report]) -> Iterator[str]:
    """Yield the lines of the table."""
    yield f"{'target':<14} {'inputs':>12} {'accepted':>12} {'refused':>12} {'slowest':>10}"
    for report in reports:
        counts = f"{report.inputs:>12,} {report.accepted:>12,} {report.refused:>12,}"
        yield f"{report.name:<14} {counts} {report.slowest * 1000:>7.1f} ms"


def told(find: Find) -> Iterator[str]:
    """Yield the lines that tell of one find."""
    yield f"{find.target}: {_escaped(find.wrong[:PRINTED])}"
    if find.error is not None:
        yield from map(_escaped, traceback.format_tb(find.error.__traceback__)[-1].splitlines())
    text = ascii(find.input)
    yield f"  input: {text[:PRINTED]}{f'... ({len(text):,} characters)' if len(text) > PRINTED else ''}"
    yield f"  again: python -m tests.fuzz --seed {find.seed} --number {find.number} {find.target!r}"


def _escaped(text: str) -> str:
    # Not by `safe`, which may be what is wrong.
    return re.sub("[^ -~]", lambda match: match[0].encode("unicode_escape").decode("ascii"), text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, fuzz, print finds and table, return the exit code."""
    parser = argparse.ArgumentParser("tests.fuzz", None, __doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="which inputs")
    parser.add_argument("--minutes", type=float, default=1.0, help="for how long")
    parser.add_argument("--number", type=int, help="feed this input alone")
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(TARGETS))
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in TARGETS]:
        parser.error(f"there is no target {unknown[0]!r}: use {', '.join(TARGETS)}")
    targets = [target for name, target in TARGETS.items() if name in options.names or not options.names]
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    print(f"seed {seed}", flush=True)
    if options.number is None:
        reports = run(targets, seed, 60 * options.minutes)
    else:
        reports = [Report(target.name) for target in targets]
        for target, report in zip(targets, reports, strict=True):
            fuzz(target, seed, options.number, 1, report)
    finds = [find for report in reports for find in report.finds]
    for line in [line for find in finds for line in told(find)] + [*table(reports)]:
        print(line)
    return 1 if finds else 0


if __name__ == "__main__":
    sys.exit(main())
