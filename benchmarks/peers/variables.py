"""What the processes of a peer are told, by their environment; this module needs nothing but Python."""

from __future__ import annotations

import os
from typing import Final

#: The URL of the Redis server.
URL: Final = "QW_BENCH_URL"

#: How many jobs a process may run at once, where that is not said on its command line.
AT_ONCE: Final = "QW_BENCH_AT_ONCE"

#: How many jobs a process takes ahead of those that it runs, where a peer can be told.
AHEAD: Final = "QW_BENCH_AHEAD"

#: How often a process looks for jobs, in seconds, where it looks and is not woken.
POLL: Final = "QW_BENCH_POLL"

#: Which of several kinds of queue, where a peer has them.
KIND: Final = "QW_BENCH_KIND"

#: Seconds that a client of redis-py waits for a reply; its own default when this is not set.
PATIENCE: Final = "QW_BENCH_PATIENCE"


def url() -> str:
    """Return the URL of the Redis server."""
    return os.environ[URL]


def at_once(default: int) -> int:
    """Return how many jobs a process may run at once."""
    return int(os.environ.get(AT_ONCE, default))


def ahead(default: int) -> int:
    """Return how many jobs a process takes ahead."""
    return int(os.environ.get(AHEAD, default))


def poll(default: float) -> float:
    """Return the seconds between two looks."""
    return float(os.environ.get(POLL, default))


def kind(default: str) -> str:
    """Return the kind of queue."""
    return os.environ.get(KIND, default)


def patience() -> dict[str, float]:
    """Return what clients of redis-py are made with, beside the URL."""
    return {"socket_timeout": float(os.environ[PATIENCE])} if PATIENCE in os.environ else {}
