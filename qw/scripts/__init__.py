"""Every Lua script behind a typed method: Python sees Lua only through these."""

from __future__ import annotations

from qw.scripts._script import Call, Script
from qw.scripts.client import ClientScripts
from qw.scripts.dispatcher import (
    Adopt,
    Batch,
    Beaten,
    Content,
    DispatcherScripts,
    Due,
    Exchanged,
    Plan,
    Rescued,
    Status,
    Trimmed,
)

__all__ = [
    "Adopt",
    "Batch",
    "Beaten",
    "Call",
    "ClientScripts",
    "Content",
    "DispatcherScripts",
    "Due",
    "Exchanged",
    "Plan",
    "Rescued",
    "Script",
    "Status",
    "Trimmed",
]
