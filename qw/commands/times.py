"""Moments on a command line: as one types them, and as they are shown."""

from __future__ import annotations

from datetime import datetime, timezone

from qw.errors import UsageError
from qw.logs import safe


def moment(text: str | None) -> datetime | None:
    """
    Return the moment that `--at` names; without a time zone it is a local time.

    Raises `UsageError` for what is no ISO time.
    """
    if text is None:
        return None
    try:
        # Python 3.10 does not know the Z yet.
        return datetime.fromisoformat(text[:-1] + "+00:00" if text[-1:] in ("Z", "z") else text)
    except ValueError:
        raise UsageError(f"--at={safe(text)}: use a time such as 2030-01-31T08:00, 2030-01-31T08:00:00Z") from None


def shown(seconds: float) -> str:
    """Return seconds since 1970 as an ISO time, UTC; a number that no calendar has stays a number."""
    try:
        text = datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")
    except (OverflowError, ValueError, OSError):
        return str(seconds)
    return text.replace("+00:00", "Z")
