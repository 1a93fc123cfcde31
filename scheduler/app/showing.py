"""How a picture's rows or table come to stdout: once, or again whenever they change."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import click
import yaml
from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.live import Live
from rich.table import Table

from scheduler.app.cluster_options import changes, say_unseen
from scheduler.app.view import View, Wish
from scheduler.core.picture import Picture
from slacktide.output import as_table, as_text, print_renderable

Row = dict[str, Any]


async def shown_as(
    view: View,
    output: str,
    *,
    watch: bool,
    wish: Wish,
    rows: Callable[[Picture], Sequence[Row]],
    table: Callable[[Picture], RenderableType],
) -> None:
    """A picture's rows or table on stdout, once or again and again."""
    picture = view.picture(wish)
    say_unseen(picture.unseen)
    if not watch:
        _print(picture, output, rows=rows, table=table)
        return
    if output == "table" and sys.stdout.isatty():
        with Live(auto_refresh=False) as live:
            async for _ in changes(view):
                live.update(table(view.picture(wish)), refresh=True)
    async for _ in changes(view):
        _print(view.picture(wish), output, rows=rows, table=table)


def narrow(rows: Sequence[Row], *, title: str = "") -> Table:
    """The rows as a table for terminals of 100 columns; what is too long goes on below."""
    table = as_table(rows, title=title)
    table.box, table.pad_edge, table.padding = SIMPLE_HEAD, False, (0, 1, 0, 0)
    for column in table.columns:
        column.overflow = "fold"
    return table


def plain(value: Any) -> Any:  # noqa: ANN401  what JSON and YAML can say
    """Facts without enumerations and tuples."""
    if isinstance(value, Mapping):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    return value.value if isinstance(value, Enum) else value


def print_whole(value: Any, output: str) -> None:  # noqa: ANN401  what JSON and YAML can say
    """One object on stdout as json or yaml."""
    if output == "json":
        click.echo(json.dumps(value, indent=2))
    else:
        click.echo(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), nl=False)


def _print(
    picture: Picture,
    output: str,
    *,
    rows: Callable[[Picture], Sequence[Row]],
    table: Callable[[Picture], RenderableType],
) -> None:
    if output == "table":
        print_renderable(table(picture))
        return
    flat = [_flat(plain(row), output) for row in rows(picture)]
    click.echo(as_text(flat, output), nl=False)


def _flat(row: Row, output: str) -> Row:
    """A row's cells; a list is one cell in CSV."""
    if output != "csv":
        return row
    return {name: " ".join(one) if isinstance(one, list) else one for name, one in row.items()}
