"""
Strike a manager at every command of its life, let a healthy one finish, and look what is left.

    python -m tests.crashpoints [--all | --pairs] [--mode=<mode>] [--only=<words>]

Without an option: the first command of each name, before it is passed on, after Redis
has taken it, and after the reply; once with `kill -9` of the manager, once with that connection cut. `--all`: every
command. `--pairs`: a second point strikes the same manager, or when it was killed the one that recovers. `--only`:
points whose name holds these words.
Exit code 1 when a job is lost, a key is left, a second run has no reason, or a manager hangs.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, get_args

from tests.conftest import Mode
from tests.crashpoints.scenario import RESCUES
from tests.crashpoints.table import Lanes, Order, Table, faults, numbered, points, select

#: Of the commands of one name, how many of the first are struck.
FEW: Final = 1


def singles(dry: Table, most: int | None, only: str) -> Iterator[Order]:
    """Return each point of each mode, once."""
    for finding in dry.findings:
        for point in points(select(numbered(finding.names), most), faults()):
            if only in str(point):
                yield finding.mode, (point,)


def pairs(dry: Table, only: str) -> Iterator[Order]:
    """Return each pair of first commands of a name, with each fault."""
    for finding in dry.findings:
        first = [command for command in numbered(finding.names) if command[1] == 1]
        for fault in faults():
            for one, other in itertools.product(points(first, [fault]), repeat=2):
                if only in str(one):
                    yield finding.mode, (one, other)


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, make the trials, print the table, return the exit code."""
    parser = argparse.ArgumentParser("tests.crashpoints", None, __doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every command")
    parser.add_argument("--pairs", action="store_true", help="pairs of points")
    parser.add_argument("--mode", choices=get_args(Mode), help="one mode only")
    parser.add_argument("--only", default="", help="points whose name holds these words")
    parser.add_argument("--redis-server", help="which server to start")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    modes: Sequence[Mode] = [options.mode] if options.mode else get_args(Mode)
    with tempfile.TemporaryDirectory(prefix="qw-crash-") as directory:
        lanes = Lanes(Path(directory), options.redis_server)
        dry, table = Table(), Table()
        lanes.run([(mode, ()) for mode in modes], dry)
        if not dry.bad:
            some = singles(dry, None if options.all else FEW, options.only)
            lanes.run(pairs(dry, options.only) if options.pairs else some, table)
    for line in [*dry.lines(), *table.lines()]:
        print(line)
    missed = len(table.missed)
    print(f"{len(table.findings)} trials in {time.monotonic() - began:.0f} s; {missed} points did not come")
    if not RESCUES:
        print("no kills: this manager cannot rescue")
    return 1 if dry.bad or table.bad or not table.findings else 0


if __name__ == "__main__":
    sys.exit(main())
