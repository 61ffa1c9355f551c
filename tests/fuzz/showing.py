"""Fuzzing what makes text fit to be shown: whatever goes in, nothing comes out that a terminal obeys or that hides."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Final

from qw.keys import to_str
from qw.logs import LIMIT, ascii_json, redact, safe, shown
from tests.fuzz.engine import Target
from tests.fuzz.mutation import mutated, noise
from tests.fuzz.strange import TEXTS

_WORDS: Final = (
    *(
        "a1b2",
        "größe 日本語",
        "x outcome=fine",
        'a"b\\',
        "redis://ann:secret@host:6379/1?db=2",
        "unix:///run/redis.sock",
    ),
    *TEXTS,
)

#: What Unicode says is to be drawn as nothing (Default_Ignorable_Code_Point), and separators: what hides, or turns.
_HIDING: Final = (
    *((0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F)),
    *((0x200B, 0x200F), (0x2028, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    *((0xFFA0, 0xFFA0), (0xFFF0, 0xFFFB), (0x1BCA0, 0x1BCA3), (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF)),
)
#: Controls of terminals, and halves of surrogate pairs, which no stream can encode.
_OBEYED: Final = ((0, 0x1F), (0x7F, 0x9F), (0xD800, 0xDFFF))

_RANGES: Final = (*_OBEYED, *_HIDING)

FORBIDDEN: Final = frozenset(chr(code) for first, last in _RANGES for code in range(first, last + 1))


def make_text(chance: Random) -> str:
    """Return any text: mutated, of random bytes, or of random characters, the forbidden ones among them."""
    kind = chance.random()
    if kind < 0.5:
        return to_str(mutated(chance, chance.choice(_WORDS).encode("utf-8", "surrogatepass")))
    if kind < 0.6:
        return to_str(noise(chance, 400))
    bad = [chr(chance.randint(*chance.choice(_RANGES))) for _ in range(5)]
    some = [*bad, *(chr(chance.randrange(0x110000)) for _ in range(5)), *"abc=\"'\\ …"]
    return "".join(chance.choices(some, k=chance.choice((1, 20, 199, 200, 201, 500))))


def show(show: Callable[[str], str], most: int | None, text: str) -> bool:
    """Show a text; `most` are the characters that it may come to. True: as it was."""
    out = show(text)
    if bad := FORBIDDEN.intersection(out):
        raise ValueError(f"{sorted(bad)} in {out}")
    if most is not None and len(out) > most:
        raise ValueError(f"{len(out)} characters are shown, and {most} would be enough")
    return out == text


def _json(text: str) -> str:
    out = ascii_json({text: [text]})
    if not out.isascii():
        raise ValueError(f"not ASCII: {out}")
    json.loads(out)
    return out


#: An escape of one character takes ten at most; quotes are two more.
_MOST: Final = 10 * LIMIT + 2

TARGETS: Final = (
    Target("safe", make_text, partial(show, safe, _MOST)),
    Target("shown", make_text, partial(show, shown, _MOST)),
    Target("redact", make_text, partial(show, redact, _MOST)),
    Target("ascii_json", make_text, partial(show, _json, None)),
)
