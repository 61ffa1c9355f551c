"""What an exchange is asked, and what it answers; and what a peek does, which is an exchange for one job."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, cast

import attrs

from qw.keys import to_bytes, to_str

#: 'missing': Redis does not know this start (any more). 'struck': it was taken for dead and struck off.
Status = Literal["ok", "missing", "struck"]


@attrs.frozen
class Content:
    """An outcome that carries something: a result, or why a job is tried again or buried, or would be."""

    kind: Literal["result", "bury", "crash", "retry"]
    worker: str
    job_id: str
    #: Seconds for which `result:<id>` keeps `body`; of a retry, seconds until then.
    ttl: float
    #: JSON: `{"result": ...}` or `{"error": ..., "traceback": ...}`; nothing for a retry.
    body: str
    #: Fields added to the hash of a job that is buried or tried again.
    fields: Mapping[str, str] = {}


@attrs.frozen
class Adopt:
    """Look in a worker's own list for jobs that are not in hand."""

    worker: str
    in_hand: Sequence[str]
    #: Ids that a knock announced → the queue they came from ('' for all:jobs).
    knocked: Mapping[str, str]
    #: The queue written down for any other id found there that has none, '' for all:jobs; None: those stay.
    others: str | None


@attrs.frozen
class Plan:
    """What one `exchange` is to do; ids in the order in which they were taken."""

    done: Sequence[tuple[str, Sequence[str]]] = ()
    contents: Sequence[Content] = ()
    release: Sequence[tuple[str, Sequence[str]]] = ()
    adopt: Sequence[Adopt] = ()
    want: Sequence[tuple[str, int]] = ()
    #: Of this load of outcomes and releases; the same when it is sent again. 0: there are none.
    number: int = 0
    #: Whether a job that was rescued before is in hand.
    rescued: bool = False


@attrs.frozen
class Batch:
    """Jobs for one worker: their ids, and one JSON line for each as `qw.slots` reads them."""

    worker: str
    ids: Sequence[str]
    lines: bytes


@attrs.frozen
class Exchanged:
    """What `exchange` answers."""

    status: Status
    #: Redis's clock, ms.
    now: int
    refused: frozenset[str]
    #: (id, reason) of ids that could not be read.
    dropped: Sequence[tuple[str, str]]
    #: Whether a queue still holds jobs that could be dealt.
    more: bool
    #: How many jobs that were rescued before wait for the one in hand.
    skipped: int
    batches: Sequence[Batch]


@attrs.frozen
class Peeked:
    """What `peek` answers."""

    status: Status
    #: Redis's clock, ms.
    now: int
    #: Whether a queue holds jobs.
    more: bool
    #: The job that was moved to the worker last; None: there is none, or it takes more than to be started.
    batch: Batch | None


def dump(value: object) -> bytes:
    """Encode ids and names as JSON; a lone surrogate becomes the byte it stands for."""
    return to_bytes(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def load(raw: object) -> object:
    """Decode what `dump`, or Lua's cjson of strings, has made."""
    return json.loads(to_str(cast("bytes", raw)))


def words_of(plan: Plan) -> bytes:
    """Return the part of a plan that is made of ids and names only, as JSON."""
    return dump(
        {
            "done": plan.done,
            "release": plan.release,
            "adopt": [(a.worker, a.in_hand, a.knocked, a.others) for a in plan.adopt],
            "want": plan.want,
            "number": plan.number,
            "rescued": plan.rescued,
        }
    )


def contents_of(contents: Iterable[Content]) -> list[bytes]:
    """Return what carries something, as arguments of `exchange`: six for each."""
    args: list[bytes] = []
    for c in contents:
        fields = [part for pair in c.fields.items() for part in pair]
        args += (c.kind.encode(), to_bytes(c.worker), to_bytes(c.job_id), b"%f" % c.ttl, to_bytes(c.body), dump(fields))
    return args


def status_of(reply: object) -> Status:
    """Read how Redis sees a start."""
    return cast("Status", cast("bytes", reply).decode())


def pairs_of(dropped: object) -> list[tuple[str, str]]:
    """Read ids that were dropped, and why."""
    return [(job_id, why) for job_id, why in cast("list[tuple[str, str]]", load(dropped))]


def exchanged(reply: object) -> Exchanged:
    """Read what `exchange` answers."""
    status, now, refused, dropped, more, skipped, *rest = cast("list[object]", reply)
    batches = [
        Batch(to_str(cast("bytes", worker)), cast("list[str]", load(ids)), cast("bytes", lines))
        for worker, ids, lines in zip(rest[::3], rest[1::3], rest[2::3], strict=True)
    ]
    return Exchanged(
        status_of(status),
        int(cast("bytes", now)),
        frozenset(cast("list[str]", load(refused))),
        pairs_of(dropped),
        more == 1,
        cast("int", skipped),
        batches,
    )


def peeked(reply: object, worker: str) -> Peeked:
    """Read what `peek` answers for a worker."""
    status, now, more, *job = cast("list[object]", reply)
    batch = Batch(worker, [to_str(cast("bytes", job[0]))], cast("bytes", job[1])) if job else None
    return Peeked(status_of(status), int(cast("bytes", now)), more == 1, batch)
