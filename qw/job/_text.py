"""
JSON text, and the fast lanes: how `str`, `int`, `float` and `bool` are written and read without cattrs.

Python's own JSON, so `NaN` and `Infinity` are written as it writes them. Everything comes out in
ASCII: half a surrogate pair, as in a file name that is not UTF-8, survives inside of JSON.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from json.scanner import make_scanner
from typing import Any, Final, cast

import attrs

from qw.job._misfit import Misfit, wanted


@attrs.frozen
class Codec:
    """How values of one type are written as the text of a field, and read back; both raise on what does not fit."""

    put: Callable[[object], str]
    take: Callable[[str], object]


dumps: Final[Callable[[object], str]] = json.JSONEncoder(separators=(",", ":")).encode

# What json.loads comes down to, without the three calls around it: half the time for a number. The cast is for
# typeshed, which has the function's own type for its argument.
_scan: Final = make_scanner(cast("Any", json.JSONDecoder()))

_UNREAL: Final = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def loads(text: str) -> object:
    """Return what a JSON text holds; raises `Misfit` for one that is none, or was not UTF-8."""
    if not text.isascii():
        take_str(text)
    try:
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except StopIteration:
        pass
    return _loads_slowly(text)


def _loads_slowly(text: str) -> object:
    # White space around the value is right; anything else gets json's own words for what is wrong.
    try:
        value: object = json.loads(text)
    except json.JSONDecodeError as error:
        raise Misfit(f"{wanted('JSON', text).reason} ({error.msg}, character {error.pos + 1})") from None
    return value


def take_str(text: str) -> str:
    """Return the text of a `str` field, which is stored as it is."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise Misfit("not UTF-8: it holds half a surrogate pair") from None
    return text


def put_str(value: object) -> str:
    """Return what is stored for a `str` field: the text as it is."""
    if type(value) is str and value.isascii():
        return value
    if isinstance(value, str):
        # A member of a StrEnum is a str as well, whose own __str__ may say anything.
        return take_str(value if type(value) is str else str.__str__(value))
    raise wanted("str", value)


def put_int(value: object) -> str:
    """Write a whole number; `True` is none."""
    if type(value) is int:
        return repr(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int.__repr__(value)
    raise wanted("int", value)


def take_int(text: str) -> int:
    """Read a whole number; `true`, `1.0` and `"1"` are none."""
    value = loads(text)
    if type(value) is int:
        return value
    raise wanted("int", value)


def put_float(value: object) -> str:
    """Write a number, whole ones too."""
    if isinstance(value, (float, int)) and not isinstance(value, bool):
        text = repr(float(value))
        return _UNREAL.get(text, text)
    raise wanted("float", value)


def take_float(text: str) -> float:
    """Read a number, whole ones too."""
    value = loads(text)
    if type(value) is float or type(value) is int:
        return float(value)
    raise wanted("float", value)


def put_bool(value: object) -> str:
    """Write `true` or `false`; 0 and 1 are neither."""
    if value is True:
        return "true"
    if value is False:
        return "false"
    raise wanted("bool", value)


def take_bool(text: str) -> bool:
    """Read `true` or `false`; 0 and 1 are neither."""
    value = loads(text)
    if isinstance(value, bool):
        return value
    raise wanted("bool", value)


#: A field declared exactly `str`.
RAW: Final = Codec(put_str, take_str)

#: The types whose JSON needs no cattrs.
FAST: Final[dict[object, Codec]] = {
    int: Codec(put_int, take_int),
    float: Codec(put_float, take_float),
    bool: Codec(put_bool, take_bool),
}
