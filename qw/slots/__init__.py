"""Where jobs run: the protocol of a slot, and one module for each kind of it."""

from __future__ import annotations

from qw.slots._slot import Outcome, Report, Slot

__all__ = ["Outcome", "Report", "Slot"]
