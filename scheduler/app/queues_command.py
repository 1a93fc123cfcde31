"""`slacktide queues`: who holds what, who waits, and whose turn is next."""

from __future__ import annotations

from dataclasses import asdict
from operator import itemgetter
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text

from scheduler.app.cluster_options import looking, of_cluster, watch_option
from scheduler.app.showing import Row, narrow, shown_as
from scheduler.app.view import View, Wish
from scheduler.core.picture import Picture
from scheduler.core.queue_facts import QueueFact
from slacktide.output import output_option

GIB = 2**30


@click.command()
@of_cluster
@watch_option
@output_option
def queues(
    kubeconfig: Path | None, context: str | None, namespace: str, watch: bool, output: str
) -> None:
    """Show the queue tree: what each queue holds, who waits in it, whose turn is next and why.

    Cores and GiB are those of oversold capacity (batch-cpu, batch-memory) that placed tasks hold;
    `run` and `wait` count gangs, `tasks` those that wait; `turn` 1 is served next. With -n, only
    where all namespaces may not be read is it that one alone; else the whole cluster is shown.

    \b
    Examples:
      slacktide queues
      slacktide queues --watch
      slacktide queues -o json | jq '.[] | select(.waiting_gangs > 0)'
    """

    def rows(picture: Picture) -> list[Row]:
        return [asdict(one) for one in picture.queues]

    async def look(view: View) -> None:
        about = Wish(most_reasons=0, starts=False)
        await shown_as(view, output, watch=watch, wish=about, rows=rows, table=tree)

    looking(kubeconfig, context, namespace, look)


def tree(picture: Picture) -> RenderableType:
    """The tree as a table, and in words whose turn it is and what is odd."""
    turns = sorted(
        ((one.turn, one) for one in picture.queues if one.turn is not None), key=itemgetter(0)
    )
    lines = [f"turn {turn} is {one.queue}'s: {one.why}" for turn, one in turns]
    lines += [f"{one.queue}: {one.problem}" for one in picture.queues if one.problem]
    return Group(narrow([shown(one) for one in picture.queues]), *(Text(line) for line in lines))


def shown(one: QueueFact) -> Row:
    """A queue as a row for people."""
    return {
        "queue": "  " * one.depth + one.queue,
        "guaranteed": one.guaranteed_cpu_cores,
        "max": one.max_cpu_cores,
        "weight": one.weight,
        "cores": one.used_cpu_cores,
        "GiB": one.used_memory_bytes / GIB,
        "share": f"{one.share:.1%}",
        "run": one.running_gangs,
        "wait": one.waiting_gangs,
        "tasks": one.waiting_tasks,
        "turn": one.turn,
    }
