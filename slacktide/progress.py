"""Progress on stderr: a bar on a terminal, a line now and then in a log, nothing on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

Item = TypeVar("Item")


def bars() -> Progress:
    """Named bars with a note each; shown on a terminal only."""
    return Progress(
        TextColumn("{task.description:<16}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def progress_over(
    items: Iterable[Item], *, total: int, what: str, often_s: float = float("inf")
) -> Iterator[Item]:
    """The items, with a bar that names what is going on; in a log, a line each `often_s`."""
    with bars() as shown:
        task, said_s = shown.add_task(what, total=total, note=""), time.monotonic()
        for done, item in enumerate(items, start=1):
            yield item
            shown.advance(task)
            if shown.disable and time.monotonic() - said_s >= often_s:
                said_s = time.monotonic()
                click.echo(f"{what}: {done} of {total}", err=True)
