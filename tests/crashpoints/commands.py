"""What a command of a manager is called, and of which jobs it carries the outcome."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final

import attrs

from qw.keys import to_str
from qw.scripts._script import Script
from tests.support.modules import PACKAGE

#: Kinds of outcomes with content; each is followed by its worker and its job.
KINDS: Final = (b"result", b"bury", b"crash", b"retry")
#: What an exchange has to do, in its plan and in our words.
PARTS: Final = {"done": "finish", "release": "release", "adopt": "adopt", "want": "fetch"}


@cache
def _scripts() -> dict[bytes, str]:
    """Return the name of each script, by its SHA-1 and by its text."""
    names: dict[bytes, str] = {}
    for path in (PACKAGE / "lua").glob("[!_]*.lua"):
        script = Script.load(path.stem)
        names[script.sha.encode()] = path.stem
        names[script.source] = f"{path.stem}, as text"
    return names


@attrs.frozen
class Sent:
    """One command: its name, and the jobs whose outcome it carries."""

    name: str
    outcomes: Sequence[str] = ()

    @classmethod
    def of(cls, words: Sequence[bytes]) -> Sent:
        """Name a command by its script and what that has to do, or by its first words."""
        verb = words[0].upper().decode()
        if verb not in ("EVALSHA", "EVAL"):
            return cls(_plain(verb, words))
        name = _scripts().get(words[1], "a script")
        if not name.startswith("exchange"):
            return cls(name)
        parts, outcomes = _exchange(words)
        return cls(f"{name}: {'+'.join(parts) or 'nothing'}", outcomes)

    def taken(self, reply: object) -> Sequence[str]:
        """Return the jobs whose outcome Redis has taken, by what it answers."""
        if not self.outcomes or not isinstance(reply, list) or reply[0] == b"struck":
            return ()
        refused: list[str] = json.loads(to_str(reply[2]))
        return [job_id for job_id in self.outcomes if job_id not in refused]

    @property
    def blocks(self) -> bool:
        """Whether Redis may take its time to answer."""
        return self.name.startswith("BLMOVE")


def _plain(verb: str, words: Sequence[bytes]) -> str:
    if verb == "CLIENT":
        return f"CLIENT {words[1].upper().decode()}"
    if verb == "BLMOVE":
        return f"BLMOVE {'all:jobs' if words[1] == b'all:jobs' else '<manager>:jobs'}"
    return verb


def _exchange(words: Sequence[bytes]) -> tuple[list[str], list[str]]:
    at = next(n for n, word in enumerate(words) if n > 2 and word.startswith(b'{"'))
    plan: dict[str, Any] = json.loads(to_str(words[at]))
    parts = [ours for theirs, ours in PARTS.items() if plan.get(theirs)]
    contents = list(_contents(words[at + 1 :]))
    done = [job_id for _, ids in plan.get("done", ()) for job_id in ids]
    return [*sorted({kind for kind, _ in contents}), *parts], [*done, *(job_id for _, job_id in contents)]


def _contents(words: Sequence[bytes]) -> Iterator[tuple[str, str]]:
    for n, word in enumerate(words[:-2]):
        if word in KINDS:
            yield word.decode(), to_str(words[n + 2])
