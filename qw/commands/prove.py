"""`qw-client prove`, and its longer brother among the tests: make a trial, print its table, say whether it holds."""

from __future__ import annotations

import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from qw.errors import QwError, UsageError
from qw.logs import safe
from qw.prove.table import lines
from qw.prove.trial import Rates, run_trial


class NotProved(QwError):
    """A trial has found a promise that was not kept."""


def prove(seed: int | None, seconds: float, rates: Rates, keep: Path | None = None) -> None:
    """
    Make a trial of `seconds`, print its table to standard output and its progress to standard error.

    Without a `seed` one is drawn and told: the same seed brings the same jobs and the same faults at the same times.
    What was written down is kept in `keep`, or wherever it is when the trial does not hold. Raises `NotProved`.
    """
    if sys.platform != "linux":
        raise UsageError("prove: needs Linux, whose /proc says which processes there are")
    seed = secrets.randbelow(10**6) if seed is None else seed
    directory = Path(tempfile.mkdtemp(prefix="qw-prove-")) if keep is None else keep
    directory.mkdir(parents=True, exist_ok=True)
    print(f"seed {seed}, in {safe(str(directory))}", file=sys.stderr)
    trial = run_trial(directory, seed, seconds, rates, lambda line: print(line, file=sys.stderr, flush=True))
    for line in lines(trial):
        print(line)
    if not trial.holds:
        raise NotProved(f"prove: a promise was not kept: the logs and the ledger are in {safe(str(directory))}")
    if keep is None:
        shutil.rmtree(directory, ignore_errors=True)
