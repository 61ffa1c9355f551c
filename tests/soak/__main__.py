"""
Let a manager work off a million jobs, and see that neither it nor its Redis grows.

    python -m tests.soak [--jobs N] [--minutes M] [--mode processes|threads|both]

The jobs do nothing, return something, raise on their first try, ask to be buried, or are delayed. Memory, descriptors
and threads of the manager, its workers, the producer and Redis are looked at a hundred times; after a warm-up of a
fifth of the jobs nothing may grow. In the end all jobs must be accounted for, and no key be left but the counters.
After `--minutes` no more jobs are queued. Exit code 1 when something grows or does not add up.
"""

from __future__ import annotations

import argparse
import signal
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from typing import get_args

from qw import logs
from qw.commands.progress import Progress
from tests.conftest import Mode
from tests.soak.judge import MIB, PER, Finding
from tests.soak.trial import Soaked, soak


def lines(soaked: Soaked) -> Iterator[str]:
    """Yield the table of one soak."""
    rate = soaked.jobs / soaked.seconds
    yield f"{soaked.mode}: {soaked.jobs:,} jobs in {soaked.seconds:.0f} s, {rate:,.0f} a second"
    yield f"  {'':<24} {'2nd quarter':>12} {'last quarter':>12} {f'per {PER:,}':>12}"
    for finding in soaked.findings:
        yield f"  {_row(finding)}".rstrip()
    yield from (f"  WRONG: {wrong}" for wrong in soaked.wrong)


def _row(finding: Finding) -> str:
    who, what = finding.quantity.who, finding.quantity.what
    in_bytes = what in ("memory", "full", "empty")
    unit, form = (MIB, "12.2f") if in_bytes else (1, "12.0f")
    name = f"{who} {what}{', MiB' if in_bytes else ''}"
    figures = " ".join(f"{value / unit:{form}}" for value in (finding.early, finding.late))
    return f"{name:<24} {figures} {finding.growth / unit:+12.2f}  {finding.wrong and f'WRONG: {finding.wrong}'}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, soak, print the tables, return the exit code."""
    parser = argparse.ArgumentParser("tests.soak", None, __doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="how many jobs, in each mode")
    parser.add_argument("--minutes", type=float, default=60.0, help="for how long jobs are queued, in each mode")
    parser.add_argument("--mode", choices=[*get_args(Mode), "both"], default="both", help="one mode only")
    parser.add_argument("--redis-server", help="which server to start")
    options = parser.parse_args(arguments)
    logs.setup("error")
    # As Ctrl-C does: the server and the manager are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    modes: Sequence[Mode] = get_args(Mode) if options.mode == "both" else [options.mode]
    well = True
    for mode in modes:
        try:
            with Progress("jobs", options.jobs) as progress:
                soaked = soak(mode, options.jobs, 60 * options.minutes, progress.show, options.redis_server)
        except AssertionError as error:
            print(f"{mode}: {error}", file=sys.stderr)
            well = False
            continue
        print("\n".join(lines(soaked)), flush=True)
        well = well and soaked.holds
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
