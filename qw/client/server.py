"""What a Redis says of itself: the fields of INFO, and what in its settings puts jobs at risk."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from qw.keys import to_str
from qw.logs import say

if TYPE_CHECKING:
    from qw.logs import Logger


def info_fields(reply: object) -> Mapping[str, str]:
    """Return the fields of a reply to INFO; none of what is not one, such as the error of a user who may not ask."""
    lines = to_str(reply).splitlines() if isinstance(reply, bytes) else []
    return {name: value.strip() for name, found, value in (line.partition(":") for line in lines) if found}


def version_of(fields: Mapping[str, str]) -> tuple[int, ...]:
    """Return the version as numbers that can be compared, `(7, 2)`; empty when it is not known."""
    return tuple(int(part) for part in fields.get("redis_version", "").split(".")[:2] if part.isdecimal())


def warn(logger: Logger, info: Mapping[str, str], save: object) -> None:
    """
    Tell in the log what puts jobs at risk: a Redis that evicts keys, or that forgets all when it ends.

    `save` is the reply to CONFIG GET save; an error, where that is not permitted, leaves it open.
    """
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction":
        why = "Redis may delete jobs when it is full: set maxmemory-policy noeviction"
        say(logger, logging.WARNING, "risk", policy=policy, why=why)
    if info.get("aof_enabled") == "0" and isinstance(save, list) and save[1:] == [b""]:
        why = "all jobs are gone when Redis ends: set appendonly yes"
        say(logger, logging.INFO, "risk", persistence="none", why=why)
