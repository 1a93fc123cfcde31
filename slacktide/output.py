"""Rows to stdout as table, json, yaml or csv, so that every command prints the same way."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click
import yaml
from rich.console import Console, RenderableType
from rich.table import Table

FORMATS: Final = ("table", "json", "yaml", "csv")

ENDLESS: Final = 10_000  # columns, where nobody's terminal ends

Row = Mapping[str, Any]

output_option = click.option(
    "-o",
    "--output",
    type=click.Choice(FORMATS),
    default="table",
    show_default=True,
    help="How the result is printed on stdout.",
)


def print_rows(rows: Sequence[Row], output: str, *, title: str = "") -> None:
    """Prints rows of equal keys; numbers are shortened in the table only."""
    if output == "table":
        print_table(as_table(rows, title=title))
        return
    click.echo(as_text(rows, output), nl=False)


def print_table(table: Table) -> None:
    """A table on stdout; where that is no terminal it is as wide as it needs to be."""
    print_renderable(table)


def print_renderable(shown: RenderableType) -> None:
    """Tables, bars and words on stdout, as wide as they need to be where that is no terminal."""
    console = Console()
    if not console.is_terminal:
        endless = console.options.update(max_width=ENDLESS)
        console.width = max(200, console.measure(shown, options=endless).maximum)
    console.print(shown)


def as_text(rows: Sequence[Row], output: str) -> str:
    """The rows as json, yaml or csv, ending in a newline; NaN and infinity become null."""
    clean = [{key: _plain(value) for key, value in row.items()} for row in rows]
    if output == "json":
        return json.dumps(clean, indent=2, allow_nan=False) + "\n"
    if output == "yaml":
        return yaml.safe_dump(clean, sort_keys=False, allow_unicode=True)
    return _as_csv(clean)


def as_table(rows: Sequence[Row], *, title: str = "") -> Table:
    """The rows as a table, numbers to the right."""
    table = Table(title=title or None, header_style="bold", title_justify="left")
    columns = list(rows[0]) if rows else []
    for column in columns:
        numeric = all(isinstance(row[column], (int, float)) or row[column] is None for row in rows)
        table.add_column(column.replace("_", " "), justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*(_shown(row[column]) for column in columns))
    return table


def _as_csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _plain(value: Any) -> Any:  # noqa: ANN401  a cell may hold anything
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _shown(value: Any) -> str:  # noqa: ANN401  a cell may hold anything
    value = _plain(value)
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.4g}"
    return str(value)
