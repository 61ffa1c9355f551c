"""Every Lua script behind a typed method: Python sees Lua only through these."""

from __future__ import annotations

from qw.scripts._script import Call, Script
from qw.scripts.client import ClientScripts
from qw.scripts.dispatcher import Beaten, DispatcherScripts, Due, Rescued, Trimmed
from qw.scripts.exchange import Adopt, Batch, Content, Exchanged, Peeked, Plan, Status
from qw.scripts.letter import Letter

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
    "Letter",
    "Peeked",
    "Plan",
    "Rescued",
    "Script",
    "Status",
    "Trimmed",
]
