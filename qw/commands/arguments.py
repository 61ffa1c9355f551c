"""A command line, read by docopt from the docstring that `--help` prints, and what was really said on it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from typing import TypeVar

from qw.errors import UsageError
from qw.logs import safe
from qw.units import parse_duration, parse_size

with warnings.catch_warnings():
    # docopt 0.6.2 is older than the warning that Python gives for some of its strings when it compiles them.
    warnings.simplefilter("ignore")
    from docopt import DocoptExit, docopt

__all__ = ["Arguments", "DocoptExit"]

T = TypeVar("T")

_DEFAULT = re.compile(r"\s\[default: ([^]]*)\]")
_LONG = re.compile(r"--[\w-]+")


class Arguments:
    """
    The options and words of one command line.

    An option that was left out has its default, and is not among the `given`: who says `--host` means
    it, even when the environment holds a whole URL.
    """

    def __init__(self, doc: str, argv: Sequence[str]) -> None:
        """Parse `argv`; raises docopt's `DocoptExit` where it does not fit the usage."""
        self._values = docopt(_DEFAULT.sub("", doc), list(argv), help=False)
        self._defaults = _defaults(doc)

    def given(self, name: str) -> bool:
        """Tell whether the command line itself says this."""
        return self._values[name] not in (None, False)

    def text(self, name: str) -> str | None:
        """Return what was given, else the default, else None."""
        value = self._values[name]
        return value if isinstance(value, str) else self._defaults.get(name)

    def word(self, name: str) -> str:
        """Return what cannot be missing, by the usage or by a default."""
        value = self.text(name)
        if value is None:
            raise UsageError(f"{name} is missing")
        return value

    def words(self, name: str) -> list[str]:
        """Return the words of an argument that may be repeated."""
        values = self._values[name]
        return list(values) if isinstance(values, list) else []

    def choice(self, name: str, *choices: str) -> str:
        """Return one of `choices`; raises `UsageError` for anything else."""
        value = self.word(name)
        if value not in choices:
            raise UsageError(f"{name}={safe(value)}: use {' or '.join(choices)}")
        return value

    def whole(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number, None when there is none; raises `UsageError` outside of `least` to `most`."""
        value = self.text(name)
        if value is None:
            return None
        if not re.fullmatch(r"[0-9]{1,9}", value) or not least <= int(value) <= most:
            raise UsageError(f"{name}={safe(value)}: use a whole number from {least} to {most}")
        return int(value)

    def number(self, name: str, least: float, most: float) -> float:
        """Return a number that cannot be missing; raises `UsageError` outside of `least` to `most`."""
        value = self.word(name)
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", value) or not least <= float(value) <= most:
            raise UsageError(f"{name}={safe(value)}: use a number from {least:g} to {most:g}")
        return float(value)

    def seconds(self, name: str) -> float:
        """Return a time in seconds that cannot be missing; raises `UsageError` for what is no time."""
        return _named(name, parse_duration, self.word(name))

    def duration(self, name: str) -> float | None:
        """Return a time in seconds, None when there is none; raises `UsageError` for what is no time."""
        value = self.text(name)
        return None if value is None else _named(name, parse_duration, value)

    def size(self, name: str) -> int | None:
        """Return a size in bytes, None when there is none; raises `UsageError` for what is no size."""
        value = self.text(name)
        return None if value is None else _named(name, parse_size, value)


def _named(name: str, parse: Callable[[str], T], value: str) -> T:
    try:
        return parse(value)
    except UsageError as error:
        raise UsageError(f"{name}={error.message}") from None


def _defaults(doc: str) -> dict[str, str]:
    """Return the defaults that the docstring promises, by the long names of the options."""
    found: dict[str, str] = {}
    for line in doc.splitlines():
        name, default = _LONG.search(line), _DEFAULT.search(line)
        if name and default:
            found[name[0]] = default[1]
    return found
