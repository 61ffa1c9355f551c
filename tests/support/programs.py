"""Running Python, and the two commands, as programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_python(
    *arguments: str, within: float = 30.0, environment: Mapping[str, str] | None = None, text: str | None = None
) -> subprocess.CompletedProcess[str]:
    """
    Run `python <arguments>` from the root of the repository; return its code and what it printed.

    `text` is its standard input, which is empty otherwise; `environment` is added to that of the tests.
    """
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        input=text or "",
        capture_output=True,
        check=False,
        encoding="utf-8",
        timeout=within,
    )
