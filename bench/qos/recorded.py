"""Records what the agent's senses tell in a scene, for tests that decide about it again.

python -m bench.qos.recorded [--load 60] [--loaded 2] [--observe] [--out tests/scenarios] SCENE ...

Writes OUT/recorded_SCENE.jsonl: from half a second before the step, which is told as 100 s, until
the agent was calm again; with --observe, where nothing is held back, it is recorded_SCENE_alone.
A recording holds neither names nor paths, only figures.
"""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace
from pathlib import Path

import click

from bench.qos.arms import Ours
from bench.qos.calibrate import cpu_s_per_request
from bench.qos.episode import play
from bench.qos.rig import Rig, ends_well
from bench.qos.scenes import BY_NAME, Scene
from qos_controller.adapters.recording import recorded, shortened

STEP_S = 100.0
BEFORE_S = 0.5
AFTER_S = 0.5
CALM_WITHIN_S = 12.0
MOST_BYTES = 200_000
"""Of a file that lies in the repository; what comes later is left out."""


class Recording(Ours):
    """The agent, told to record."""

    rest_s = CALM_WITHIN_S

    @property
    def file(self) -> Path:
        """Where it records."""
        return self.rig.run_dir / "recording"

    def _command(self) -> list[str]:
        return [*super()._command(), "--record", str(self.file)]


class Watching(Recording):
    """Nothing is held back, and so nothing is waited for."""

    rest_s = 1.0

    def _command(self) -> list[str]:
        return [*super()._command(), "--observe"]


@click.command()
@click.option("--load", default=60, show_default=True, help="Percent of the node.")
@click.option("--loaded", type=float, help="Seconds from the step; else the scene's.")
@click.option("--observe", is_flag=True, help="The agent writes nothing to the node.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("tests/scenarios"))
@click.option("--folder", type=click.Path(path_type=Path), default=Path("/var/tmp"))  # noqa: S108
@click.argument("scenes", nargs=-1, type=click.Choice(sorted(BY_NAME)))
def main(  # noqa: PLR0917 -- click hands options over by name
    load: int,
    loaded: float | None,
    observe: bool,
    seed: int,
    out: Path,
    folder: Path,
    scenes: tuple[str, ...],
) -> None:
    """Play each scene once and keep what the senses told."""
    ends_well()
    arm = Watching if observe else Recording
    for name in scenes:
        scene = BY_NAME[name]
        scene = replace(scene, loaded_s=loaded or scene.loaded_s)
        lines = record(scene, arm, folder, load=load, seed=seed)
        path = out / f"recorded_{name}{'_alone' if observe else ''}.jsonl"
        sizes = itertools.accumulate(map(len, lines))
        kept = [line for line, size in zip(lines, sizes, strict=True) if size < MOST_BYTES]
        path.write_bytes(b"".join(kept))
        print(f"{path}: {len(kept)} of {len(lines)} ticks, {path.stat().st_size} bytes")


def record(
    scene: Scene, kind: type[Recording], folder: Path, *, load: int, seed: int
) -> list[bytes]:
    """One episode, from before the step until the agent is calm again."""
    with Rig(scene, folder) as rig:
        rate = scene.rate_per_s
        if not rate:
            rate = load / 100 * (os.cpu_count() or 1) / cpu_s_per_request(rig)
        arm = kind(rig)
        with arm:
            told = play(rig, arm, load=load, rate_per_s=rate, repeat=0, seed=seed)
            step_s = told.began_s - time.time() + time.monotonic()
            arm.rest()
            calm_s = time.monotonic()
        ticks = recorded(arm.file.read_bytes().splitlines(keepends=True))
        return list(
            shortened(
                ticks,
                from_s=step_s - BEFORE_S,
                until_s=calm_s + AFTER_S,
                as_s=STEP_S - BEFORE_S,
            )
        )


if __name__ == "__main__":
    main()
