"""What a manager is put together from: a client, a name, a site for its dispatcher, and what makes its slots."""

from __future__ import annotations

import logging
import re
import socket
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.context import BaseContext
from typing import Final, Literal

from qw.client import Client
from qw.client.connect import dedicated
from qw.dispatcher import Site
from qw.keys import LONGEST, RESERVED
from qw.manager._settings import Settings
from qw.slots import Slot
from qw.slots.limits import Limits
from qw.slots.process import ProcessSlot
from qw.slots.task import EventLoop, TaskSlot
from qw.slots.thread import ThreadSlot
from qw.target import Target

Mode = Literal["processes", "threads"]
StartMethod = Literal["fork", "forkserver", "spawn"]

LOGGER: Final = logging.getLogger("qw.manager")
#: Seconds that the connections of a dispatcher may take to connect, or to answer while they do.
SOCKET_TIMEOUT: Final = 5.0


def default_name() -> str:
    """Return the host's name, as far as it can stand in a key: one that `check_name` takes."""
    name = re.sub(r"[\s\x00-\x1f\x7f-\x9f{}:]", "-", socket.gethostname())[:LONGEST] or "manager"
    return f"{name}-host" if name in RESERVED else name


def make_client(host: str, port: int, db: int, url: str | None, namespace: str | None) -> Client:
    if url is not None:
        return Client.from_url(url, namespace=namespace)
    return Client(host, port, db, namespace=namespace)


def make_site(
    name: str, start: str, workers: Sequence[str], client: Client, about: Mapping[str, object], settings: Settings
) -> Site:
    """Return where the dispatcher of one start works; `about` is what it says when it is ready."""
    pool = client.connection_pool
    return Site(
        manager=name,
        start=start,
        workers=workers,
        keys=client.key_names,
        connect=lambda: dedicated(pool, socket_timeout=SOCKET_TIMEOUT),
        logger=LOGGER,
        about=about,
        burst=settings.burst,
        lease=settings.lease,
        keep_dead=settings.keep_dead,
        keep_dead_for=settings.keep_dead_for,
    )


def slot_maker(
    mode: Mode, target: Target, context: BaseContext, limits: Limits
) -> Callable[[str, Callable[[], None]], Slot]:
    """Return what makes the slot of a worker, by its name and what wakes the dispatcher."""
    if mode == "processes":
        return lambda worker, wake: ProcessSlot(worker, target, context, wake, limits)
    if not target.is_async:
        return lambda worker, wake: ThreadSlot(worker, target, wake, limits)
    loop = EventLoop()
    return lambda worker, wake: TaskSlot(worker, target, loop, wake, limits)
