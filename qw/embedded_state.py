"""
The directory of an embedded Redis: whose it is, what wrote the data in it, and where its socket is.

    users, *.lock     locks, see `qw.keeper`
    server.json       the redis-server that wrote the data, its version, and its socket
    redis.log         what the server said since it was started
    redis.sock        the socket, unless the path is too long for one
    appendonly…       the data
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Final

import attrs

from qw.embedded_binary import Binary
from qw.errors import EmbeddedError
from qw.logs import safe

#: Bytes of a path that the address of a unix socket has room for.
LONGEST_SOCKET: Final = 103 if sys.platform == "darwin" else 107

LOG: Final = "redis.log"

_RECORD: Final = "server.json"

# How much of the end of a log is read to find its last line, bytes.
_TAIL: Final = 4096


@attrs.frozen
class Record:
    """What `server.json` says of the last start: by which redis-server, and where it listens."""

    binary: Binary
    socket: str


def make_private(state: str | os.PathLike[str] | None) -> Path:
    """
    Return the real path of the state directory, made if need be, mode 0700.

    None is `qw` in $XDG_STATE_HOME, and that is `~/.local/state` unless set to an absolute path.
    Raises `EmbeddedError` for a directory that is another user's, or open to others and in use.
    """
    if state is None:
        base = Path(os.environ.get("XDG_STATE_HOME", ""))
        state = (base if base.is_absolute() else Path("~/.local/state")) / "qw"
    try:
        path = Path(state).expanduser().resolve()
    except RuntimeError:
        raise EmbeddedError("embedded Redis: you have no home directory for it: choose one with --state") from None
    path.mkdir(0o700, parents=True, exist_ok=True)
    if _mode(path) & 0o077 and not any(path.iterdir()):
        path.chmod(0o700)
    _check_private(path)
    return path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def _check_private(path: Path) -> None:
    """Raise `EmbeddedError` unless `path` is a directory that is this user's alone."""
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
        raise EmbeddedError(f"embedded Redis: {safe(str(path))} is no directory of yours: choose another --state")
    if _mode(path) & 0o077:
        raise EmbeddedError(
            f"embedded Redis: others can get into {safe(str(path))}: chmod 700 it, or choose another --state"
        )


def read_record(state: Path) -> Record | None:
    """Return what the last start wrote down; None when there was none. Raises `EmbeddedError` for a spoilt record."""
    path = state / _RECORD
    try:
        held = json.loads(path.read_bytes())
        return Record(Binary(str(held["binary"]), str(held["version"])), str(held["socket"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        raise EmbeddedError(
            f"embedded Redis: {safe(str(path))} does not say which Redis wrote the data beside it: "
            "remove it if that was none newer than yours, or choose another --state"
        ) from None


def write_record(state: Path, record: Record) -> None:
    """Write down a start, before it is made: the next server must know which one may have written the data."""
    path = state / _RECORD
    draft = path.with_suffix(".new")
    told = {"binary": record.binary.path, "version": record.binary.version, "socket": record.socket}
    draft.write_text(json.dumps(told) + "\n", "utf-8")
    draft.replace(path)


def socket_path(state: Path) -> str:
    """
    Return where the socket of `state` is to be.

    That is in it, or where the path would be too long in a short directory of its own, which is made: under
    $XDG_RUNTIME_DIR or among the temporary files, for this user alone. Raises `EmbeddedError` if that is too long too.
    """
    path = state / "redis.sock"
    if _fits(path):
        return str(path)
    name = f"qw-{os.geteuid()}-{hashlib.sha256(os.fsencode(state)).hexdigest()[:16]}"
    for base in (os.environ.get("XDG_RUNTIME_DIR", ""), tempfile.gettempdir(), "/tmp"):  # noqa: S108 - checked below
        path = Path(base, name, "redis.sock")
        if path.is_absolute() and _fits(path) and os.access(base, os.W_OK):
            with contextlib.suppress(FileExistsError):
                path.parent.mkdir(0o700)
            _check_private(path.parent)  # where everybody may write, anybody may have made it first
            return str(path)
    raise EmbeddedError(f"embedded Redis: {safe(str(state))} is too long for a unix socket: choose another --state")


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST_SOCKET


def last_log_line(state: Path) -> str:
    """Return the last line that the server said, safe to show."""
    with (state / LOG).open("rb") as log:
        log.seek(max(log.seek(0, os.SEEK_END) - _TAIL, 0))
        lines = log.read().decode("utf-8", "replace").split("\n")
    said = (safe(line.strip()) for line in reversed(lines) if line.strip())
    return next(said, "it said nothing")
