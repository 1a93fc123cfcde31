"""`slacktide generate`: the built-in sample as a trace."""

from __future__ import annotations

from pathlib import Path

import click

from simulator.core.generate import builtin_sample
from slacktide.trace import write_jobs, write_trace


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seed", type=int, default=1, show_default=True)
def generate(folder: Path, seed: int) -> None:
    """Write the built-in sample as a trace: 3 clusters, 60 nodes, 21 days, and its jobs.

    \b
    Examples:
      slacktide generate sample --seed 7
      slacktide up --trace sample --jobs sample --once
    """
    trace, jobs = builtin_sample(seed)
    write_trace(trace, folder)
    write_jobs(jobs, folder)
    click.echo(
        f"{folder}: {len(trace.nodes.node)} nodes, {len(trace.pods.pod)} pods, "
        f"{len(jobs.job)} gangs",
        err=True,
    )
