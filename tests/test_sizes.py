"""Files that hold one duty and functions that fit a screen: where one outgrows its name, it is to be split."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.support.modules import PACKAGE, ROOT

#: Lines of a file. More than that, and there are two duties in it.
MOST_LINES = 300

#: Lines of a function's body: neither its docstring nor its signature, which may have a line for each parameter.
MOST_LINES_OF_FUNCTION = 40

FILES = sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.lua")])

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def functions(path: Path) -> Iterator[Function]:
    """Return the functions of a file, methods and inner ones too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def lines_of(function: Function) -> int:
    """Return how many lines the body of a function has without its docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_duty(path: Path) -> None:
    """No file of qw is longer than can be kept in mind."""
    lines = len(path.read_text("utf-8").splitlines())

    assert lines <= MOST_LINES, f"{path.relative_to(ROOT)} has {lines} lines: split it by duty"


@pytest.mark.parametrize(
    "path", [path for path in FILES if path.suffix == ".py"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_function_fits_a_screen(path: Path) -> None:
    """No function of qw is longer than a screen."""
    long = {f"{f.name}, line {f.lineno}": lines_of(f) for f in functions(path) if lines_of(f) > MOST_LINES_OF_FUNCTION}

    assert long == {}, "give its paragraphs names"
