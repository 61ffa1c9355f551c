"""The README says what is so: its usage texts, its examples, its table of keys, its commands."""

from __future__ import annotations

import inspect
import re

import pytest

from qw import errors
from qw.errors import QwError
from qw.keys import Keys
from tests.support.modules import ROOT
from tests.support.programs import run_python

README = (ROOT / "README.md").read_text("utf-8")

# What stands between the fences, and the language named on the first one.
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

BLOCKS = [(match[1], match[2]) for match in _BLOCK.finditer(README)]

EXAMPLES = [text for language, text in BLOCKS if language == "python"]


def key_names() -> list[str]:
    """Return every key of `qw.keys` as a document writes it: `all:jobs`, `job:<id>`, `<worker>:jobs`."""
    keys = Keys()
    fixed = [value.decode() for name, value in vars(keys).items() if name.startswith("all_")]
    named = [
        keys.job("<id>"),
        keys.result("<id>"),
        keys.workers("<manager>"),
        keys.jobs("<manager>"),
        keys.jobs("<worker>"),
    ]
    return fixed + [key.decode() for key in named]


@pytest.mark.parametrize("command", ["qw-manager", "qw-client"])
def test_the_usage_is_what_help_prints(command: str) -> None:
    """The README shows what `--help` prints, to the letter."""
    prompt = f"$ {command} --help\n"
    shown = [text.removeprefix(prompt) for _, text in BLOCKS if text.startswith(prompt)]

    done = run_python("-m", command.replace("-", "."), "--help")

    assert (done.returncode, done.stderr) == (0, "")
    assert shown == [done.stdout]


def test_there_are_examples() -> None:
    """The README shows qw in use."""
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_compiles(example: str) -> None:
    """Every example is Python as it runs today."""
    compile(example, "README.md", "exec")


@pytest.mark.parametrize("example", EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_imports_what_is_there(example: str) -> None:
    """A name that an example imports from qw can be imported."""
    lines = re.findall(r"^(?:from qw[\w.]* import .+|import qw.*)$", example, re.MULTILINE)

    done = run_python("-c", "\n".join(lines))

    assert done.stderr == ""


@pytest.mark.parametrize("key", key_names())
def test_every_key_is_explained(key: str) -> None:
    """Whoever looks into Redis finds each kind of key in a table of the README."""
    assert re.search(rf"^\| `{re.escape(key)}` \|", README, re.MULTILINE)


def test_no_kind_of_key_is_forgotten() -> None:
    """`key_names` above knows every method of `Keys` that makes a key."""
    methods = {name for name, _ in inspect.getmembers(Keys, inspect.isfunction) if not name.startswith("_")}

    assert methods == {"job", "result", "workers", "jobs"}


def test_every_error_code_is_explained() -> None:
    """The exit codes of the commands stand in a table of the README, each one."""
    defined = [error for error in vars(errors).values() if inspect.isclass(error) and issubclass(error, QwError)]
    codes = {error.exit_code for error in defined}
    missing = [code for code in sorted(codes) if not re.search(rf"^\| `?{code}`? \|", README, re.MULTILINE)]

    assert missing == []


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """What CI runs is what the README tells whoever changes qw to run."""
    command = "python3 -m tests"

    assert command in README
    assert (ROOT / ".ci" / "run").read_text("utf-8").rstrip().endswith(f"exec {command}")
