"""`Manager`, and the command `qw-manager` (= `python -m qw.manager`), which prints its help without importing it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qw.manager._manager import Manager

__all__ = ["Manager"]


def __getattr__(name: str) -> object:
    """Import the manager when it is asked for (PEP 562)."""
    if name != "Manager":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from qw.manager._manager import Manager

    return Manager
