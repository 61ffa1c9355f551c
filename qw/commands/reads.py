"""What `qw-client` shows of managers, workers and queues, a row at a time: a list may be longer than memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, cast

from qw.commands.times import shown
from qw.errors import UnknownName
from qw.keys import to_str
from qw.logs import ascii_json, safe

if TYPE_CHECKING:
    from qw.client import Client

#: A row by the names of its columns; in plain text None is left out.
Row = dict[str, str | None]


def managers(client: Client) -> Iterator[Row]:
    """Yield all managers."""
    for manager in client.get_all_managers():
        yield {"manager": manager}


def workers(client: Client, manager: str | None) -> Iterator[Row]:
    """Yield the workers of one manager, or of all. Raises `UnknownName`."""
    if manager is not None:
        check_manager(client, manager)
    owners = client.get_all_managers() if manager is None else [manager]
    for owner, names in zip(owners, _workers_of(client, owners), strict=True):
        for worker in names:
            yield {"worker": worker, "manager": owner}


def _workers_of(client: Client, managers: list[str]) -> list[list[str]]:
    """Return each manager's workers, sorted, whatever they are called: `Client` asks only for names that can be."""
    with client.pipeline(transaction=False) as pipeline:
        for manager in managers:
            pipeline.smembers(client.key_names.workers(manager))
        replies = cast("list[set[bytes]]", pipeline.execute())
    return [sorted(map(to_str, names)) for names in replies]


def jobs(client: Client, manager: str | None) -> Iterator[Row]:
    """
    Yield the jobs that are queued, then those that a worker has; of one manager, or all. Raises `UnknownName`.

    A manager that has left may have jobs in its queue still: they are shown.
    """
    if manager is None:
        queued = client.get_all_queued_jobs()
    else:
        queued = ((manager, job_id) for job_id in client.get_manager_queued_jobs(manager))
    found = False
    for owner, job_id in queued:
        found = True
        yield {"id": job_id, "state": "queued", "manager": owner, "worker": None}
    if manager is not None and not found:
        check_manager(client, manager)
    mine = None if manager is None else frozenset(_workers_of(client, [manager])[0])
    for worker, job_id in client.get_all_pending_jobs():
        if mine is None or worker in mine:
            yield {"id": job_id, "state": "pending", "manager": None, "worker": worker}


def scheduled(client: Client) -> Iterator[Row]:
    """Yield the delayed jobs and when they are due, the next one first."""
    for job_id, due in client.get_all_scheduled_jobs():
        yield {"id": job_id, "due": shown(due)}


def check_manager(client: Client, manager: str) -> None:
    """Raise `UnknownName` for a manager that is not registered, with those that are."""
    known = client.get_all_managers()
    if manager not in known:
        shown = ", ".join(safe(name) for name in sorted(known)[:10]) or "none"
        raise UnknownName(f"there is no manager '{safe(manager)}' (registered: {shown})")


def show(rows: Iterable[Row], *, as_json: bool) -> None:
    """
    Print rows to standard output, one a line: columns with tabs between them, or a JSON object.

    Ids and names come from whoever can write to Redis: both forms show nothing that a terminal obeys.
    """
    for row in rows:
        print(ascii_json(row) if as_json else "\t".join(_shown(text) for text in row.values() if text is not None))


def _shown(text: str) -> str:
    return safe(text, len(text))  # whole: it is there to be copied
