"""Worker processes that die at their start: tried more and more rarely, then the manager leaves, and says so."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

import pytest
import redis

from tests.support.managers import left_in, push, waiting
from tests.support.running import Running

#: A module that the manager can import, and with which no worker process can be born.
MODULE = """
import os
os.register_at_fork(after_in_child=lambda: os._exit(1))

def target(job_id, job_data):
    pass
"""


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_leaves_with_its_own_code(plain: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    """In one line that says what to look at; the queue is as it was, and nothing is left of the manager."""
    (tmp_path / "fragile.py").write_text(MODULE)
    push(plain, "a")
    began = time.monotonic()
    with closing(Running(redis_url, "fragile:target", environment={"PYTHONPATH": str(tmp_path)})) as manager:
        code = manager.end(within=100)
        lasted = time.monotonic() - began

    assert code == 10
    assert manager.said[-1].startswith("qw-manager: the worker processes of web die at their start, again and again")
    assert not any("Traceback" in line for line in manager.said)
    # Programs that have started it themselves may not wait for its end.
    assert sum('end error="CrashLoop: ' in line for line in manager.said) == 1
    assert waiting(plain) == ["a"]
    assert left_in(plain).keys() == {"all:jobs", "job:a"}
    # With seven deaths, the pauses between them doubled, some seconds: else it would run in circles.
    assert lasted > 5
    assert sum(" crash " in line for line in manager.said) < 20
