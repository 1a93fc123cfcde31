"""The picture of a node as lines for a terminal."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qos_controller.core.node_picture import NodePicture, Now, Promise

BAR = 48
CPUS_A_ROW = 32
ONLINE, BATCH, SYSTEM, BAD = "cyan", "yellow", "magenta", "bold red"
_HEIGHTS = " ▁▂▃▄▅▆▇█"


def screen(picture: NodePicture) -> RenderableType:
    """From the whole to the parts."""
    parts: list[RenderableType] = [_headline(picture), Text(), *_cores(picture), Text()]
    if picture.now is None:
        parts.append(Text("The agent has not finished a tick yet."))
    else:
        parts += [*_uses(picture, picture.now), Text(), _facts(picture, picture.now)]
    return Group(*parts, Text(), *_told(picture))


def _headline(picture: NodePicture) -> Text:
    agent = picture.agent
    said = Text.assemble((picture.node, "bold"), f": {len(picture.cpus)} CPUs; ")
    heard = "never" if agent.heard_s is None else f"{agent.heard_s:.3g} s ago"
    if not agent.alive:
        return said.append(f"NO AGENT AT WORK, its last sign of life was {heard}", style=BAD)
    said.append(f"agent {agent.pid} alive, up {_duration(agent.runs_s)}")
    if agent.tick_cost_s is not None:
        said.append(f", {agent.tick_cost_s * 1e6:,.0f} us a tick")
    if agent.core_share is not None:
        said.append(f", {agent.core_share:.1%} of a core")
    return said


def _cores(picture: NodePicture) -> list[RenderableType]:
    """A column for each CPU: who is bound to it, and whether batch may use it."""
    by_cpu = {cpu: owner.letter for owner in picture.owners for cpu in owner.cpus}
    rows: list[RenderableType] = []
    for at in range(0, len(picture.cpus), CPUS_A_ROW):
        shown = picture.cpus[at : at + CPUS_A_ROW]
        online = [by_cpu.get(cpu, "~" if picture.floating_pods else ".") for cpu in shown]
        batch = ["b" if cpu in picture.batch_cpus else "." for cpu in shown]
        rows.append(_line("CPU", [str(cpu) for cpu in shown], "dim"))
        rows.append(_line("online", online, ONLINE))
        rows.append(_line("batch", batch, BATCH))
    bound = [f"{one.letter} = {one.pod} (CPUs {_ranges(one.cpus)})" for one in picture.owners]
    legend = [*bound, f"~ {picture.floating_pods} online pods float"]
    legend.append(f"b {picture.batch_pods} batch pods" if picture.batch_cpus else "no batch pods")
    return [*rows, Text("        " + "; ".join(legend), style="dim")]


def _line(name: str, cells: list[str], style: str) -> Text:
    return Text(f"{name:<8}").append(" ".join(f"{cell:>3}" for cell in cells), style=style)


def _uses(picture: NodePicture, now: Now) -> list[RenderableType]:
    """One bar whose parts are online, batch and system, with a mark at batch's quota."""
    cores = max(len(picture.cpus), 1)
    used = (
        ("#", ONLINE, now.online_used_cores),
        ("+", BATCH, now.offline_used_cores),
        ("=", SYSTEM, now.system_used_cores),
    )
    bar = Text(f"{'use':<8}[")
    for sign, style, value in used:
        bar.append(sign * min(round((value or 0) / cores * BAR), BAR - len(bar.plain) + 9), style)
    bar.append("." * (BAR + 9 - len(bar.plain)) + "] ")
    names = ("online", "batch", "system")
    words = [f"{name} {_number(one[2])}" for name, one in zip(names, used, strict=True)]
    bar.append(", ".join(words) + f" of {cores} cores")
    quota = "none" if now.quota_cores is None else f"{now.quota_cores:.3g} cores"
    frozen = f"; {now.frozen_share:.0%} of batch frozen" if now.frozen_share else ""
    return [bar, Text(f"{'quota':<8}{quota} for all batch together{frozen}")]


def _facts(picture: NodePicture, now: Now) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    stages = Text()
    for resource, stage in picture.stages.items():
        stages.append(f"{resource} ", "dim").append(f"{stage}  ", "" if stage == "calm" else BAD)
    table.add_row("stage", stages)
    table.add_row("pressure", _pressure(now))
    table.add_row("latency", _latency(picture, now))
    for promise in picture.promises:
        table.add_row("promise", _promise(promise))
    table.add_row("limits", _limits(now))
    table.add_row("evicted", f"{picture.evictions} that the diary still tells of")
    return table


def _pressure(now: Now) -> str:
    stalled = f"{_share(now.online_full_share)} for CPU, {_share(now.io_full_share)} for disk"
    memory = f"memory {_share(now.memory_used_share)} used"
    return f"level {_number(now.level)} (1 is the limit); online stalled {stalled}; {memory}"


def _latency(picture: NodePicture, now: Now) -> Text:
    if now.requests_per_s is None and now.latency_s is None:
        return Text("no service tells it (slacktide.io/latency-from)")
    top = max(picture.latencies_s, default=0.0)
    spark = "".join(_HEIGHTS[round(one / top * 8) if top else 0] for one in picture.latencies_s)
    worst = "-" if now.latency_s is None else f"{now.latency_s * 1e3:.3g} ms"
    said = f"{worst} worst now; {_number(now.requests_per_s)} requests/s, "
    said += f"{_share(now.slow_share)} slow  "
    return Text(said).append(spark, ONLINE).append(f" to {top * 1e3:.3g} ms", "dim")


def _promise(promise: Promise) -> str:
    bound = f"p{promise.quantile * 100:g} within {promise.bound_s * 1e3:g} ms"
    return f"{promise.pod}: {bound}"


def _limits(now: Now) -> str:
    disk, sent = now.disk_write_limit_bytes_per_s, now.egress_limit_bytes_per_s
    return (
        f"disk writes {'free' if disk is None else f'{disk / 1e6:.3g} MB/s'}, "
        f"sending {'free' if sent is None else f'{sent / 1e6:.3g} MB/s'}"
    )


def _told(picture: NodePicture) -> list[RenderableType]:
    rows: list[RenderableType] = []
    for one in picture.told:
        at = datetime.fromtimestamp(one.at_s, UTC).strftime("%H:%M:%S")
        rows.append(Text(f"{at} {one.kind:<8} ", "dim").append(one.text, ""))
    return rows or [Text("Nothing has happened since the agent began.", style="dim")]


def _ranges(cpus: tuple[int, ...]) -> str:
    parts: list[list[int]] = []
    for cpu in cpus:
        if parts and cpu == parts[-1][-1] + 1:
            parts[-1].append(cpu)
        else:
            parts.append([cpu])
    return ",".join(f"{one[0]}-{one[-1]}" if len(one) > 1 else f"{one[0]}" for one in parts)


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.3g}"


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value:.1%}"


def _duration(seconds: float) -> str:
    minutes = int(seconds) // 60
    if minutes < 60:
        return f"{minutes} min {int(seconds) % 60} s"
    return f"{minutes // 60} h {minutes % 60} min"
