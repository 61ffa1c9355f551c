"""Figures as a reader wants them, a Markdown table, and as a program does, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks.measure import Row, Spread, Table

#: What stands where there is no figure.
NONE = "–"


def markdown(table: Table) -> str:
    """Return a table: medians, in brackets the lowest and the highest round."""
    key, *others = table.columns
    heads = [table.title, f"{table.unit} a round", key, "× the first, same round", *others]
    lines = [_line(heads), _line(["---", *["--:"] * (len(heads) - 1)])]
    for row in table.rows:
        cells = [_spread(row, key), _figures(row.ratios, spread=True), *(_spread(row, name) for name in others)]
        lines.append(_line([row.name, f"{row.work:,}", *cells]))
    notes = [f"\n{row.name}: {row.note}" for row in table.rows if row.note]
    return "\n".join(lines + notes)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _spread(row: Row, column: str) -> str:
    return _figures(row.figures.get(column, ()), spread="Redis CPU" not in column)


def _figures(figures: Sequence[float], *, spread: bool) -> str:
    if not figures:
        return NONE
    of = Spread.of(figures)
    form = number(of.median)
    between = f" ({_like(form, of.lowest)} – {_like(form, of.highest)})" if spread and len(figures) > 1 else ""
    return form + between


def number(figure: float) -> str:
    """Return a figure with three digits or more, and none that says nothing."""
    for limit, form in ((100, ",.0f"), (9.995, ".1f"), (0.0995, ".2f")):
        if abs(figure) >= limit:
            return f"{figure:{form}}"
    return f"{figure:.3f}" if figure else "0"


def _like(text: str, figure: float) -> str:
    """Return a figure with as many decimals as another one has."""
    return f"{figure:,.{len(text.partition('.')[2])}f}"


def save(path: Path, environment: Mapping[str, Mapping[str, str]], tables: Mapping[str, Sequence[Table]]) -> None:
    """Write everything, with the figures of each round, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "environment": environment,
        "benchmarks": {name: [attrs.asdict(table) for table in of] for name, of in tables.items()},
    }
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
