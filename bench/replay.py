"""The whole ring on a trace, beside the peers' policies: utilisation, harm, evictions.

python -m bench.replay [--trace DIR --jobs DIR] [--days N] [--seed N] [--quick]

Runs what `slacktide up --once` runs. Without traces: the built-in sample; --quick replays one day
beside Koordinator's formula alone.
"""

from __future__ import annotations

import resource
import time
from functools import partial
from pathlib import Path

import click

from bench.figures import say
from dashboard.app.runbook import RunBook
from dashboard.app.up import Order, prepare, run
from simulator.core.policies.catalogue import BASELINES


@click.command()
@click.option("--trace", type=click.Path(path_type=Path))
@click.option("--jobs", type=click.Path(path_type=Path))
@click.option("--days", type=float)
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--quick", is_flag=True)
def main(trace: Path | None, jobs: Path | None, days: float | None, seed: int, quick: bool) -> None:
    """Replay and print the figures."""
    order = Order(
        trace=trace,
        jobs=jobs,
        train_days=14,
        days=1.0 if quick else days,
        seed=seed,
        copies=None,
        policies=("koordinator",) if quick else BASELINES,
        cpu_risk=0.01,
        speed=None,
        outages=(),
    )
    begun = time.monotonic()
    rows = run(prepare(order), order, RunBook(), lambda *_: None)
    took_s = time.monotonic() - begun
    ours, by_name = rows[0], {row.policy: row for row in rows}
    peer = by_name["koordinator"]
    tell = partial(say, "replay", seed=seed)
    tell("utilisation", [ours.utilisation], "share", goal=">=0.65")
    tell("utilisation_without", [ours.utilisation_without], "share")
    tell(
        "utilisation_vs_koordinator",
        [ours.utilisation],
        "share",
        goal="ratio >=1.15",
        baseline="koordinator's usage formula, 60 %, suppression at 65 %",
        baseline_values=[peer.utilisation],
    )
    tell(
        "online_lost_share",
        [ours.online_lost_share],
        "share",
        goal="<=0.001",
        baseline="koordinator",
        baseline_values=[peer.online_lost_share],
    )
    tell("evicted_share", [ours.evicted_share], "share", goal="<=0.01")
    tell("partial_gangs", [ours.partial_gangs], "gangs", goal="0")
    tell("violation_24h", [ours.violation], "share", goal="0.005-0.015")
    for row in rows[1:]:
        tell(f"utilisation:{row.policy}", [row.utilisation], "share")
        tell(f"online_lost_share:{row.policy}", [row.online_lost_share], "share")
        tell(f"evicted_share:{row.policy}", [row.evicted_share], "share")
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    tell("seconds", [took_s], "s")
    # The replay's own process and the largest of its workers, as many as there are cores.
    tell("peak_rss_gib_own", [own / 2**20], "GiB")
    tell("peak_rss_gib_worker", [largest / 2**20], "GiB")


if __name__ == "__main__":
    main()
