"""Progress on stderr: a bar on a terminal, a line now and then in a log, nothing on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

Item = TypeVar("Item")

SAY_EVERY_SHARE = 0.25  # where nobody watches a terminal


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


def progress_over(items: Iterable[Item], *, total: int, what: str) -> Iterator[Item]:
    """The items, with a bar that names what is going on."""
    with bars() as shown:
        task = shown.add_task(what, total=total, note="")
        for item in items:
            yield item
            shown.advance(task)
