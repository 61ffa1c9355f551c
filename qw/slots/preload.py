"""
Imported by a fork server, first of all, and by nothing else: it makes that process outlive signals to the whole group.

systemd sends SIGTERM to every process of a service. A fork server that died of it would take the word of
all its children's deaths with it, before the manager has let them finish.
"""

from __future__ import annotations

import signal

signal.signal(signal.SIGTERM, signal.SIG_IGN)
