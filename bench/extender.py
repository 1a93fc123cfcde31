"""The extender: how long one call takes, and what it costs pods from end to end.

python -m bench.extender [--quick] [--runs N]    calls, then binding on a real control plane
python -m bench.extender --calls                 calls alone
python -m bench.extender --fuzz 200000           malformed calls: no crash, no other shape

Milliseconds are those of a client that makes one call after the other over a kept connection, as
kube-scheduler does, beside the same bytes sent to a bare socket that answers at once. Pods a second
are counted by a watch, from the first binding to the last, of pods that were created before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from bench import _extender_calls as calls
from bench import _extender_ends as ends
from bench._extender_fuzz import fuzzed as fuzzed_calls
from bench.figures import say
from slacktide.testing.cluster.processes import free_ports

ECHO: Final = "the same bytes to a bare socket that answers at once"
ALONE: Final = "the same kube-scheduler without the extender"
GOALS: Final = {500: ("<=0.3", "<=1"), 5_000: ("<=1", "<=3")}  # names -> median, 99th


def call_times(runs: int, *, many: int) -> None:
    """Prints what calls take."""
    server, echo = free_ports(2)
    with calls.served(server), calls.echoed(echo):
        for names, goals in GOALS.items():
            count = many if names == 500 else many // 4
            asked = calls.filters(names)
            ours = [calls.times_ms(server, asked, count) for _ in range(runs)]
            bare = [calls.times_ms(echo, asked, count) for _ in range(runs)]
            for share, goal in zip((0.5, 0.99), goals, strict=True):
                _say_call(f"filter_p{100 * share:g}_ms_{names}", ours, share, goal, bare)
        for what, asked in (
            ("prioritize", calls.prioritizes(500)),
            ("bind", calls.binds()),
        ):
            ours = [calls.times_ms(server, asked, many // 4) for _ in range(runs)]
            _say_call(f"{what}_p99_ms", ours, 0.99, "<=1")
        unread = [calls.refused_ms(server, many // 20) for _ in range(runs)]
        _say_call("oversize_refused_p99_ms", unread, 0.99, "<=1")
    with calls.served(server, planning=True):
        ours = [calls.times_ms(server, calls.filters(500), many // 2) for _ in range(runs)]
    _say_call("filter_p99_ms_500_while_planning", ours, 0.99)


def _say_call(
    figure: str,
    ours: Sequence[Sequence[float]],
    share: float,
    goal: str = "",
    bare: Sequence[Sequence[float]] = (),
) -> None:
    values, beside = ([_at(share, run) for run in runs] for runs in (ours, bare))
    say(
        "extender",
        figure,
        values,
        "ms",
        goal=goal,
        baseline=ECHO if beside else "",
        baseline_values=beside,
    )


def _at(share: float, ordered: Sequence[float]) -> float:
    return ordered[int(share * (len(ordered) - 1))]


def end_to_end(nodes: int, pods: int, runs: int) -> None:
    """Prints pods a second of each way, and what of the two cores a pod takes."""
    modes = (ends.PLAIN, ends.WITH, ends.DIRECT)
    found: dict[str, list[ends.Seen]] = {mode: [] for mode in modes}
    with tempfile.TemporaryDirectory() as folder, ends.cluster(nodes, Path(folder)) as plane:
        for run in range(runs):
            for mode in modes if run % 2 == 0 else modes[::-1]:
                namespace = f"run-{run}-{mode}"
                found[mode].append(ends.one_run(plane, mode, pods=pods, namespace=namespace))
    rates = {mode: [seen.pods_per_s() for seen in of] for mode, of in found.items()}
    costs = {mode: [_milli_cpu(seen) for seen in of] for mode, of in found.items()}
    for mode, name, goal in (
        (ends.WITH, "with_extender", "ratio >= 0.95"),
        (ends.DIRECT, "direct", "ratio >= 2"),
    ):
        for figure, of, unit, wanted in (
            (f"pods_per_s_{name}", rates, "1/s", goal),
            (f"cpu_ms_a_pod_{name}", costs, "ms", ""),
        ):
            say(
                "extender",
                figure,
                of[mode],
                unit,
                goal=wanted,
                baseline=ALONE,
                baseline_values=of[ends.PLAIN],
            )


def _milli_cpu(seen: ends.Seen) -> float:
    """Of all programs of the control plane and ours together."""
    return 1_000 * sum(seen.cpu_s.values()) / len(seen.bound)


def fuzz(count: int, seed: int) -> None:
    """Prints what came of malformed calls, and the first few that were answered wrongly."""
    found = fuzzed_calls(count, seed=seed)
    for wrong in found.wrong[:10]:
        click.echo(wrong, err=True)
    say("extender", "fuzzed_calls", [found.statuses.total()], "", seed=seed)
    say("extender", "fuzzed_refused", [count - found.statuses[200]], "", seed=seed)
    say("extender", "fuzzed_wrong", [len(found.wrong)], "", goal="<=0", seed=seed)
    say("extender", "fuzzed_oversize_read", [found.read_oversize], "", goal="<=0", seed=seed)


@click.command()
@click.option("--calls", "calls_alone", is_flag=True, help="Without a control plane.")
@click.option("--fuzz", "fuzzed", type=int, default=0, help="So many malformed calls instead.")
@click.option("--quick", is_flag=True)
@click.option("--runs", type=int, default=3, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
def main(*, calls_alone: bool, fuzzed: int, quick: bool, runs: int, seed: int) -> None:
    """Prints the figures."""
    if fuzzed:
        fuzz(fuzzed, seed)
        return
    call_times(runs, many=400 if quick else 4_000)
    if not calls_alone:
        end_to_end(*((500, 500, 1) if quick else (5_000, 5_000, runs)))


if __name__ == "__main__":
    main()
