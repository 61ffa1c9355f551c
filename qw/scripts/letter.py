"""What the bell says of a job that was sent to one worker."""

from __future__ import annotations

from typing import Final

import attrs

from qw.keys import to_str
from qw.scripts.exchange import Batch

#: Bytes of a job as `queue` sends it by the bell: 1,024 in its words, each of which JSON may write as six.
MOST_BYTES: Final = 8192


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

        Anybody may ring the bell. Of more lines the job's id is not what it seems, and the name alone counts; so it
        does when a job is larger than the bell brings.
        """
        words = message.split(b"\n")
        name = to_str(words[0])
        is_whole = len(words) == 3 and len(words[2]) <= MOST_BYTES
        return cls(name, Batch(name, [to_str(words[1])], words[2]) if is_whole else None)
