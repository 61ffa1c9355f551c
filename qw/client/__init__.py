"""
The client: what a program uses to queue jobs, to look at them, to wait for them, or to run them itself.

It is imported when it is first asked for, so that `qw-client --help` does without redis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qw.client._client import Client
    from qw.client._info import JobInfo

__all__ = ["Client", "JobInfo"]

if not TYPE_CHECKING:
    # Hidden from type checkers: for them any name at all would be in a module that has a __getattr__.

    def __getattr__(name: str) -> object:
        """Import a public name; from then on it is found without asking here (PEP 562)."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from qw.client._client import Client
        from qw.client._info import JobInfo

        globals().update(Client=Client, JobInfo=JobInfo)
        return globals()[name]
