"""`slacktide top`: the batch side of a cluster on one screen, live."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from scheduler.adapters.scheduler_page import Counters, counters
from scheduler.app.cluster_options import changes, looking, of_cluster, say_unseen
from scheduler.app.gangs_command import shown as gang_row
from scheduler.app.showing import narrow, plain, print_whole
from scheduler.app.view import View, Wish
from scheduler.core.explain import duration_text
from scheduler.core.gang_facts import GangFact
from scheduler.core.picture import NodeFact, Picture
from scheduler.core.telling import nodes_text
from slacktide.clock import SteadyClock
from slacktide.output import print_renderable

GIB = 2**30
SHOWN_GANGS = 12
SHOWN_NODES = 20
SHOWN_DECISIONS = 6
BAR_WIDTH = 30


@dataclass(slots=True)
class Rates:
    """What happened between the last two looks, a second."""

    binds_per_s: float | None = None
    rounds_per_s: float | None = None
    round_ms: float | None = None
    writes_per_s: float | None = None
    _at_s: float | None = None
    _bound: set[str] = field(default_factory=set)
    _counters: Counters | None = None
    _clock: SteadyClock = field(default_factory=SteadyClock)

    async def look(self, view: View, metrics: str) -> None:
        """Looks again."""
        self.saw(set(view.board.places.batch), await counters(metrics), at_s=self._clock.now_s())

    def saw(self, bound: set[str], now: Counters | None, *, at_s: float) -> None:
        """Takes who is bound and what the planner counts by then."""
        before, self._counters = self._counters, now
        since, self._at_s = self._at_s, at_s
        fresh, self._bound = len(bound - self._bound), bound
        self.rounds_per_s = self.writes_per_s = self.round_ms = None
        if now is not None and now.rounds:
            self.round_ms = 1_000 * now.round_s / now.rounds
        if since is None or at_s <= since:
            return
        self.binds_per_s = fresh / (at_s - since)
        if now is not None and before is not None and now.rounds >= before.rounds:
            self.rounds_per_s = (now.rounds - before.rounds) / (at_s - since)
            self.writes_per_s = (now.written - before.written) / (at_s - since)


@click.command()
@of_cluster
@click.option("--once", is_flag=True, help="Print it once and end, for scripts.")
@click.option("--nodes", "with_nodes", is_flag=True, help="Also the fullest nodes.")
@click.option(
    "--metrics",
    default="http://127.0.0.1:8082/metrics",
    show_default=True,
    help="A planner's; where nobody answers there, rates come from the cluster alone.",
)
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    show_default=True,
    help="How --once prints it.",
)
def top(
    kubeconfig: Path | None,
    context: str | None,
    namespace: str,
    once: bool,
    with_nodes: bool,
    metrics: str,
    output: str,
) -> None:
    """Show the cluster's batch side live: cores sold, used and free, queues, gangs, decisions.

    Binds a second are counted as pods are seen bound; rounds and writes are the planner's own
    figures, where its /metrics can be reached (kubectl port-forward does).

    \b
    Examples:
      slacktide top
      slacktide top --nodes --metrics http://10.0.0.7:8082/metrics
      slacktide top --once -o json | jq .cluster
    """

    async def look(view: View) -> None:
        wish = Wish(about=lambda key: not namespace or key.namespace == namespace)
        rates = Rates()
        await rates.look(view, metrics)
        picture = view.picture(wish)
        say_unseen(picture.unseen)
        if once and output != "table":
            print_whole(plain(asdict(picture)), output)
        elif once:
            print_renderable(screen(picture, rates, namespace, with_nodes=with_nodes))
        else:
            await _live(view, wish, rates, metrics, namespace, with_nodes=with_nodes)

    looking(kubeconfig, context, namespace, look)


async def _live(
    view: View, wish: Wish, rates: Rates, metrics: str, namespace: str, *, with_nodes: bool
) -> None:
    with Live(auto_refresh=False, screen=True) as live:
        async for _ in changes(view):
            await rates.look(view, metrics)
            shown = screen(view.picture(wish), rates, namespace, with_nodes=with_nodes)
            live.update(shown, refresh=True)


def screen(picture: Picture, rates: Rates, namespace: str, *, with_nodes: bool) -> RenderableType:
    """Everything, from the whole to the parts."""
    gangs = [one for one in picture.gangs if namespace in ("", one.namespace)]
    parts: list[RenderableType] = [
        _headline(picture),
        _pace(picture, rates),
        _queues(picture),
        _waiting(gangs, now_s=picture.at_s),
        _decisions(picture),
    ]
    if with_nodes:
        parts.append(_nodes(picture.nodes))
    return Group(*parts)


def _headline(picture: Picture) -> RenderableType:
    one = picture.cluster
    share = one.used_cpu_cores / one.sold_cpu_cores if one.sold_cpu_cores else 0.0
    closed = f" ({one.closed_nodes} closed)" if one.closed_nodes else ""
    words = (
        f"{one.nodes} nodes{closed} sell {one.sold_cpu_cores:,.6g} cores and "
        f"{one.sold_memory_bytes / GIB:,.4g} GiB: {one.used_cpu_cores:,.6g} used, "
        f"{one.free_cpu_cores:,.6g} free"
    )
    grid = Table.grid(padding=(0, 1))
    grid.add_row(_bar(share), Text(f"{share:.0%} used", style="bold"), Text(words))
    return grid


def _pace(picture: Picture, rates: Rates) -> RenderableType:
    one, planner = picture.cluster, picture.planner
    running = f"gangs: {one.running_gangs} run ({one.running_tasks} tasks)"
    parts = [f"{running}, {one.waiting_gangs} wait ({one.waiting_tasks} tasks)"]
    if rates.binds_per_s is not None:
        parts.append(f"{rates.binds_per_s:.3g} binds/s")
    if rates.rounds_per_s is not None and rates.writes_per_s is not None:
        parts.append(f"{rates.rounds_per_s:.3g} rounds/s, {rates.writes_per_s:.3g} writes/s")
    if rates.round_ms is not None:
        parts.append(f"{rates.round_ms:.3g} ms a round")
    said = Text("; ".join(parts) + "; ")
    if planner is None:
        said.append("no planner has been seen", style="bold red")
    else:
        heard = f"{planner.holder}, heard of {duration_text(int(planner.heard_s))} ago"
        alive = "planner" if planner.alive else "NO PLANNER AT WORK, the last was"
        said.append(f"{alive} {heard}", style="" if planner.alive else "bold red")
    return said


def _queues(picture: Picture) -> RenderableType:
    table = _table("Queues", "queue", "", "cores", "of", "run", "wait", "turn")
    for one in picture.queues:
        most = one.max_cpu_cores or one.guaranteed_cpu_cores or picture.cluster.sold_cpu_cores
        table.add_row(
            "  " * one.depth + one.queue,
            _bar(one.used_cpu_cores / most if most else 0.0),
            f"{one.used_cpu_cores:,.4g}",
            f"{most:,.4g}",
            str(one.running_gangs),
            str(one.waiting_gangs),
            "" if one.turn is None else str(one.turn),
        )
    return table


def _waiting(gangs: list[GangFact], *, now_s: float) -> RenderableType:
    waiting = [one for one in gangs if one.waits]
    if not waiting:
        return Text("Nobody waits.")
    rows = [gang_row(one, now_s=now_s) for one in waiting[:SHOWN_GANGS]]
    more = f", the first {SHOWN_GANGS}" if len(waiting) > SHOWN_GANGS else ""
    return narrow(rows, title=f"Waiting: {len(waiting)}{more}")


def _decisions(picture: Picture) -> RenderableType:
    table = _table("Last decisions", "ago", "gang", "tasks", "bound", "nodes")
    for one in picture.decisions[:SHOWN_DECISIONS]:
        ago = duration_text(max(int(picture.at_s - one.at_s), 0))
        gang = f"{one.namespace}/{one.gang}"
        table.add_row(ago, gang, str(one.tasks), str(one.bound), nodes_text(one.nodes))
    return table


def _nodes(nodes: tuple[NodeFact, ...]) -> RenderableType:
    fullest = sorted(nodes, key=lambda one: (one.free_cpu_cores, one.node))[:SHOWN_NODES]
    title = f"Nodes: the fullest {len(fullest)} of {len(nodes)}"
    table = _table(title, "node", "", "used", "sold", "free", "GiB used", "tasks", "state")
    for one in fullest:
        table.add_row(
            one.node,
            _bar(one.used_cpu_cores / one.sold_cpu_cores if one.sold_cpu_cores else 0.0),
            f"{one.used_cpu_cores:.4g}",
            f"{one.sold_cpu_cores:.4g}",
            f"{one.free_cpu_cores:.4g}",
            f"{one.used_memory_bytes / GIB:.4g}",
            str(one.tasks),
            "open" if one.open else "closed",
        )
    return table


WORDS = frozenset({"queue", "node", "gang", "nodes", "state", ""})


def _table(title: str, *columns: str) -> Table:
    table = Table(
        title=title,
        title_justify="left",
        header_style="bold",
        box=SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    for name in columns:
        table.add_column(name, justify="left" if name in WORDS else "right", overflow="fold")
    return table


def _bar(share: float) -> ProgressBar:
    return ProgressBar(total=1.0, completed=min(max(share, 0.0), 1.0), width=BAR_WIDTH)
