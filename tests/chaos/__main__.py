"""
Let a fleet of managers work while it, and its Redis, are killed, stopped and cut off at random, and judge the result.

    python -m tests.chaos [--seed N] [--minutes M] [--jobs R] [--faults R] [--keep DIR]

The seed decides which jobs are queued when, and which faults come when, to whom; it is drawn and told when it is left
out. `--jobs` and `--faults` say how many in a second. What was written down (ledger, faults, logs) stays in DIR, or
wherever it is when a promise was not kept. Exit code 1 then: a job lost, a second run that no fault explains,
a result missing, a key left, or a fleet that did not come to its end.
"""

from __future__ import annotations

import argparse
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from qw import logs
from qw.commands.prove import prove
from qw.errors import QwError
from qw.prove.trial import Rates


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the arguments, make the trial, print the table, return the exit code."""
    parser = argparse.ArgumentParser("tests.chaos", None, __doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, help="which jobs and faults")
    parser.add_argument("--minutes", type=float, default=3.0, help="for how long there are faults")
    parser.add_argument("--jobs", type=float, default=Rates().jobs, help="jobs a second")
    parser.add_argument("--faults", type=float, default=Rates().faults, help="faults a second")
    parser.add_argument("--keep", type=Path, help="directory for what is written down")
    options = parser.parse_args(arguments)
    logs.setup("error")  # the producer would tell of each of its lost connections
    try:
        prove(options.seed, 60 * options.minutes, Rates(options.jobs, options.faults), options.keep)
    except QwError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
