"""The node agent beside nothing, a weight and a 1 s controller: what online feels, what batch gets.

python -m bench.qos [--quick] [--scene NAME ...] [--arms ...] [--loads ...] [--repeats N]
                    [--out DIR] [--plots DIR] [--from FILE ...] [--clean]

Runs as root on a machine with cgroups, in a tree of its own beside kubelet's. Results go to
OUT/SCENE.jsonl, an episode a line; figures, the table (OUT/table.md) and plots are made from them.
"""

from __future__ import annotations

import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bench.qos.arms import ARMS, Ours
from bench.qos.calibrate import cpu_s_per_request
from bench.qos.episode import Record, play
from bench.qos.plots import draw
from bench.qos.report import say_figures, table
from bench.qos.results import Results
from bench.qos.rig import Rig, clean, ends_well
from bench.qos.scenes import BY_NAME, SCENES, Scene
from bench.qos.void import MOST_OTHERS_CORES
from slacktide.errors import BadInput

BLOCK = 4
"""Episodes of one arm in a row; then another arm's turn, in an order drawn anew."""


@click.command()
@click.option("--quick", is_flag=True, help="One scene, one block: does it all run?")
@click.option("--scene", "scenes", multiple=True, type=click.Choice(sorted(BY_NAME)))
@click.option("--arms", default="", help="Of solo,nothing,shares,koordinator,ours.")
@click.option("--loads", default="", help="Percent of the node, as 60,70.")
@click.option("--repeats", default=20, show_default=True, help="Episodes of each scene in ours.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Default: a new folder in /tmp.")
@click.option("--plots", type=click.Path(path_type=Path), help="Where the pictures go.")
@click.option("--from", "files", multiple=True, type=click.Path(path_type=Path, exists=True))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/var/tmp"))  # noqa: S108
@click.option(
    "--most-others",
    default=MOST_OTHERS_CORES,
    show_default=True,
    help="Cores that processes of others may use in a second that counts.",
)
@click.option("--clean", "cleaning", is_flag=True, help="Remove what a killed bench left behind.")
def main(  # noqa: PLR0917 -- click hands options over by name
    quick: bool,
    scenes: tuple[str, ...],
    arms: str,
    loads: str,
    repeats: int,
    seed: int,
    out: Path | None,
    plots: Path | None,
    files: tuple[Path, ...],
    folder: Path,
    most_others: float,
    cleaning: bool,
) -> None:
    """Play the scenes and print the figures."""
    for gone in clean(folder) if os.geteuid() == 0 else []:
        print(f"removed {gone}", file=sys.stderr)
    if cleaning:
        return
    out = out or Path(tempfile.mkdtemp(prefix="slacktide-qos-"))
    out.mkdir(parents=True, exist_ok=True)
    if not files:
        _needs_root()
        ends_well()
        chosen = [BY_NAME[name] for name in scenes] or list(SCENES)
        if quick:
            chosen, repeats = [BY_NAME[name] for name in scenes or ("equal_weight",)], 1
        files = tuple(
            _play_scene(
                scene,
                folder,
                out / f"{scene.name}.jsonl",
                arms=_chosen(scene, arms),
                loads=[int(load) for load in loads.split(",") if load] or scene.loads,
                repeats=min(repeats, scene.most_repeats),
                seed=seed,
            )
            for scene in chosen
        )
    results = Results.read(files, most_others)
    say_figures(results, seed)
    (out / "table.md").write_text(table(results))
    for scene_name in results.scenes if plots else ():
        draw(results, scene_name, plots or out)
    print(f"results, and the table for people, are in {out}", file=sys.stderr)


def _play_scene(
    scene: Scene,
    folder: Path,
    file: Path,
    *,
    arms: Sequence[str],
    loads: Sequence[int],
    repeats: int,
    seed: int,
) -> Path:
    begun_s = time.monotonic()
    source = random.Random(f"{seed} {scene.name}")  # noqa: S311 -- an order, not a secret
    with Rig(scene, folder) as rig, file.open("w") as lines:
        cost_s = 0.0 if scene.rate_per_s else cpu_s_per_request(rig)
        for arm, turns in _blocks(scene, arms, repeats, source):
            for record in _block(rig, arm, turns, loads=loads, cost_s=cost_s, source=source):
                lines.write(record.line() + "\n")
                lines.flush()
    print(f"{scene.name}: {time.monotonic() - begun_s:.0f} s", file=sys.stderr)
    return file


def _blocks(
    scene: Scene, arms: Sequence[str], repeats: int, source: random.Random
) -> Iterator[tuple[str, list[int]]]:
    """Arms in turn, in an order drawn anew for each round, with the episodes of their block."""
    for begin in range(0, repeats, BLOCK):
        turns = range(begin, min(begin + BLOCK, repeats))
        for arm in source.sample(list(arms), len(arms)):
            if arm == "ours" or begin // BLOCK % scene.less_often == 0:
                yield arm, list(turns)


def _block(
    rig: Rig,
    name: str,
    turns: Sequence[int],
    *,
    loads: Sequence[int],
    cost_s: float,
    source: random.Random,
) -> Iterator[Record]:
    with ARMS[name](rig) as arm:
        for turn in turns:
            load = loads[turn % len(loads)]
            rate = rig.scene.rate_per_s or load / 100 * (os.cpu_count() or 1) / cost_s
            drawn = source.randrange(1 << 30)
            yield play(rig, arm, load=load, rate_per_s=rate, repeat=turn, seed=drawn)


def _chosen(scene: Scene, arms: str) -> list[str]:
    wanted = arms.split(",") if arms else list(scene.arms)
    if unknown := set(wanted) - set(ARMS):
        raise BadInput(f"no arm {sorted(unknown)}; there are {', '.join(ARMS)}")
    chosen = [name for name in wanted if name in scene.arms]
    if "ours" in chosen and not Ours.is_there():
        print("no agent to run in this checkout: the arm ours is left out", file=sys.stderr)
        chosen.remove("ours")
    return chosen


def _needs_root() -> None:
    if os.geteuid() != 0:
        raise BadInput("bench.qos makes control groups: run it as root on a machine of your own")


if __name__ == "__main__":
    try:
        main()
    except BadInput as wrong:
        print(json.dumps({"error": str(wrong)}), file=sys.stderr)
        sys.exit(2)
