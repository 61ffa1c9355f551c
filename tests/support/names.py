"""How parameters of tests are called: the same in each process that collects them."""

from __future__ import annotations

import re


def shown(value: object) -> str:
    """Return the `repr` of a value, without the address that Python shows of what has no other name."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(value))
