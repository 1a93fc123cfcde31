"""`slacktide doctor node`: is this node fit for the agent, and put it back as it was."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.node_costs import Cost, measure
from qos_controller.adapters.node_facts import read_facts
from qos_controller.app.restoring import restore_node
from qos_controller.core.node_checks import Check, fit, judge
from slacktide.output import print_renderable

STYLES = {"ok": "green", "less": "yellow", "missing": "bold red", "conflict": "bold red"}


@click.command()
@click.option("--restore", is_flag=True, help="Put back all that an agent wrote here, and end.")
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("/run/slacktide"),
    show_default=True,
    help="Where the agent keeps its ledgers.",
)
@click.option("--cgroup-root", default="/sys/fs/cgroup", show_default=True, help="The tree's root.")
@click.option("--pods-root", default="", help="The folder in it that holds kubepods.")
@click.option(
    "--measure/--no-measure",
    "with_costs",
    default=True,
    help="Measure what reading and writing costs, in a group of its own.",
)
@click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
)
def doctor_node(
    restore: bool, run_dir: Path, cgroup_root: str, pods_root: str, with_costs: bool, output: str
) -> None:
    """Check what this node's kernel offers the agent, what is missing and what to do about it.

    Nothing on the node is changed: costs are measured in a control group of its own, and the
    network's parts are tried in a network namespace of its own. Exit code 1: something necessary
    is missing, another agent owns the same groups, or something could not be put back.

    \b
    Examples:
      slacktide doctor node
      slacktide doctor node -o json | jq '.checks[] | select(.state != "ok")'
      slacktide doctor node --restore
    """
    if restore:
        _restore(run_dir, output)
        return
    facts = read_facts(cgroup_root=cgroup_root, pods_root=pods_root, run_dir=run_dir)
    checks = judge(facts)
    costs = (
        measure(find_layout(cgroup_root, pods_root)) if with_costs and facts.cpu_writable else []
    )
    if output == "json":
        told = {
            "kernel": facts.kernel,
            "fit": fit(checks),
            "checks": [asdict(one) for one in checks],
            "costs": [asdict(one) for one in costs],
        }
        click.echo(json.dumps(told, indent=2, allow_nan=False))
    else:
        print_renderable(_screen(facts.kernel, checks, costs))
    sys.exit(0 if fit(checks) else 1)


def _restore(run_dir: Path, output: str) -> None:
    outcome = restore_node(run_dir)
    if output == "json":
        click.echo(json.dumps(asdict(outcome), indent=2))
    else:
        for sentence in outcome.said:
            click.echo(sentence)
    sys.exit(0 if outcome.whole else 1)


def _screen(kernel: str, checks: tuple[Check, ...], costs: list[Cost]) -> RenderableType:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in ("what", "", "found", "what that costs", "what to do"):
        table.add_column(name, overflow="fold")
    for one in checks:
        state = Text(one.state, style=STYLES[one.state])
        table.add_row(one.name, state, one.found, one.costs, one.do)
    verdict = "fit for the agent" if fit(checks) else "NOT fit for the agent"
    parts: list[RenderableType] = [Text(f"kernel {kernel}: {verdict}", style="bold"), table]
    if costs:
        parts.append(_costs(costs))
    return Group(*parts)


def _costs(costs: list[Cost]) -> Table:
    table = Table(title="Measured here", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for name in ("what", "p50 us", "p99 us", "times"):
        table.add_column(name, justify="left" if name == "what" else "right")
    for one in costs:
        p50, p99 = (f"{value * 1e6:,.1f}" for value in (one.median_s, one.p99_s))
        table.add_row(one.name, p50, p99, str(one.repeats))
    return table
