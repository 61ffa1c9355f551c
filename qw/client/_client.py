"""`Client`: redis-py's client with the methods of a job queue."""

from __future__ import annotations

from qw.client._looking import LookingClient
from qw.client._producing import ProducingClient
from qw.client._tending import TendingClient
from qw.client._working import WorkingClient


class Client(ProducingClient, WorkingClient, LookingClient, TendingClient):
    """
    A Redis client that queues jobs, looks at them, and waits for what comes of them.

    1. Queues typed jobs and plain ones, each once, and waits for their results.
    2. Fetches and finishes jobs, and registers workers, for programs that run them without a `Manager`.
    3. Looks at managers, workers, queues and jobs.
    4. Queues buried jobs again, or deletes them.

    It is redis-py's client as well: every command is there, and works as it is configured. qw's own methods
    take and return `str`, whatever that is; bytes that are not UTF-8 come as lone surrogates (PEP 383). They
    use connections of their own beside those of the pool: one for each thread, three while it fetches.

    While Redis is away, a method of qw's waits for it up to `patience` seconds, then raises redis-py's error. No
    connection repeats commands by itself, not even in a pool that is handed in: that would queue jobs twice.
    One client may be used from many threads, and by both sides of a fork.

    `host`, `port` and `db` say where Redis is; `namespace` puts `{namespace}:` before every key; `max_payload` is how
    many bytes the names and values of a job's fields may have to be queued, 1 MiB unless told otherwise. The other
    options are redis-py's own (`RedisOptions`), among them `connection_pool`, which then says where Redis is.
    """
