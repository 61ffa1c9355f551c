"""Every command of a manager's life, struck once: nothing lost, nothing left over, no second run without a reason."""

from __future__ import annotations

import pytest

from tests.support.programs import run_python


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_point_is_found_weak(redis_binary: str) -> None:
    """
    A process of its own, since it has a fork server that must have nothing of this one's.

    In one mode: the dispatcher is the same in both, and `python -m tests.crashpoints` strikes it in the other one too.
    """
    done = run_python("-m", "tests.crashpoints", "--mode=processes", "--redis-server", redis_binary, within=280)

    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
