"""What the bell says of a job that was sent to one worker."""

from __future__ import annotations

import attrs

from qw.keys import to_str
from qw.scripts.exchange import Batch


@attrs.frozen
class Letter:
    """Something was sent to a worker."""

    worker: str
    #: The job, when it was queued alone and is small; None: the worker's list has to be looked into.
    batch: Batch | None = None

    @classmethod
    def read(cls, message: bytes) -> Letter:
        """
        Read a message of the bell: a worker's name; or three lines, the name, the job's id, and the job.

        Anybody may ring the bell. Of more lines the job's id is not what it seems, and the name alone counts.
        """
        words = message.split(b"\n")
        name = to_str(words[0])
        return cls(name, Batch(name, [to_str(words[1])], words[2]) if len(words) == 3 else None)
