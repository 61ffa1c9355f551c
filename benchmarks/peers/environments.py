"""
Virtual environments for the peers, made from the package index, one for each peer and Python.

They are made when they are first needed, and again when what they are to hold has changed; to have newer releases,
delete `.venv-bench/`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks.measure import NotMeasured

ROOT = Path(__file__).resolve().parents[2]

#: Seconds in which a package index has answered, and everything is downloaded and unpacked.
PATIENCE = 600

#: Lists what is installed, as JSON, from inside.
LIST = (
    "import json; from importlib.metadata import distributions;"
    "print(json.dumps({each.metadata['Name'].lower(): each.version for each in distributions()}))"
)

#: What could not be made by this process, and why: it is not tried again for each table.
_failed: dict[Path, str] = {}


@attrs.frozen
class Environment:
    """One peer's environment."""

    name: str
    requirements: Sequence[str]

    @property
    def directory(self) -> Path:
        """Where it is; each Python has its own."""
        return ROOT / ".venv-bench" / f"{self.name}-{sys.version_info.major}.{sys.version_info.minor}"

    def command(self, name: str) -> str:
        """Return the path of a command in it, such as `python`."""
        return str(self.directory / "bin" / name)

    def make(self) -> None:
        """Make it, unless it is there already; raises `NotMeasured`, and says why, when it cannot be made."""
        if self.directory in _failed:
            raise NotMeasured(_failed[self.directory])
        if self._made() is not None:
            return
        try:
            self._make()
        except (OSError, subprocess.SubprocessError) as error:
            _failed[self.directory] = f"cannot be installed: {_reason(error)}"
            raise NotMeasured(_failed[self.directory]) from error

    def versions(self) -> Mapping[str, str]:
        """Return the version of each package that is in it, once it is made."""
        return self._made() or {}

    def _make(self) -> None:
        venv.create(self.directory, clear=True, symlinks=True, with_pip=True)
        self._run("-m", "pip", "install", "--disable-pip-version-check", "--retries=2", *self.requirements)
        made = {"requirements": list(self.requirements), "versions": json.loads(self._run("-c", LIST))}
        self._stamp.write_text(json.dumps(made), "utf-8")

    def _run(self, *arguments: str) -> str:
        return subprocess.run(
            [self.command("python"), *arguments], check=True, capture_output=True, text=True, timeout=PATIENCE
        ).stdout

    def _made(self) -> Mapping[str, str] | None:
        """Return the versions in it when it was made to the end, of the same requirements."""
        try:
            made = json.loads(self._stamp.read_text("utf-8"))
        except (OSError, ValueError):
            return None
        versions: Mapping[str, str] = made["versions"]
        return versions if made["requirements"] == list(self.requirements) else None

    @property
    def _stamp(self) -> Path:
        return self.directory / "made-from.json"


def _reason(error: Exception) -> str:
    """Return the last line in which pip says what is wrong, or what else is known."""
    said = getattr(error, "stderr", None) or getattr(error, "output", None) or ""
    text = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return (errors or lines or [str(error)])[-1].removeprefix("ERROR:").strip()
