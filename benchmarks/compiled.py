"""
Compiled files for the processes that are started, also where Python is told to write none.

With `PYTHONDONTWRITEBYTECODE` in the environment, or a `-B`, each of them would compile all of qw at its start: a third
of the time until a manager takes jobs, and nothing that a program does in use.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.managing import ROOT

#: Tells Python where compiled files are, and whether it is to write none.
PLACE, NONE = "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE"

#: What the processes of the benchmarks import.
ALL = "import benchmarks.__main__, multiprocessing.spawn, qw.client.__main__, qw.manager.__main__"


@contextmanager
def compiled() -> Iterator[None]:
    """Have compiled files in a directory that is gone afterwards, unless Python keeps them beside the modules."""
    if not sys.dont_write_bytecode:
        yield
        return
    before = {name: os.environ.get(name) for name in (PLACE, NONE)}
    with tempfile.TemporaryDirectory(prefix="qw-bench-") as directory:
        os.environ.pop(NONE, None)
        os.environ[PLACE] = directory
        try:
            # Once, with nothing beside it; it is not for those who are measured to write them.
            subprocess.run([sys.executable, "-c", ALL], cwd=ROOT, check=True)
            yield
        finally:
            _set(before)


def _set(variables: dict[str, str | None]) -> None:
    """Give variables of this process these values; None: they are not there."""
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
