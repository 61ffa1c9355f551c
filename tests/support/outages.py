"""What the tests of a Redis that is away, or refuses, share: managers of one Redis, what they say, what they cost."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

import pytest

from qw.errors import NotStartedException
from qw.manager import Manager
from tests.conftest import Mode
from tests.support import targets
from tests.support.wait import wait_until

#: Seconds in which jobs are to run again once Redis is back.
SOON = 2.0


class Fleet:
    """Starts managers of whatever Redis, in one mode; they beat twice a second."""

    def __init__(self, mode: Mode, caplog: pytest.LogCaptureFixture) -> None:
        self.mode: Mode = mode
        self._caplog = caplog
        self._made: list[Manager] = []
        caplog.set_level("INFO", "qw.manager")

    def start(
        self, url: str, name: str = "web", target: Callable[..., object] = targets.obey, **options: Any
    ) -> Manager:
        """Start a manager with two workers."""
        manager = Manager(
            target, url=url, name=name, num_workers=2, mode=self.mode, **{"lease": 1.5, "grace": 5.0, **options}
        )
        self._made.append(manager)
        manager.start()
        return manager

    def close(self) -> None:
        """Stop those that still run, at once."""
        for manager in self._made:
            with suppress(NotStartedException):
                manager.stop(0)

    @property
    def records(self) -> Sequence[logging.LogRecord]:
        """All that was logged."""
        return self._caplog.records

    def said(self, event: str) -> list[Mapping[str, object]]:
        """Return what was told of an event, each time."""
        found: list[Mapping[str, object]] = []
        for record in self._caplog.records:
            if getattr(record, "qw_event", "") == event:
                fields: Mapping[str, object] = record.__dict__["qw_fields"]
                found.append(fields)
        return found

    def refused(self) -> list[str]:
        """Return what Redis refused, as it was told."""
        return [str(fields["error"]) for fields in self.said("refused") if "error" in fields]


def share_of_cpu(seconds: float) -> float:
    """Return how much of a core this process, managers included, takes while nothing is to be done."""
    began, used = time.monotonic(), time.process_time()
    wait_until(lambda: time.monotonic() - began > seconds, within=seconds + 5)
    return (time.process_time() - used) / (time.monotonic() - began)
