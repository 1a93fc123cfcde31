"""Shared GPUs: how much of a real cluster's GPU time is sold before a pod finds no place.

python -m bench.gpu [--seed N] [--runs N] [--traces DIR] [--quick]

Two forms. `until_first`: the trace's pods in their order of arrival, until the first that does not
fit. `inflated`: pods drawn from the trace with replacement until they ask for 130 % of the
cluster's GPUs, which is the form of the paper (Weng et al., USENIX ATC 2023); who does not fit is
left out and the next one comes. Nobody leaves in either. FGD is given the whole trace as its target
workload, as published; ours knows only what has come. --quick takes a quarter of nodes and pods.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import click
import numpy as np

from bench._gpu_cluster import Cluster, Policy, Trace, fill, milli_of, read
from bench._gpu_policies import (
    AtRandom,
    Clustering,
    Gradient,
    Ours,
    Published,
    best_fit,
    dot_product,
    packing,
    typical,
)
from bench.figures import say
from scheduler.core.gpu_usable import TaskClass

ARRIVES = 1.3  # of the cluster's GPU time
LOOKS = 20
GOALS = {"best-fit": ">= baseline + 0.03", "FGD as published": ">= baseline"}

Policies = dict[str, Callable[[], Policy]]


@click.command()
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--runs", type=int, default=3, show_default=True, help="Of the inflated form.")
@click.option(
    "--traces", type=click.Path(path_type=Path), default=Path("../shared/traces"), show_default=True
)
@click.option("--quick", is_flag=True)
def main(seed: int, runs: int, traces: Path, quick: bool) -> None:
    """Measure and print the figures."""
    trace = read(traces / "gpu-openb2023")
    if quick:
        trace, runs = _quarter(trace), 1
    _until_first(trace, _policies(trace, seed), seed)
    _inflated(trace, seed, runs)
    _look(trace)


def _policies(trace: Trace, seed: int) -> Policies:
    return {
        "best-fit": lambda: best_fit,
        "FGD as published": lambda: Published(trace),
        "GPU packing": lambda: packing,
        "GPU clustering": Clustering,
        "dot-product": lambda: dot_product,
        "random": lambda: AtRandom(seed),
    }


def _until_first(trace: Trace, others: Policies, seed: int) -> None:
    ours = fill(trace, Ours())
    for name, policy in others.items():
        say(
            "gpu",
            "until_first_allocated_share",
            [ours.share],
            "share",
            goal={"best-fit": ">= baseline + 0.03", "FGD as published": ">= baseline"}.get(
                name, ""
            ),
            baseline=name,
            baseline_values=[fill(trace, policy()).share],
            seed=seed,
        )


def _inflated(trace: Trace, seed: int, runs: int) -> None:
    drawn = [_drawn(trace, seed + run) for run in range(runs)]
    ours = [fill(trace, Ours(), pods, to_the_end=True).share for pods in drawn]
    for name, policy in list(_policies(trace, seed).items())[:2]:
        theirs = [fill(trace, policy(), pods, to_the_end=True).share for pods in drawn]
        say(
            "gpu",
            "inflated_allocated_share",
            ours,
            "share",
            goal=">= baseline",
            baseline=name,
            baseline_values=theirs,
            seed=seed,
        )


def _drawn(trace: Trace, seed: int) -> Sequence[TaskClass]:
    """Pods of the trace, each draw independent, until they ask for more than there is."""
    random = np.random.default_rng(seed)
    order = random.integers(len(trace.pods), size=2 * len(trace.pods))
    asked = np.cumsum([milli_of(trace.pods[place]) for place in order.tolist()])
    until = int(np.searchsorted(asked, ARRIVES * trace.gpu_milli))
    return [trace.pods[place] for place in order[:until].tolist()]


def _look(trace: Trace) -> None:
    """What it takes to score every node for a class of tasks that share a GPU."""
    cluster = Cluster.empty(trace)
    cluster.expect(typical(trace.pods))
    pod = next(pod for pod in trace.pods if 0 < milli_of(pod) < 1_000)
    spent_ms = []
    for _ in range(LOOKS):
        begun_s = time.perf_counter()
        Gradient().lost(cluster, pod)
        spent_ms.append((time.perf_counter() - begun_s) * 1e3)
    say("gpu", f"look_at_{len(trace.gpus)}_nodes", spent_ms, "ms")


def _quarter(trace: Trace) -> Trace:
    return Trace(
        trace.cpu_cores[::4],
        trace.memory_bytes[::4],
        trace.gpus[::4],
        trace.models[::4],
        trace.pods[::4],
    )


if __name__ == "__main__":
    main()
