"""The modules of qw as text: their names, their sizes, and what they import. Nothing here imports qw."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "qw"


@attrs.frozen
class Import:
    """One import of a module of qw by another."""

    importer: str
    #: The module meant: `from qw import keys` means `qw.keys`, `from qw.keys import Keys` too.
    imported: str
    line: int
    #: Whether it stands under `if TYPE_CHECKING`, so that it never happens.
    typing_only: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def name_of(path: Path) -> str:
    """Return the dotted name of a module of this repository: that of a package for its `__init__.py`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def modules() -> Mapping[str, Path]:
    """Return every module of qw with its file."""
    return {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}


def imports() -> list[Import]:
    """Return every import of a module of qw by another, those inside functions too."""
    known = modules()
    return [found for name, path in known.items() for found in _imports_of(name, path, known)]


def _imports_of(importer: str, path: Path, known: Mapping[str, Path]) -> Iterator[Import]:
    tree = ast.parse(path.read_text("utf-8"))
    unreal = {id(node) for block in ast.walk(tree) if _is_typing_only(block) for node in ast.walk(block)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for imported in _named_by(node, known):
                yield Import(importer, imported, node.lineno, id(node) in unreal)


def _is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


def _named_by(node: ast.Import | ast.ImportFrom, known: Mapping[str, Path]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names if _is_ours(alias.name))
    elif node.module and _is_ours(node.module):
        for alias in node.names:
            deeper = f"{node.module}.{alias.name}"
            yield deeper if deeper in known else node.module


def _is_ours(name: str) -> bool:
    return name == "qw" or name.startswith("qw.")
