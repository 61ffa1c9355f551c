"""What a figure depends on: the machine, the versions of everything, and the knobs; printed before any figure."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from qw import keys

#: Where qw lies; a checkout when there is a `.git` beside it.
QW = Path(keys.__file__).resolve().parents[1]


def machine() -> dict[str, str]:
    """Describe the machine, and how busy it is."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    return {
        "cpu": f"{_cpu()}, {os.cpu_count()} cores, {_usable_cpus()} of them for this process",
        "memory": f"{memory:.1f} GiB",
        "kernel": f"{platform.system()} {platform.release()}",
        "load": " ".join(f"{load:.2f}" for load in os.getloadavg()) + " (runnable processes over 1, 5, 15 minutes)",
    }


def versions(redis_server: str) -> dict[str, str]:
    """Return the versions of everything that is measured or stands under it."""
    found = {
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Redis": redis_server,
        "redis-py": _version("redis"),
        "hiredis": _version("hiredis") if find_spec("hiredis") else "no: replies are parsed in Python",
    }
    return found | {name: _version(name) for name in ("attrs", "cattrs")} | {"qw": f"{_qw_version()} ({_commit()})"}


def show(sections: Mapping[str, Mapping[str, str]]) -> None:
    """Print sections of names and values."""
    for title, section in sections.items():
        print(title)
        width = max(map(len, section), default=0)
        for name, value in section.items():
            print(f"  {name:<{width}}  {value}")
    print(flush=True)


def _cpu() -> str:
    with suppress(OSError):
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
        if found:
            return found[1]
    return platform.processor() or platform.machine()


def _usable_cpus() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _qw_version() -> str:
    # Not that of the metadata: an older qw may be installed beside the checkout that runs.
    return str(vars(import_module("qw")).get("__version__", "without a version"))


def _commit() -> str:
    """Return the commit that is checked out, and whether files differ from it."""
    git = shutil.which("git")
    if git is None or not (QW / ".git").exists():
        return "not a checkout"
    said = [
        subprocess.run([git, "-C", str(QW), *words], capture_output=True, text=True, check=False).stdout.strip()
        for words in (("rev-parse", "--short", "HEAD"), ("status", "--porcelain"))
    ]
    return f"commit {said[0]}{', with changes' if said[1] else ''}"
