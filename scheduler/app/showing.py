"""How a picture's rows or table come to stdout: once, or again whenever they change."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any

import click
import yaml
from rich.live import Live
from rich.table import Table

from scheduler.app.cluster_options import changes, say_unseen
from scheduler.app.view import View, Wish
from scheduler.core.picture import Picture
from slacktide.output import as_text, print_table

Row = dict[str, Any]


async def shown_as(
    view: View,
    output: str,
    *,
    watch: bool,
    wish: Wish,
    rows: Callable[[Picture], Sequence[Row]],
    table: Callable[[Picture], Table],
) -> None:
    """A picture's rows or table on stdout, once or again and again."""
    picture = view.picture(wish)
    say_unseen(picture.unseen)
    if not watch:
        if output == "table":
            print_table(table(picture))
        else:
            _print_rows(rows(picture), output)
        return
    if output != "table":
        async for _ in changes(view):
            _print_rows(rows(view.picture(wish)), output)
        return
    with Live(auto_refresh=False) as live:
        async for _ in changes(view):
            live.update(table(view.picture(wish)), refresh=True)


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


def _print_rows(rows: Sequence[Row], output: str) -> None:
    click.echo(as_text([_flat(plain(row), output) for row in rows], output), nl=False)


def _flat(row: Row, output: str) -> Row:
    """A row's cells; a list is one cell in CSV."""
    if output != "csv":
        return row
    return {name: " ".join(one) if isinstance(one, list) else one for name, one in row.items()}
