"""Figures as a reader wants them, a Markdown table, and as a program does, JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from benchmarks.measure import Spread, Table


def markdown(table: Table) -> str:
    """Return a table: medians, in brackets the lowest and the highest round."""
    head = f"| {table.title} | {table.unit} a round | {table.unit}/s | × the first, same round | Redis CPU, µs each |"
    lines = [head, "| --- | --: | --: | --: | --: |"]
    for row in table.rows:
        rate, ratio, spent = Spread.of(row.rates), Spread.of(row.ratios), Spread.of(row.redis)
        lines.append(
            f"| {row.name} | {row.work:,} | {_figures(rate, ',.0f')} | {_figures(ratio, '.2f')} | {spent.median:,.1f} |"
        )
    notes = [f"\n{row.name}: {row.note}" for row in table.rows if row.note]
    return "\n".join(lines + notes)


def _figures(spread: Spread, form: str) -> str:
    return f"{spread.median:{form}} ({spread.lowest:{form}} – {spread.highest:{form}})"


def save(path: Path, environment: Mapping[str, Mapping[str, str]], tables: Mapping[str, Sequence[Table]]) -> None:
    """Write everything, with the figures of each round, as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    told = {
        "environment": environment,
        "benchmarks": {name: [attrs.asdict(table) for table in of] for name, of in tables.items()},
    }
    path.write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", "utf-8")
