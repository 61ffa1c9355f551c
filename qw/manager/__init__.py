"""`Manager`, and the command `qw-manager` (= `python -m qw.manager`)."""

from __future__ import annotations

from qw.manager._manager import Manager, default_name

__all__ = ["Manager", "default_name"]
