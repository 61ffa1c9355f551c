"""
Starts on the same host: who gets the lock of another start's file knows that it is dead, without waiting for a lease.

Each start holds `fcntl.lockf` on a file named for it, in a directory of this user's. The system lets go of the
lock when the process is gone, however it went; a paused one keeps it. (`flock` would be kept by forked
children, and a process id means nothing in another container.) The lock belongs to the process: closing any
descriptor of the file gives it up, so the files of starts in this very process are never opened again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from qw.keys import to_bytes

SUFFIX: Final = ".start"
#: Longer names are shortened: a file's may have 255 bytes.
LONGEST: Final = 200
#: Bytes that no file's name may have. Names of starts are what stands in Redis, where anybody may write anything.
UNFIT: Final = frozenset(b"/\0")

#: Files of starts in this process; a forked child has none of the locks, and its own entries come with its own starts.
_held: dict[Path, int] = {}


def directory() -> Path:
    """Return where starts of this user leave their files; it may not exist."""
    base = os.environ.get("XDG_RUNTIME_DIR")
    if base and os.access(base, os.W_OK):
        return Path(base) / "qw"
    return Path(tempfile.gettempdir()) / f"qw-{os.getuid()}"


class Neighbours:
    """One start's file, and what it finds out by those of others. Where files cannot be had, it finds out nothing."""

    def __init__(self, start: str, where: Path | None = None) -> None:
        self._directory = directory() if where is None else where
        self._path = self._path_of(start)

    def _path_of(self, start: str) -> Path:
        # As bytes, since the encoding of file names need not have every character.
        raw = to_bytes(start)
        fit = len(raw) <= LONGEST and UNFIT.isdisjoint(raw)
        name = os.fsdecode(raw) if fit else hashlib.sha256(raw).hexdigest()
        return self._directory / f"{name}{SUFFIX}"

    def open(self) -> None:
        """Take the lock of this start."""
        with contextlib.suppress(OSError):
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if self._directory.stat().st_uid != os.getuid():
                return  # somebody else's, in a directory that all may write to
            _held[self._path] = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        if self._path in _held:
            try:
                fcntl.lockf(_held[self._path], fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:  # a file system without locks: a file that anybody can lock would say that we are dead
                self.close()

    def close(self) -> None:
        """Give it up: this start has left, or is to be taken for dead."""
        descriptor = _held.pop(self._path, None)
        if descriptor is not None:
            with contextlib.suppress(OSError):
                self._path.unlink()
            os.close(descriptor)

    def dead_among(self, starts: Iterable[str]) -> list[str]:
        """Return those that were on this host and are gone; of all others it knows nothing."""
        try:
            present = {path.name for path in self._directory.iterdir()}
        except OSError:
            return []
        return [start for start in starts if self._path_of(start).name in present and self._is_gone(start)]

    def _is_gone(self, start: str) -> bool:
        path = self._path_of(start)
        if path in _held:
            return False
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        else:
            return True
        finally:
            os.close(descriptor)

    def forget(self, start: str) -> None:
        """Remove the file of a dead start."""
        path = self._path_of(start)
        if path not in _held:
            with contextlib.suppress(OSError):
                path.unlink()


def _in_child() -> None:
    for descriptor in _held.values():
        with contextlib.suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_in_child)
