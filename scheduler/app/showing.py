"""How a picture's rows or table come to stdout: once, or again whenever they change."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import click
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
            click.echo(as_text(rows(picture), output), nl=False)
        return
    if output != "table":
        async for _ in changes(view):
            click.echo(as_text(rows(view.picture(wish)), output), nl=False)
        return
    with Live(auto_refresh=False) as live:
        async for _ in changes(view):
            live.update(table(view.picture(wish)), refresh=True)
