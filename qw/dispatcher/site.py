"""Where a dispatcher works: what it is told at its birth."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence

import attrs
from redis.connection import AbstractConnection

from qw.dispatcher.knocker import BLOCK
from qw.dispatcher.liveness import LEASE
from qw.dispatcher.trimmer import KEEP_DEAD, KEEP_DEAD_FOR
from qw.keys import Keys


@attrs.frozen
class Site:
    """The names a dispatcher goes by, and how it reaches Redis."""

    manager: str
    start: str
    workers: Sequence[str]
    keys: Keys
    connect: Callable[[], AbstractConnection]
    logger: logging.Logger
    #: What the line says that tells it is ready.
    about: Mapping[str, object]
    #: Leave when the queues are empty.
    burst: bool = False
    #: Seconds that a knock blocks at a time; no longer than `BLOCK`.
    block: float = BLOCK
    #: Seconds without a beat after which a start is dead: the same for all managers of one Redis.
    lease: float = LEASE
    #: How many buried jobs are kept, and for how many seconds: the same for all as well.
    keep_dead: int = KEEP_DEAD
    keep_dead_for: float = KEEP_DEAD_FOR
