"""Times and sizes as people write them."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qw.errors import UsageError
from qw.units import parse_duration, parse_size


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("90s", 90), ("250ms", 0.25), ("1.5h", 5400), ("2m", 120), ("30d", 2592000), ("0", 0), ("0.5", 0.5)],
)
def test_times(text: str, seconds: float) -> None:
    """A number with a unit, or of seconds."""
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("64k", 65536), ("512M", 512 * 2**20), ("1GiB", 2**30), ("1.5g", 3 * 2**29), ("2TB", 2**41), ("7b", 7)],
)
def test_sizes(text: str, size: int) -> None:
    """A number with a unit, or of bytes."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "-1", "1 s", "s", "1e3", "inf", "nan", "1y", "1.h", "٣", "1s\n", "1" * 40])
def test_what_is_neither(text: str) -> None:
    """One line that shows what was given, and what could be."""
    for parse in (parse_duration, parse_size):
        with pytest.raises(UsageError, match="such as") as caught:
            parse(text)
        assert "\n" not in caught.value.message


@given(st.text())
def test_nothing_else_is_ever_raised(text: str) -> None:
    """Whatever is given, it is a number or a usage error."""
    for parse in (parse_duration, parse_size):
        with suppress(UsageError):
            assert parse(text) >= 0


@given(st.integers(0, 10**9), st.sampled_from(["ms", "s", "m", "h", "d"]))
def test_a_time_comes_back(count: int, unit: str) -> None:
    """Whatever unit it is written in."""
    seconds = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}[unit]

    assert parse_duration(f"{count}{unit}") == pytest.approx(count * seconds)


@given(st.integers(0, 10**9), st.sampled_from(["", "K", "M", "G", "T"]), st.sampled_from(["", "B", "iB", "b"]))
def test_a_size_comes_back(count: int, prefix: str, suffix: str) -> None:
    """K, M, G and T count by 1024, however they are written."""
    size = count * 1024 ** "_KMGT".index(prefix or "_")

    assert parse_size(f"{count}{prefix}{suffix}".lower()) == parse_size(f"{count}{prefix}{suffix}") == size
