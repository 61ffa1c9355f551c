"""
What `qw-client dead` does with buried jobs: show them, queue them again, delete them; some, all, or all of a type.

A job that is not buried any more is passed over and told; the others are seen to nevertheless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from qw.commands.arguments import Arguments
from qw.commands.reads import Row
from qw.commands.running import complain
from qw.commands.times import shown
from qw.errors import UnknownName, UsageError
from qw.logs import ascii_json, safe

if TYPE_CHECKING:
    from qw.client import Client, JobInfo

#: Jobs that are looked at, or acted on, at a time.
_AT_ONCE: Final = 1000

#: What stands in a column that has nothing to say.
_NOTHING: Final = "-"
_NO_HASH: Final = "job:{} is no hash, or is not there"


def rows(client: Client, type_name: str | None) -> Iterator[Row]:
    """Yield the buried jobs, of one type or all, the oldest first, each with when and why it was buried."""
    for job_id, info in _infos(client, list(client.get_dead_jobs())):
        if type_name is None or (info and info.type == type_name):
            yield {
                "id": job_id,
                "type": (info and info.type) or _NOTHING,
                "dead_at": _moment(info.dead_at if info else None),
                "error": info.error if info else _NO_HASH.format(job_id),
            }


def show_whole(client: Client, ids: Sequence[str], *, as_json: bool) -> None:
    """Print all that is known of some buried jobs. Raises `UnknownName` before that when one is not buried."""
    buried = frozenset(client.get_dead_jobs())
    for job_id in ids:
        if job_id not in buried:
            raise UnknownName(f"{safe(job_id)} is not buried: `qw-client dead` shows what is")
    for job_id, info in _infos(client, ids):
        whole = _whole(job_id, info)
        print(ascii_json(whole) if as_json else "\n".join(_block(whole)))


def _whole(job_id: str, info: JobInfo | None) -> dict[str, object]:
    if info is None:
        return {"id": job_id, "error": _NO_HASH.format(job_id)}
    return {
        "id": job_id,
        "type": info.type or _NOTHING,
        "queue": info.queue or "all:jobs",
        "queued_at": _moment(info.queued_at),
        "dead_at": _moment(info.dead_at),
        "worker": info.worker or _NOTHING,
        "tries": info.tries,
        "crashes": info.crashes,
        "rescues": info.rescues,
        "error": info.error,
        "data": info.data,
        "traceback": info.traceback,
    }


def _block(whole: Mapping[str, object]) -> Iterator[str]:
    """Yield a job as lines: a name and a value each; what has parts comes below its name, indented."""
    for name, value in whole.items():
        if isinstance(value, Mapping):
            yield name
            yield from (f"    {_safe(field)}\t{_safe(text)}" for field, text in value.items())
        elif name == "traceback":
            yield name
            yield from (f"    {_safe(line)}" for line in str(value).splitlines())
        else:
            yield f"{name}\t{_safe(str(value))}"


def _safe(text: str) -> str:
    return safe(text, len(text))  # whole: it is there to be read


def act(client: Client, arguments: Arguments) -> None:
    """
    Requeue or delete the jobs that the command line names, and print their ids.

    Raises `UnknownName` when some were not buried, after the others were seen to.
    """
    do = client.requeue_dead_jobs if arguments.given("requeue") else client.delete_dead_jobs
    missed = 0
    chosen = _chosen(client, arguments)
    for at in range(0, len(chosen), _AT_ONCE):
        ids = chosen[at : at + _AT_ONCE]
        for job_id, was_done in zip(ids, do(ids), strict=True):
            if was_done:
                print(_safe(job_id))
            else:
                missed += 1
                complain(f"{safe(job_id)} is not buried, or no job any more")
    if missed:
        raise UnknownName(f"{missed} of {len(chosen)} passed over; the others are done")


def _chosen(client: Client, arguments: Arguments) -> list[str]:
    """Return the ids that the command line names. Raises `UsageError` unless it does so in one way."""
    ids, type_name = arguments.words("<id>"), arguments.text("--type")
    if (bool(ids), arguments.given("--all"), type_name is not None).count(True) != 1:
        raise UsageError("say which jobs: their ids, or --type=<name>, or --all")
    if ids:
        return ids
    # All of them first: a job that is run and buried again meanwhile is not to come up a second time.
    buried = list(client.get_dead_jobs())
    if type_name is None:
        return buried
    return [job_id for job_id, info in _infos(client, buried) if info and info.type == type_name]


def _infos(client: Client, ids: Sequence[str]) -> Iterator[tuple[str, JobInfo | None]]:
    for at in range(0, len(ids), _AT_ONCE):
        chunk = ids[at : at + _AT_ONCE]
        yield from zip(chunk, client.get_jobs(chunk), strict=True)


def _moment(seconds: float | None) -> str:
    return _NOTHING if seconds is None else shown(seconds)
