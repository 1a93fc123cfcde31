"""`slacktide top node`: the node that you are on, live, without Kubernetes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import asdict
from pathlib import Path

import click
from rich.live import Live

from qos_controller.app.node_look import look, open_diary
from qos_controller.app.node_screen import screen
from qos_controller.core.node_picture import NodePicture
from slacktide.output import print_renderable

RUN_DIR = Path("/run/slacktide")
EVERY_S = 0.5


@click.command()
@click.option("--once", is_flag=True, help="Print it once and end, for scripts.")
@click.option(
    "--run-dir",
    type=click.Path(path_type=Path, file_okay=False),
    default=RUN_DIR,
    show_default=True,
    help="Where the agent keeps its diary and its book of pods.",
)
@click.option("--cgroup-root", default="/sys/fs/cgroup", show_default=True, help="The tree's root.")
@click.option("--pods-root", default="", help="The folder in it that holds kubepods.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="How --once prints it.",
)
def top_node(once: bool, run_dir: Path, cgroup_root: str, pods_root: str, output: str) -> None:
    """Show this node live: cores and owners, use, stages, quota, latency, evictions.

    It reads the agent's diary in shared memory and the cgroup tree, so it works on the node
    itself, without Kubernetes, and also tells what an agent did that has died.

    \b
    Examples:
      slacktide top node
      slacktide top node --once -o json | jq .stages
      kubectl exec -n slacktide ds/slacktide-agent -- slacktide top node --once
    """

    def seen() -> NodePicture:
        # Opened anew for each look: an agent that starts again makes a new diary.
        with closing(open_diary(run_dir)) as reader:
            return look(reader, run_dir, cgroup_root=cgroup_root, pods_root=pods_root)

    picture = seen()
    if not once:
        _live(seen)
    elif output == "json":
        click.echo(json.dumps(asdict(picture), indent=2, allow_nan=False))
    else:
        print_renderable(screen(picture))


def _live(seen: Callable[[], NodePicture]) -> None:
    """Until Ctrl-C."""
    with suppress(KeyboardInterrupt), Live(auto_refresh=False, screen=True) as live:
        while True:
            live.update(screen(seen()), refresh=True)
            time.sleep(EVERY_S)
