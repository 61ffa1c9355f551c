"""
qw's demo: find files that are there twice, hashing them in workers through a Redis of its own.

Usage:
  qw.demo [--mode=<mode>] [--workers=<n>] [<dir>]
  qw.demo --help

Options:
  --help             Show this help message
  --mode=<mode>      Hash in processes or in threads [default: processes]
  -w --workers=<n>   Set the number of workers, defaults to the number of cpus

Run it as `python -m qw.demo`. <dir> is the directory to look at, with all below it; when it is left out, the
standard library of this Python.
"""

from __future__ import annotations

import hashlib
import os
import sys
import sysconfig
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Literal

import attrs

from qw.client import Client
from qw.commands.arguments import Arguments
from qw.commands.progress import Progress
from qw.commands.running import run
from qw.embedded import open_embedded
from qw.errors import JobFailed, UsageError
from qw.job import Job, JobId
from qw.logs import safe
from qw.manager import Manager

#: Jobs queued at a time, and results waited for at a time.
CHUNK = 1000
#: Groups of duplicates that are printed; a home directory has thousands.
SHOWN = 20
#: Seconds that one chunk of files may take to hash.
PATIENCE = 600.0


@attrs.frozen
class Digest:
    """What identifies a file's content."""

    sha256: str
    size: int


@attrs.frozen
class HashFile(Job[Digest]):
    """Hash one file."""

    path: str


def hash_file(job: HashFile) -> Digest:
    """Read a file and hash it: the target."""
    digest, size = hashlib.sha256(), 0
    with Path(job.path).open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
            size += len(piece)
    return Digest(digest.hexdigest(), size)


def main(argv: list[str] | None = None) -> int:
    """Do what the command line says (None: that of the process) and return the exit code."""
    return run("qw.demo", str(__doc__), _act, argv)


def _act(arguments: Arguments) -> None:
    mode, workers = arguments.choice("--mode", "processes", "threads"), arguments.whole("--workers", 1, 1024)
    given = arguments.text("<dir>")
    top = Path(given or sysconfig.get_path("stdlib"))
    if not top.is_dir():
        raise UsageError(f"{safe(str(top))} is not a directory")
    # What pip has put inside of the standard library does not belong to it.
    files = list(_files(top, without=() if given else ("site-packages", "dist-packages")))
    with tempfile.TemporaryDirectory(prefix="qw-demo-") as state, open_embedded(state) as server:
        client = Client.from_url(server.url)
        kind: Literal["processes", "threads"] = "threads" if mode == "threads" else "processes"
        manager = Manager(hash_file, num_workers=workers, name="demo", mode=kind, client=client)
        print(f"{len(files):,} files under {safe(str(top))}; {manager.num_workers} {mode}; Redis {server.version}")
        with manager:
            report = _hash(client, top, files)
    report.show()


def _files(top: Path, without: Sequence[str]) -> Iterator[str]:
    """Yield the regular files below a directory, apart from folders of some names, whose own name is text."""
    for folder, folders, names in os.walk(top):
        folders[:] = [name for name in folders if name not in without]
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() and not path.is_symlink() and str(path).isprintable():
                yield str(path)


@attrs.define
class _Report:
    """What came back."""

    top: Path
    digests: dict[Digest, list[str]] = attrs.field(factory=lambda: defaultdict(list))
    unreadable: list[str] = attrs.field(factory=list)
    files: int = 0
    size: int = 0
    seconds: float = 0.0

    def show(self) -> None:
        groups = sorted(
            ((digest, paths) for digest, paths in self.digests.items() if len(paths) > 1 and digest.size),
            key=lambda group: -group[0].size * (len(group[1]) - 1),
        )
        for digest, paths in groups[:SHOWN]:
            names = ", ".join(safe(os.path.relpath(path, self.top)) for path in paths)
            print(f"{len(paths)} times {digest.size:,} bytes: {names}")
        if len(groups) > SHOWN:
            print(f"… and {len(groups) - SHOWN:,} more groups")
        spare = sum(digest.size * (len(paths) - 1) for digest, paths in groups)
        print(f"{len(groups):,} groups of duplicates; without them {spare:,} bytes less")
        for line in self.unreadable:
            print(f"not read: {safe(line)}")
        volume = self.size / 1e6
        print(
            f"{self.files:,} files, {volume:,.1f} MB in {self.seconds:.2f} s: "
            f"{self.files / self.seconds:,.0f} files/s, {volume / self.seconds:,.1f} MB/s"
        )


def _hash(client: Client, top: Path, files: list[str]) -> _Report:
    """Queue a job for each file and collect the results, a chunk ahead of the workers."""
    report = _Report(top)
    began = time.monotonic()
    with Progress("files", len(files)) as progress:
        ahead: list[tuple[list[str], list[JobId[Digest]]]] = []
        for chunk in _chunks(files):
            ahead.append((chunk, client.queue_jobs([HashFile(path) for path in chunk])))
            if len(ahead) > 1:
                _collect(client, *ahead.pop(0), report, progress)
        for paths, ids in ahead:
            _collect(client, paths, ids, report, progress)
    report.seconds = time.monotonic() - began
    return report


def _chunks(files: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(files)
    while chunk := list(islice(rest, CHUNK)):
        yield chunk


def _collect(client: Client, paths: list[str], ids: list[JobId[Digest]], report: _Report, progress: Progress) -> None:
    for path, job_id in zip(paths, ids, strict=True):
        try:
            digest = client.wait_job(job_id, PATIENCE)
        except JobFailed as failure:
            report.unreadable.append(f"{path}: {failure.error}")
        else:
            report.digests[digest].append(path)
            report.size += digest.size
        report.files += 1
        progress.show(report.files)
        if not progress.shown and report.files % CHUNK == 0:
            print(f"{report.files:,} files hashed")


if __name__ == "__main__":
    sys.exit(main())
