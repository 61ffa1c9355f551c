"""
The architecture as a table: who may import whom.

Imports go down, or stay in their layer, and never in a circle. Those inside functions count as well;
what stands under `TYPE_CHECKING` counts for the table but makes no circle, since it never happens.
"""

from __future__ import annotations

import ast
import re
from graphlib import CycleError, TopologicalSorter

from tests.support.modules import imports, modules

#: Room → layer. A room is a package with all that is in it, or a module with those beside it that carry on its
#: name (`qw.job`, `qw.job_codec`); the longest name that fits counts.
LAYERS = {
    "qw": 6,
    "qw.client.__main__": 6,
    "qw.commands": 6,
    "qw.demo": 6,
    "qw.prove": 6,
    "qw.manager.__main__": 6,
    "qw.manager": 5,
    "qw.worker": 5,
    "qw.dispatcher": 4,
    "qw.client": 3,
    "qw.slots": 3,
    "qw.job": 2,
    "qw.lua": 2,
    "qw.scripts": 2,
    "qw.target": 2,
    "qw.embedded": 1,
    "qw.keeper": 1,
    "qw.units": 1,
    "qw.keys": 1,
    "qw.log_writer": 1,
    "qw.logs": 1,
    "qw.wire": 1,
    "qw.errors": 0,
}


def layer_of(module: str) -> int | None:
    """Return the layer of a module; None when it is in no room of the table."""
    if module == "qw":
        return LAYERS["qw"]
    rooms = [room for room in LAYERS if room != "qw" and re.match(rf"{re.escape(room)}([._]|$)", module)]
    return LAYERS[max(rooms, key=len)] if rooms else None


def test_every_module_has_a_room() -> None:
    """A new module is given a layer before anything can import it."""
    homeless = [module for module in modules() if layer_of(module) is None]

    assert homeless == [], "say in LAYERS (and in the README's Design) where these belong"


def test_every_room_is_there() -> None:
    """The table names nothing that has been moved or removed."""
    missing = [room for room in LAYERS if room not in modules()]

    assert missing == []


def test_imports_go_down() -> None:
    """A module imports from its own layer or from those under it."""
    upward = [
        f"{found}: layer {above} over {below}"
        for found in imports()
        if (above := layer_of(found.imported)) is not None
        and (below := layer_of(found.importer)) is not None
        and above > below
    ]

    assert upward == []


def test_nobody_inside_imports_the_package_root() -> None:
    """The public names are for users; inside, a name is imported from the module that defines it."""
    from_root = [str(found) for found in imports() if found.imported == "qw"]

    assert from_root == []


def test_no_import_cycle() -> None:
    """No module imports itself by way of others, not even inside a function."""
    graph: dict[str, set[str]] = {module: set() for module in modules()}
    for found in imports():
        if not found.typing_only:
            graph[found.importer].add(found.imported)

    try:
        TopologicalSorter(graph).prepare()
        circle: list[str] = []
    except CycleError as error:
        circle = error.args[1]

    assert circle == []


def test_a_slot_imports_no_redis() -> None:
    """What runs in a worker process stands below the client: no slot, job or target imports redis."""
    offending = [
        f"{module}:{node.lineno}"
        for module, path in modules().items()
        if module.startswith(("qw.slots", "qw.job", "qw.target", "qw.keys", "qw.errors"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, (ast.Import, ast.ImportFrom)) and "redis" in ast.unparse(node).split()[1].split(".")
    ]

    assert offending == []
