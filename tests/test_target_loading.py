"""Targets by name: found from the working directory, and told apart what is not there from what cannot be imported."""

from __future__ import annotations

import importlib
import os
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from qw.errors import TargetImportFailed, TargetNotFound, TargetSignatureError, UsageError
from qw.target import Target, find_job_types
from qw.target._load import load_object
from tests.support.programs import ROOT, run_python

Write = Callable[[str, str], None]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Write]:
    """Give what writes modules into the working directory: that of the test, with a package `shop` in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(ROOT))])

    def write(file: str, text: str) -> None:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(textwrap.dedent(text))
        importlib.invalidate_caches()

    write("shop/__init__.py", "")
    write("shop/tasks.py", "def resize(job_id, job_data): pass\nclass Tasks:\n    resize = staticmethod(resize)\n")
    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "shop"]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ("shop.tasks:resize", "shop.tasks:resize"),
        ("shop.tasks.resize", "shop.tasks:resize"),
        ("shop.tasks:Tasks.resize", "shop.tasks:Tasks.resize"),
        ("shop.tasks.Tasks.resize", "shop.tasks:Tasks.resize"),
    ],
)
def test_found_in_the_working_directory(write: Write, tmp_path: Path, spec: str, name: str) -> None:
    """A console script does not have it on `sys.path`; from then on it is there, since slots import later."""
    assert Target.load(spec).name == name
    assert sys.path[0] == str(tmp_path)


def test_a_module_on_the_way_is_an_attribute() -> None:
    """Only one that is all there is to it was meant to be something else."""
    assert load_object("os:path.join") == (os.path.join, "os:path.join")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("shop.tasks:resise", "shop.tasks has no 'resise'; did you mean resize?"),
        ("shop.tasks.resise", "shop.tasks has no 'resise'; did you mean resize?"),
        ("shop.tasks:Tasks.size", "shop.tasks.Tasks has no 'size'; did you mean resize?"),
        ("shop.tasks", "shop.tasks is a module: write shop.tasks:function"),
        ("shop:tasks", "shop.tasks is a module: write shop.tasks:function"),
        ("os.path", "os.path is a module: write os.path:function"),
        ("shop.tasks.Tasks.x", "shop.tasks.Tasks has no 'x'"),
        ("shop.tsks:resize", "there is no module 'shop.tsks'; did you mean shop.tasks?"),
        ("shop.tsks.resize", "there is no module 'shop.tsks'; did you mean shop.tasks?"),
        ("shop.tasks.more:f", "there is no module 'shop.tasks.more': 'shop.tasks' is a module, not a package"),
        (
            "shp.tasks:resize",
            "there is no module 'shp'; did you mean shop?; looked in the working directory and where Python looks",
        ),
        ("resize", "target 'resize': write pkg.mod:function or pkg.mod.function"),
        ("shop.tasks:", "target 'shop.tasks:': write pkg.mod:function or pkg.mod.function"),
        ("shop/tasks.py:f", "target 'shop/tasks.py:f': write pkg.mod:function or pkg.mod.function"),
        ("..tasks:f", "target '..tasks:f': write pkg.mod:function or pkg.mod.function"),
    ],
)
def test_not_found(write: Write, spec: str, message: str) -> None:
    """What is not there is named, with what is near."""
    with pytest.raises(TargetNotFound) as caught:
        Target.load(spec)

    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "reason", "shown"),
    [
        (
            "import requests_that_are_not_there\n",
            "ModuleNotFoundError: No module named 'requests_that_are_not_there'",
            ["broken.py", "import requests_that_are_not_there"],
        ),
        ("import shop.nothing\n", "ModuleNotFoundError: No module named 'shop.nothing'", ["broken.py"]),
        ("from shop.tasks import nothing\n", "ImportError: cannot import name 'nothing'", ["broken.py"]),
        ("def f(:\n", "SyntaxError: ", ["broken.py", "def f(:"]),
        ("raise SystemExit('usage: …')\n", "SystemExit: usage: …", ["broken.py", "raise SystemExit"]),
        (
            "try:\n    1 / 0\nexcept ZeroDivisionError as error:\n    raise KeyError('\\x1b') from error\n",
            "KeyError: '\\x1b'",
            ["1 / 0", "direct cause", "raise KeyError"],
        ),
    ],
)
def test_raised_while_imported(write: Write, text: str, reason: str, shown: list[str]) -> None:
    """That is another mistake than a wrong name: it comes with the module's own traceback, and none of ours."""
    write("shop/broken.py", text)

    with pytest.raises(TargetImportFailed) as caught:
        Target.load("shop.broken:f")

    assert caught.value.message.startswith(f"shop.broken raised while being imported: {reason}")
    assert all(line in caught.value.traceback for line in shown)
    assert "importlib" not in caught.value.traceback
    assert str(Path("qw", "target")) not in caught.value.traceback


def test_main_in_a_script_without_a_guard(tmp_path: Path) -> None:
    """`Manager('__main__.target')` names a function of the script that is running."""
    script = tmp_path / "script.py"
    script.write_text(
        "from qw.target import Target\n"
        "def target(job_id, job_data): print(job_id)\n"
        "loaded = Target.load('__main__.target')\n"
        "loaded.function(loaded.name, {})\n"
    )

    done = run_python(str(script), environment={"PYTHONPATH": str(ROOT)})

    assert (done.stdout, done.stderr) == ("__main__:target\n", "")


class TestFindJobTypes:
    """The classes of jobs in a module, for `--app=<module> --type=<name>`."""

    JOBS = """
        import attrs
        from shop.mail import Mail
        from qw.job import Job, Options

        class Base(Job[None]):
            pass

        @attrs.frozen
        class Thumbnail(Base):
            path: str
            options = Options(name="thumb")

        Paths = list[str]
        TheSame = Thumbnail
        """
    MAIL = """
        import attrs
        from qw.job import Job

        @attrs.frozen
        class Mail(Job[None]):
            to: str
        """

    def test_defined_and_imported(self, write: Write) -> None:
        """By the names that `qw:type` has; whatever else is in the module does not matter."""
        write("shop/mail.py", self.MAIL)
        write("shop/jobs.py", self.JOBS)

        found = find_job_types("shop.jobs")

        assert set(found) == {"Mail", "thumb"}
        assert found["thumb"].cls.__name__ == "Thumbnail"

    def test_two_of_one_name(self, write: Write) -> None:
        """Which one is meant cannot be told."""
        write("shop/mail.py", self.MAIL)
        write("shop/jobs.py", self.JOBS.replace("thumb", "Mail"))

        with pytest.raises(TargetSignatureError, match=r"shop\.mail\.Mail and shop\.jobs\.Thumbnail are both named"):
            find_job_types("shop.jobs")

    def test_a_class_that_cannot_be_queued(self, write: Write) -> None:
        """It is told here, before anything is queued."""
        write("shop/mail.py", self.MAIL.replace("to: str", "to: complex"))

        with pytest.raises(UsageError, match="Mail: to: qw cannot write complex as JSON"):
            find_job_types("shop.mail")

    @pytest.mark.usefixtures("write")
    def test_modules_that_are_not_there(self) -> None:
        """They are told as those of targets are."""
        with pytest.raises(TargetNotFound, match=r"there is no module 'shop\.jbs'"):
            find_job_types("shop.jbs")
        with pytest.raises(TargetNotFound, match="write the name of a module"):
            find_job_types("shop/jobs.py")
