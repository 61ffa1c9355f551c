"""`qw-manager` as a process of a test's own, and what it says."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping

from tests.support.programs import ROOT
from tests.support.wait import wait_until


class Running:
    """A `qw-manager` of the test's own, and what it has said so far on standard error."""

    def __init__(self, url: str, *arguments: str, environment: Mapping[str, str] | None = None) -> None:
        self.said: list[str] = []
        workers = [] if any(argument.startswith("--workers") for argument in arguments) else ["--workers=1"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "qw.manager", "--name=web", *workers, *arguments],
            cwd=ROOT,
            env={**os.environ, "QW_URL": url, **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stderr or ():
            self.said.append(line.rstrip("\n"))

    def line(self, event: str) -> str:
        """Return the first line of this event, waiting for it."""
        try:
            return wait_until(lambda: next((line for line in self.said if f" {event} " in f"{line} "), ""), within=20)
        except AssertionError as error:
            raise AssertionError(f"no {event} in {self.said}") from error

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the manager alone."""
        self.process.send_signal(number)

    def end(self, within: float = 20.0) -> int:
        """Wait for its end, by itself, and return its exit code."""
        code = self.process.wait(within)
        self._reader.join(within)
        return code

    def close(self) -> None:
        """Kill it if it is there still."""
        self.process.kill()
        self.process.wait()
        self._reader.join(5)
        for stream in (self.process.stdout, self.process.stderr):
            if stream:
                stream.close()
