"""The loop between Redis and a manager's slots."""

from __future__ import annotations

from qw.dispatcher._dispatcher import Dispatcher
from qw.dispatcher.journal import Journal, Totals
from qw.dispatcher.liveness import LEASE
from qw.dispatcher.site import Site
from qw.dispatcher.trimmer import KEEP_DEAD, KEEP_DEAD_FOR

__all__ = ["KEEP_DEAD", "KEEP_DEAD_FOR", "LEASE", "Dispatcher", "Journal", "Site", "Totals"]
