"""The loop between Redis and a manager's slots."""

from __future__ import annotations

from qw.dispatcher._dispatcher import Dispatcher
from qw.dispatcher.journal import Totals
from qw.dispatcher.site import Site

__all__ = ["Dispatcher", "Site", "Totals"]
