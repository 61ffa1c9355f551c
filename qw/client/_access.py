"""What every part of a client needs to reach Redis."""

from __future__ import annotations

import attrs

from qw.client._caller import Caller
from qw.client._connections import Connections
from qw.keys import Keys
from qw.scripts import ClientScripts


@attrs.frozen(eq=False)
class Access:
    """The names of the keys, the scripts, and the ways to run them."""

    keys: Keys
    scripts: ClientScripts
    #: For what is answered at once.
    caller: Caller
    #: For what blocks, or goes out in pieces.
    connections: Connections
