"""Values that are right as JSON and strange as anything else, and JSON of which one part has become such a value."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Final

#: Texts that are nearly something, or more than one expects.
TEXTS: Final[Sequence[str]] = (
    *("", " ", "a", "0", "1", "-1", "true", "null", "NaN", "Infinity", "sNaN123", "1e999990", "-1e-999990", "1" * 3000),
    *("2020-02-29", "2021-02-29", "0000-00-00", "9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59", "24:00"),
    *("2020-01-01T00:00:00+99:99", "20200101", "2020-W53-7", "2020-001", "00000000-0000-0000-0000-000000000007", "{}"),
    *("urn:uuid:00000000-0000-0000-0000-00000000000g", "\x00", "\x1b]0;x\x07", "\x9b2J", "\u202e", "\ud800", "\udcff"),
    *(
        "a\nb",
        "\u2028",
        "😀" * 50,
        "/",
        "../..",
        "a\x00b",
        "red",
        "two",
        "[1]",
        '{"a":1}',
        "`~{|}",
        "VPRomVPO",
        "\u0661",
    ),
)

NUMBERS: Final[Sequence[float]] = (
    *(0, 1, -1, 2, 3, 4, 7, 255, 2**31, 2**53 + 1, 2**63, -(2**64), 10**17, 10**400, 10**4200),
    *(0.0, -0.0, 0.5, 1.0, 1e300, 5e-324, -1e17, 86399999999999.0, float("inf"), float("-inf"), float("nan")),
)

#: How deep, at most; deeper, Python could not write it. What is deeper still comes from mutations of the text.
_DEEPEST: Final = 200


def strange(chance: Random, depth: int = 3) -> object:
    """Return a value that JSON can hold."""
    kind = chance.random()
    if kind < 0.35:
        return chance.choice(TEXTS)
    if kind < 0.6:
        return chance.choice(NUMBERS)
    if kind < 0.7:
        return chance.choice((None, True, False, [], {}))
    return _nested(chance) if kind < 0.75 or depth == 0 else _several(chance, depth)


def _several(chance: Random, depth: int) -> object:
    size = chance.choice((1, 2, 3, 3, 50) if depth > 2 else (1, 2, 3))
    if chance.random() < 0.5:
        return [strange(chance, depth - 1) for _ in range(size)]
    return {f"{chance.choice(TEXTS)}{number or ''}": strange(chance, depth - 1) for number in range(size)}


def _nested(chance: Random) -> object:
    value: object = chance.choice(TEXTS)
    name = chance.choice(("branches", "graft", "a"))
    for _ in range(chance.randint(1, _DEEPEST)):
        value = [value] if chance.random() < 0.5 else {"label": "x", name: value}
    return value


def disturbed(chance: Random, value: object) -> object:
    """Return a JSON value of which one part is another one, is missing, or is there in addition."""
    if isinstance(value, list) and value and chance.random() < 0.8:
        at = chance.randrange(len(value))
        return chance.choice(_LIST_CHANGES)(value, at, disturbed(chance, value[at]))
    if isinstance(value, dict) and value and chance.random() < 0.8:
        name = chance.choice([*value])
        change = chance.random()
        if change < 0.15:
            return {other: one for other, one in value.items() if other != name}
        if change < 0.3:
            return {**value, chance.choice(TEXTS): strange(chance)}
        return {**value, name: disturbed(chance, value[name])}
    return strange(chance)


_LIST_CHANGES: Final[Sequence[Callable[[list[object], int, object], list[object]]]] = (
    lambda items, at, one: [*items[:at], one, *items[at + 1 :]],
    lambda items, at, one: [*items[:at], one, *items[at:]],
    lambda items, at, _: items[:at] + items[at + 1 :],
    lambda items, at, _: [*items, *items[at:] * 50],
)


def disturbed_text(chance: Random, text: str) -> str:
    """Return a JSON text of which one part is another one."""
    return json.dumps(disturbed(chance, json.loads(text)), ensure_ascii=chance.random() < 0.8)


def text_of(value: object) -> bytes:
    """Return a value as JSON, in bytes that may not be UTF-8."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
