"""
Tables as a picture: a panel for each, a bar for each contender, from what was measured or from a file of it.

    python -m benchmarks.plot figures.json picture.svg

It needs matplotlib, which the extra `bench` brings; nothing else of the benchmarks does.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.measure import Row, Spread, Table
from benchmarks.report import number
from qw.errors import QwError, UsageError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Bars of qw's rows, and of all others.
OURS, THEIRS = "#2b6cb0", "#a0aec0"
#: Inches: the width of a picture, the height of a bar, and that of a panel without any.
WIDTH, BAR, PANEL = 9.0, 0.27, 0.75

FORMATS = (".png", ".svg", ".pdf")

#: How the names of qw's rows begin: with it, or with what its Client is asked to do.
BEGINNINGS = ("qw", "`queue_job", "`fetch_", "`get_all_")


def check(path: Path) -> None:
    """Raise `UsageError` without matplotlib, and for a format that it does not know."""
    if path.suffix not in FORMATS:
        raise UsageError(f"{path}: the name of a picture ends in {', '.join(FORMATS)}")
    if not find_spec("matplotlib"):
        raise UsageError("a picture needs matplotlib: pip install 'qw[bench]'")


def draw(tables: Mapping[str, Sequence[Table]], path: Path) -> None:
    """
    Draw the first column of all tables into one file, whose name says the format.

    Raises `UsageError` as `check` does.
    """
    check(path)
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "qw"  # the same picture of the same figures
    from matplotlib import pyplot as plt

    shown = [(name, table) for name, of in tables.items() for table in of if any(row.ratios for row in table.rows)]
    heights = [PANEL + BAR * len(table.rows) for _, table in shown]
    figure, axes = plt.subplots(
        len(shown), 1, figsize=(WIDTH, sum(heights)), height_ratios=heights, squeeze=False, layout="constrained"
    )
    for axis, (name, table) in zip(axes[:, 0], shown, strict=True):
        _panel(axis, name, table)
    figure.savefig(path, dpi=130, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _panel(axis: Axes, name: str, table: Table) -> None:
    key = table.columns[0]
    rows = [row for row in table.rows if row.figures]
    spreads = [Spread.of(row.figures[key]) for row in rows]
    middles = [spread.median for spread in spreads]
    errors = [[s.median - s.lowest for s in spreads], [s.highest - s.median for s in spreads]]
    names = [row.name.replace("`", "") for row in rows]
    bars = axis.barh(names, middles, xerr=errors, color=[_color(row) for row in rows], ecolor="#4a5568", height=0.7)
    axis.bar_label(bars, [number(middle) for middle in middles], padding=4, fontsize=8)
    axis.set_title(f"{name}: {table.title} — {key}", loc="left", fontsize=9, fontweight="bold")
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlim(left=0)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _color(row: Row) -> str:
    return OURS if row.name.startswith(BEGINNINGS) else THEIRS


def read(path: Path) -> dict[str, list[Table]]:
    """Return the tables of a file that the benchmarks have written."""
    told = json.loads(path.read_text("utf-8"))["benchmarks"]
    return {
        name: [Table(t["title"], t["unit"], t["columns"], [Row(**row) for row in t["rows"]]) for t in of]
        for name, of in told.items()
    }


def main(arguments: Sequence[str]) -> int:
    """Draw the figures of one file into another one, and return the exit code."""
    if len(arguments) != 2:
        print("Usage: python -m benchmarks.plot <figures.json> <picture>", file=sys.stderr)
        return UsageError.exit_code
    try:
        draw(read(Path(arguments[0])), Path(arguments[1]))
    except (OSError, ValueError, KeyError) as error:
        print(f"benchmarks.plot: {arguments[0]} holds no figures: {error}", file=sys.stderr)
        return UsageError.exit_code
    except QwError as error:
        print(f"benchmarks.plot: {error.message}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
