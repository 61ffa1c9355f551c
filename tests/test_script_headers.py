"""
What stands on top of each Lua script is a contract; here it is held against the script and its caller.

A file whose name begins with `_` is no script but a piece that scripts include (`--@include <name>`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from tests.support.modules import PACKAGE

FILES = sorted((PACKAGE / "lua").glob("*.lua"))
SCRIPTS = [path for path in FILES if not path.stem.startswith("_")]
PIECES = [path for path in FILES if path.stem.startswith("_")]

# The lines of the header that name a parameter: `KEYS[1] all:jobs  list`, `ARGV[4...] names of the workers`.
_PROMISED = re.compile(r"^-- (KEYS|ARGV)\[(\d+)(\.\.\.)?\] +\S")
_USED = re.compile(r"\b(KEYS|ARGV)\[(\d+)\]")
_INCLUDE = re.compile(r"^--@include (\w+)$", re.MULTILINE)

each_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)


def header(path: Path) -> list[str]:
    """Return the comment lines on top of a script."""
    lines = path.read_text("utf-8").splitlines()
    end = next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return lines[:end]


def statements(path: Path) -> list[str]:
    """Return the code of a script, without its header and its comments."""
    lines = path.read_text("utf-8").splitlines()[len(header(path)) :]
    return [re.sub(r"--.*", "", line) for line in lines]


def promised(path: Path, what: str) -> list[int]:
    """Return the numbers of the KEYS or ARGV that the header describes; one that repeats (`[4...]`) is left out."""
    found = (_PROMISED.match(line) for line in header(path))
    return [int(match[2]) for match in found if match and match[1] == what and not match[3]]


def used(path: Path, what: str) -> list[int]:
    """Return the numbers with which the code takes KEYS or ARGV, in the order of the text."""
    return [int(n) for line in statements(path) for kind, n in _USED.findall(line) if kind == what]


@each_script
def test_the_header_says_purpose_and_output(path: Path) -> None:
    """It opens with the script's name and what it does, promises something, and tells what it returns."""
    lines = header(path)

    assert re.match(rf"-- {path.stem}: \S.*", lines[0])
    assert any(line.startswith("-- Guarantee: ") for line in lines)
    assert any(line.startswith("-- Output: ") for line in lines)


@each_script
@pytest.mark.parametrize("what", ["KEYS", "ARGV"])
def test_the_header_describes_what_the_code_takes(path: Path, what: str) -> None:
    """Every key and argument is described, in order, and taken by the code exactly once."""
    described = promised(path, what)

    assert described == list(range(1, len(described) + 1))
    assert sorted(used(path, what)) == described


@each_script
def test_parameters_get_names(path: Path) -> None:
    """A parameter is taken into a named local, never used by its number further down."""
    by_number = [line for line in statements(path) if _USED.search(line) and not line.startswith("local ")]

    assert by_number == []


@pytest.mark.parametrize("path", PIECES, ids=lambda path: path.stem)
def test_a_piece_says_what_it_is_for_and_is_included(path: Path) -> None:
    """A shared piece has a comment on top, and some script wants it."""
    wanted = {name for script in FILES for name in _INCLUDE.findall(script.read_text("utf-8"))}

    assert header(path)
    assert path.stem in wanted


@attrs.frozen
class Caller:
    """A method that makes a `Call` of a script."""

    script: str
    where: str
    #: How many keys it passes; None when that cannot be read off the text.
    keys: int | None


def callers() -> list[Caller]:
    """Return every place in qw/scripts where a call of a script is made."""
    return [caller for path in sorted((PACKAGE / "scripts").glob("*.py")) for caller in _callers_in(path)]


def _callers_in(path: Path) -> Iterator[Caller]:
    tree = ast.parse(path.read_text("utf-8"))
    loaded = dict(_loaded(tree))
    for function in (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)):
        for node in ast.walk(function):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Call":
                script = loaded.get(ast.unparse(node.args[0]), ast.unparse(node.args[0]))
                yield Caller(script, f"{path.name}: {function.name}", _count(node.args[1], function))


def _loaded(tree: ast.Module) -> Iterator[tuple[str, str]]:
    # A module constant made by Script.load, with or without an annotation.
    for node in tree.body:
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and isinstance(node.value, ast.Call):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if ast.unparse(node.value.func) == "Script.load":
                yield ast.unparse(target), str(ast.literal_eval(node.value.args[0]))


def _count(keys: ast.expr, function: ast.FunctionDef) -> int | None:
    if isinstance(keys, ast.Name):
        values = [
            n.value for n in ast.walk(function) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == keys.id
        ]
        keys = values[0] if len(values) == 1 else keys
    if isinstance(keys, (ast.Tuple, ast.List)) and not any(isinstance(part, ast.Starred) for part in keys.elts):
        return len(keys.elts)
    return None


def test_every_script_has_a_method_and_reverse() -> None:
    """No script lies about that nothing calls, and no method calls what is not there."""
    assert {caller.script for caller in callers()} == {path.stem for path in SCRIPTS}


@pytest.mark.parametrize("caller", callers(), ids=lambda caller: caller.where)
def test_a_method_passes_as_many_keys_as_promised(caller: Caller) -> None:
    """The number of keys in the header is the number of keys in the call."""
    path = PACKAGE / "lua" / f"{caller.script}.lua"

    assert caller.keys == len(promised(path, "KEYS"))
