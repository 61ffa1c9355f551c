"""
Times and sizes: as people write them, such as `90`, `1.5h`, `30d`, `512M` and `1GiB`; and as programs give them.

Programs need not be checked by mypy: what is no number would be found out long after it was given.
"""

from __future__ import annotations

import re
from typing import Final, TypeGuard

from qw.errors import UsageError

#: Seconds that anything may be told to last: a hundred years. The system's timers go a little further.
LONGEST: Final = 36525 * 86400.0

#: Seconds.
_TIMES: Final = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
#: Bytes; by 1024, as memory is counted.
_SIZES: Final = {"": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}

_TIME: Final = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,9})?)(ms|s|m|h|d|)\Z")
_SIZE: Final = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,9})?)([kmgt]?)(?:i?b)?\Z", re.IGNORECASE)


def is_whole(value: object, least: int) -> bool:
    """Tell whether this is a whole number, `least` or more: an int, but no bool."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_number(value: object) -> TypeGuard[float]:
    """Tell whether this is a number: an int or a float, but no bool and no NaN."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value == value  # noqa: PLR0124


def is_time(value: object) -> bool:
    """Tell whether this is a number of seconds that something may be told to last: more than 0, up to `LONGEST`."""
    return is_number(value) and 0 < value <= LONGEST


def parse_duration(text: str) -> float:
    """
    Return a time in seconds: a number with `ms`, `s`, `m`, `h` or `d`, or without for seconds.

    Raises `UsageError` for anything else.
    """
    match = _TIME.match(text)
    if not match:
        raise UsageError(f"{text!r} is no time: use a number with ms, s, m, h or d, such as 90, 1.5h or 30d")
    return float(match[1]) * _TIMES[match[2]]


def parse_size(text: str) -> int:
    """
    Return a size in bytes: a number with `K`, `M`, `G` or `T` (by 1024; `MB` and `MiB` are the same), or without.

    Raises `UsageError` for anything else.
    """
    match = _SIZE.match(text)
    if not match:
        raise UsageError(f"{text!r} is no size: use a number of bytes with K, M, G or T, such as 65536, 512M or 1.5GiB")
    return int(float(match[1]) * _SIZES[match[2].lower()])
