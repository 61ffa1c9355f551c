"""The loop between Redis and a manager's slots."""

from __future__ import annotations

from qw.dispatcher._dispatcher import Dispatcher, Site
from qw.dispatcher.journal import Totals

__all__ = ["Dispatcher", "Site", "Totals"]
