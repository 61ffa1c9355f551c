"""What pip installs is complete: the scripts for Redis, the mark of a typed package, the commands."""

from __future__ import annotations

import re
import shutil
import tarfile
import zipfile
from pathlib import Path

import attrs
import pytest

import qw
from tests.support.modules import PACKAGE, ROOT
from tests.support.programs import run_python

# Where it may write: a build leaves its traces beside setup.py.
_BUILD = """
import os, sys
from setuptools import build_meta
os.chdir(sys.argv[1])
build_meta.build_sdist("dist")
build_meta.build_wheel("dist")
"""


@attrs.frozen
class Built:
    """The two archives that go to an index, as the names of the files in them."""

    sdist: frozenset[str]
    wheel: frozenset[str]
    entry_points: str
    metadata: str


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build both from a copy of what they are made of."""
    place = tmp_path_factory.mktemp("build")
    for name in ("setup.py", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, place / name)
    shutil.copytree(PACKAGE, place / "qw", ignore=shutil.ignore_patterns("__pycache__"))

    done = run_python("-c", _BUILD, str(place), within=50.0)

    assert done.returncode == 0, done.stderr
    return _look_into(place / "dist")


def _look_into(dist: Path) -> Built:
    (sdist,) = dist.glob("*.tar.gz")
    (wheel,) = dist.glob("*.whl")
    with tarfile.open(sdist) as tar:
        in_sdist = frozenset(name.partition("/")[2] for name in tar.getnames())
    with zipfile.ZipFile(wheel) as archive:
        info = f"qw-{qw.__version__}.dist-info"
        return Built(
            in_sdist,
            frozenset(archive.namelist()),
            archive.read(f"{info}/entry_points.txt").decode(),
            archive.read(f"{info}/METADATA").decode(),
        )


def test_both_archives_hold_every_file_of_the_package(built: Built) -> None:
    """No module, no Lua script and no `py.typed` is left behind."""
    ours = {
        str(path.relative_to(ROOT))
        for path in PACKAGE.rglob("*")
        if path.is_file() and (path.suffix in {".py", ".lua"} or path.name == "py.typed")
    }

    assert "qw/py.typed" in ours
    assert ours - built.wheel == set()
    assert ours - built.sdist == set()


def test_the_wheel_holds_nothing_else(built: Built) -> None:
    """Tests, stubs and benchmarks are not installed into anybody's environment."""
    tops = {name.split("/")[0] for name in built.wheel}

    assert tops == {"qw", f"qw-{qw.__version__}.dist-info"}


def test_the_commands_are_installed(built: Built) -> None:
    """Installing makes both commands."""
    assert "qw-client = qw.client.__main__:main" in built.entry_points
    assert "qw-manager = qw.manager.__main__:main" in built.entry_points


def test_the_versions_agree(built: Built) -> None:
    """The package, its metadata and the newest entry of the changelog speak of one version."""
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    newest = re.search(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)

    assert f"\nVersion: {qw.__version__}\n" in built.metadata
    assert newest is not None
    assert newest[1] == qw.__version__
