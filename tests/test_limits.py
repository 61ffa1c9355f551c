"""The limit of open files: looked at before anything is started."""

from __future__ import annotations

from tests.support.programs import run_python

SCRIPT = """
import resource
from qw.errors import UsageError
from qw.manager._limits import check_descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
try:
    check_descriptors(64)
except UsageError as error:
    print(error)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def outcome(soft: int, hard: int) -> list[str]:
    """Return what a program prints that starts 64 processes under these limits."""
    done = run_python("-c", SCRIPT.format(soft=soft, hard=hard))
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_a_low_limit_is_raised() -> None:
    """Up to what is needed, where the system lets us."""
    assert outcome(100, 4000) == ["1024"]


def test_a_limit_that_cannot_be_raised_is_refused() -> None:
    """In one line that says what is wanted, what is allowed, and where to look."""
    assert outcome(100, 200) == [
        "64 worker processes want 1024 open files, and 200 are allowed: see `ulimit -n`",
        "100",
    ]


def test_a_high_limit_stays() -> None:
    """It is not lowered."""
    assert outcome(2000, 4000) == ["2000"]
