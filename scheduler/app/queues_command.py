"""`slacktide queues`: who holds what, who waits, and whose turn is next."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from scheduler.app.cluster_options import looking, of_cluster, watch_option
from scheduler.app.showing import Row, shown_as
from scheduler.app.view import View, Wish
from scheduler.core.picture import Picture
from scheduler.core.queue_facts import QueueFact
from slacktide.output import as_table, output_option

GIB = 2**30


@click.command()
@of_cluster
@watch_option
@output_option
def queues(
    kubeconfig: Path | None, context: str | None, namespace: str, watch: bool, output: str
) -> None:
    """Show the queue tree: what each queue holds, who waits in it, whose turn is next and why.

    Cores and GiB are those of oversold capacity (batch-cpu, batch-memory) that placed tasks hold.
    `turn` 1 is served next. With -n, only the gangs of that namespace are counted as running or
    waiting; what is held is everybody's.

    \b
    Examples:
      slacktide queues
      slacktide queues --watch
      slacktide queues -o json | jq '.[] | select(.waiting_gangs > 0)'
    """

    def rows(picture: Picture) -> list[Row]:
        return [asdict(one) for one in picture.queues]

    def table(picture: Picture) -> Table:
        return as_table([shown(one) for one in picture.queues])

    async def look(view: View) -> None:
        about = Wish(most_reasons=0, starts=False)
        await shown_as(view, output, watch=watch, wish=about, rows=rows, table=table)

    looking(kubeconfig, context, namespace, look)


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
        "tasks waiting": one.waiting_tasks,
        "turn": one.turn,
        "why": "; ".join(filter(None, (one.why, one.problem))),
    }
