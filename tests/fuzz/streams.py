"""Fuzzing what reads streams, in whatever pieces they arrive: the JSON of `qw-client`, and the replies of Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from random import Random
from typing import Final, TypeAlias

import attrs

from qw.commands.intake import Object, plain, read_jobs
from qw.commands.typed import Typed
from qw.errors import BadJSON, JobError
from qw.job import job_type
from qw.logs import safe
from qw.wire import NOTHING, Reader
from tests.fuzz.engine import Target
from tests.fuzz.kinds import RIGHT, Unions
from tests.fuzz.mutation import LONGEST, cut, mutated, noise
from tests.fuzz.strange import TEXTS, disturbed, strange, text_of

#: What was read before the end, or before an error; and the error.
Outcome: TypeAlias = tuple[list[object], str]

Make: TypeAlias = Callable[[Object], object]


@attrs.define
class Pieces:
    """A stream of which a piece arrives at a time."""

    left: list[bytes]

    def read1(self, size: int, /) -> bytes:  # noqa: ARG002 - the pieces are what this is about
        """Return the next piece; b"" at the end."""
        return self.left.pop(0) if self.left else b""


def make_json(chance: Random) -> list[bytes]:
    """Return jobs in one of the forms that there are, mostly wrong somewhere, in pieces."""
    jobs: list[object] = [strange(chance) for _ in range(chance.randint(0, 2))]
    jobs += [{name: json.loads(text) for name, text in RIGHT[-1][1].items() if name != "name"}]
    if chance.random() < 0.2:
        jobs = [{f"{chance.choice(TEXTS)}{number}": number for number in range(chance.choice((3, 4000)))}]
    if chance.random() < 0.5:
        jobs = [disturbed(chance, job) for job in jobs]
    raw = text_of(jobs) if chance.random() < 0.5 else b"\n".join(map(text_of, jobs))
    if chance.random() < 0.1:
        # A name that is there twice, the last one of very many.
        names = [*range(chance.choice((3, 6000)))]
        raw = b"{%b}" % b",".join(b'"%d":1' % number for number in [*names, names[-1]])
    return cut(chance, (mutated(chance, raw) if chance.random() < 0.7 else raw)[:LONGEST])


def _read(make: Make, pieces: Iterable[bytes]) -> Outcome:
    jobs: list[object] = []
    try:
        for some in read_jobs(Pieces([*pieces]), make):
            jobs += some
    except (BadJSON, JobError) as error:
        return jobs, safe(error.message, 2000)
    return jobs, ""


def read_json(make: Make, pieces: Sequence[bytes]) -> bool:
    """Read jobs; the same ones, and the same error, as when all of the stream is there at once."""
    found, whole = _read(make, pieces), _read(make, [b"".join(pieces)] if pieces else [])
    if repr(found) != repr(whole):
        raise ValueError(f"in pieces {found!r:.300}, at once {whole!r:.300}")
    return not found[1]


def make_replies(chance: Random) -> list[bytes]:
    """Return replies of Redis, some of them mutated, in pieces."""
    raw = b"".join(_reply(chance, 4) for _ in range(chance.randint(1, 3)))
    if chance.random() < 0.05:
        raw = b"*1\r\n" * chance.choice((10, 500, 5000, 16_000)) + raw
    return cut(chance, (mutated(chance, raw) if chance.random() < 0.7 else raw)[:LONGEST])


def _reply(chance: Random, depth: int) -> bytes:
    kind = chance.choice("$$:+-*nN" if depth else "$:+-nN")
    if kind == "*":
        items = [_reply(chance, depth - 1) for _ in range(chance.choice((0, 1, 3, 20)))]
        return b"*%d\r\n%b" % (len(items), b"".join(items))
    raw = noise(chance)
    line = raw.replace(b"\r", b"").replace(b"\n", b"")
    made = {
        "$": b"$%d\r\n%b\r\n" % (len(raw), raw),
        ":": b":%d\r\n" % chance.choice((0, 1, -1, 2**63 - 1)),
        "+": b"+%b\r\n" % line,
        "-": b"-ERR %b\r\n" % line,
        "n": b"$-1\r\n",
        "N": b"*-1\r\n",
    }
    return made[kind]


def replies(new: Callable[[], Reader], pieces: Iterable[bytes]) -> tuple[list[str], bool]:
    """Return what a reader makes of the pieces, and whether it refused the rest."""
    reader, found = new(), list[str]()
    try:
        for piece in pieces:
            reader.feed(piece)
            while (reply := reader.get()) is not NOTHING:
                found.append(repr(reply))
    except ValueError:
        return found, True
    return found, False


def read_replies(new: Callable[[], Reader], pieces: Sequence[bytes]) -> bool:
    """Read replies; the same ones as when all of the stream is there at once."""
    found, whole = replies(new, pieces), replies(new, [b"".join(pieces)])
    if found != whole:
        raise ValueError(f"in pieces {found!r:.300}, at once {whole!r:.300}")
    return not found[1]


TARGETS: Final = (
    Target("intake", make_json, partial(read_json, plain), readings=2),
    Target("typed intake", make_json, partial(read_json, Typed(job_type(Unions))), readings=2),
    Target("replies", make_replies, partial(read_replies, Reader), readings=2),
)
