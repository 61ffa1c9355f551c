"""What really befell the fleet: the notes that the nemesis makes and the judge reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

import attrs


@attrs.define
class Fault:
    """A fault that came; times are seconds of `time.monotonic`."""

    kind: str
    #: The manager it struck, empty for a fault of Redis.
    manager: str
    began: float
    #: When it was over: what was stopped went on, what was killed answered again. None: not yet, or over at once.
    ended: float | None = None
    #: The worker process it struck.
    pid: int | None = None
    #: After how many seconds the processes of a killed manager were gone; None: not known, or some were still there.
    orphans_gone: float | None = None
    #: How many processes a killed manager left behind for that moment.
    orphans: int = 0

    @property
    def over(self) -> float:
        """When it was over; at once unless said otherwise."""
        return self.began if self.ended is None else self.ended

    def strikes(self, manager: str) -> bool:
        """Tell whether it was that manager's, or everybody's."""
        return self.manager in ("", manager)


def write_faults(path: Path, faults: Iterable[Fault]) -> None:
    """Write them down, one JSON object a line, for who wants to know more than the table says."""
    with path.open("w", encoding="utf-8") as file:
        for fault in faults:
            print(json.dumps(attrs.asdict(fault)), file=file)
