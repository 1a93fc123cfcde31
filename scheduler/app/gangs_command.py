"""`slacktide gangs`: every gang, the one thing that keeps it waiting, and when it will start."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import click
from rich.table import Table

from scheduler.app.cluster_options import looking, no_such, of_cluster, watch_option
from scheduler.app.showing import Row, narrow, shown_as
from scheduler.app.view import View, Wish
from scheduler.core.explain import duration_text
from scheduler.core.gang_facts import GangFact
from scheduler.core.lifecycle import ENDED, Phase
from scheduler.core.picture import Picture
from slacktide.output import output_option

NONE = "no gang is there, or none of that namespace, queue or state"


@click.command()
@of_cluster
@click.option("--queue", default="", help="Only those that wait or run in this queue.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([phase.value for phase in Phase]),
    help="Only these, repeatable.  [default: all but done and failed]",
)
@watch_option
@output_option
def gangs(
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    queue: str,
    states: tuple[str, ...],
    watch: bool,
    output: str,
) -> None:
    """Show the gangs: what each has and needs, its place in line, what blocks it, when it starts.

    `place` 2/5 is the second of five in its queue's line. `starts` is foreseen by planning ahead
    over the ends that running work is expected to have; `blocked by` is the one constraint that
    holds first. `slacktide explain gang NAMESPACE/NAME` has the whole sentence and what would help.
    The first rows are those that wait, in the order of turns.

    \b
    Examples:
      slacktide gangs
      slacktide gangs -n team-a --state queued --watch
      slacktide gangs --queue night -o json | jq '.[] | {gang, cause, start_s}'
    """

    def about(one: GangFact) -> bool:
        named = (not namespace or one.namespace == namespace) and (not queue or one.queue == queue)
        wanted = one.state.value in states if states else one.state not in ENDED
        return named and wanted

    def rows(picture: Picture) -> list[Row]:
        return [asdict(one) for one in picture.gangs if about(one)]

    async def look(view: View) -> None:
        if queue:
            known = [one.queue for one in view.picture(Wish(most_reasons=0, starts=False)).queues]
            if queue not in known:
                raise no_such("queue", queue, known, "slacktide queues")
        wish = Wish(about=lambda key: not namespace or key.namespace == namespace)
        table = _table(about)
        await shown_as(view, output, watch=watch, wish=wish, rows=rows, table=table)

    looking(kubeconfig, context, namespace, look)


def _table(about: Callable[[GangFact], bool]) -> Callable[[Picture], Table]:
    def table(picture: Picture) -> Table:
        rows = [shown(one, now_s=picture.at_s) for one in picture.gangs if about(one)]
        return narrow(rows) if rows else nothing(NONE)

    return table


def nothing(said: str) -> Table:
    """A table that says why it is empty."""
    table = Table.grid()
    table.add_row(said)
    return table


def shown(one: GangFact, *, now_s: float) -> Row:
    """A gang as a row for people."""
    more = f" of {one.wanted}" if one.wanted != one.need else ""
    return {
        "gang": one.id,
        "queue": one.queue,
        "state": one.state.value,
        "have/need": f"{one.have}/{one.need}{more}",
        "place": "" if one.position is None else f"{one.position}/{one.line}",
        "waiting": "" if one.waiting_s is None else duration_text(int(one.waiting_s)),
        "starts": start_text(one, now_s=now_s),
        "blocked by": one.cause,
    }


def start_text(one: GangFact, *, now_s: float) -> str:
    """When it starts, as a person says it."""
    if not one.asks:
        return ""
    if one.start_s is None and one.start_after_s is not None:
        return f"after {duration_text(int(one.start_after_s - now_s))}"
    if one.start_s is None:
        return "not foreseen"
    ahead_s = int(one.start_s - now_s)
    return "now" if ahead_s <= 0 else f"in {duration_text(ahead_s)}"
