"""Writes the numbers and figures of docs/how-a-number-is-made.md, from the built-in sample.

The page's words are written by hand; each block after `<!-- made: NAME -->` is computed here.
`--check` writes nothing and fails where a block or figure is not what the code says, but for the
last digits, in which machines differ.
"""

from __future__ import annotations

import math
import re
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from predictor.core.cold import Rung
from predictor.core.conformal import DEBT_WEIGHT
from predictor.core.forecast import (
    DAY_S,
    Coverage,
    ForecastSettings,
    ForecastState,
    advance,
    coverage,
    warmed_up,
)
from predictor.core.history import History, history_of, node_sums
from predictor.core.hours import KEPT_HOURS
from predictor.core.learning import Kept, Learned, Resource, step
from predictor.core.linear_quantile import PARTS, parts
from predictor.core.quantile_model import EVEN_WINDOWS, QUANTILE, TREE_WINDOWS
from predictor.core.recommend import MIB, SizingSettings, recommendations
from predictor.core.supply import SupplySettings, offered
from predictor.core.trees import predict_trees
from predictor.core.use import containers_of
from scripts.node_chart import chart
from scripts.page_blocks import Blocks, says, with_blocks
from simulator.core.generate import builtin_sample
from slacktide.messages import FloatArray, NodeForecasts, Recommendation

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "how-a-number-is-made.md"
NOW_S = 19 * DAY_S
GIB = float(1 << 30)
SETTINGS = ForecastSettings(horizons_s=(DAY_S,))
LEAST_SHOWN = 1e-4  # a share below it changes no digit
Known = TypeVar("Known")


def main() -> int:
    """Write or check the page's blocks and figures."""
    example = worked_example()
    made = {PAGE: with_blocks(PAGE.read_text(encoding="utf-8"), blocks(example))}
    made |= {DOCS / "images" / name: text for name, text in figures(example).items()}
    if "--check" in sys.argv[1:]:
        stale = ", ".join(path.name for path, text in made.items() if not says(path, text))
        if stale:
            print(f"not what the code says: {stale}; run `make docs`", file=sys.stderr)
        return 1 if stale else 0
    for path, text in made.items():
        path.write_text(text, encoding="utf-8")
    return 0


@dataclass(frozen=True, slots=True)
class Example:
    """One node's forecast with everything that led to it, and what came."""

    history: History  # the whole, so that what came can be told
    state: ForecastState
    learned: Learned
    kept: Kept
    made: NodeForecasts
    offered: NodeForecasts
    node: int
    kept_so_far: Coverage
    past: FloatArray  # [K] hourly peaks of the node's warm pods
    came: FloatArray  # [24] hourly peaks of all pods that ran when it was made
    advice: Recommendation  # the workload of one container and pod that hands back most cores
    use: int  # its series


def there(value: Known | None) -> Known:
    """What the example must have to show anything."""
    if value is None:
        raise SystemExit("the sample no longer shows what the page explains: choose another time")
    return value


def worked_example() -> Example:
    """The 24 h forecast of the first node with a cold pod that its siblings speak for."""
    trace, _ = builtin_sample()
    whole = history_of(trace)
    known = whole.until(NOW_S)
    before = there(warmed_up(known, NOW_S, SETTINGS))
    state, made = advance(before, known, NOW_S, SETTINGS)
    of_cpu = Resource(
        samples=known.cpu_cores,
        request=known.cpu_request_cores,
        capacity=known.node_cpu_cores,
        risk=SETTINGS.cpu_risk,
        modelled=True,
    )
    learned, kept = step(before.cpu, of_cpu, known, now_s=NOW_S, pace=SETTINGS.pace)
    node = int(kept.cold.node[kept.cold.rung == Rung.SIBLINGS][0])
    containers = containers_of(trace)
    advice = max(
        (r for r in recommendations(known, containers, NOW_S) if r.replicas == 1),
        key=lambda r: (r.cpu_request_cores or 0.0) - (r.recommended_cpu_request_cores or np.inf),
    )
    of_it = np.array([name == advice.workload for name in containers.workload])
    return Example(
        history=whole,
        state=state,
        learned=learned,
        kept=kept,
        made=made,
        offered=offered(made, known.node_memory_bytes),
        node=node,
        kept_so_far=coverage(before, SETTINGS),
        past=there(learned.sums).peak[node],
        came=hourly(whole, whole.resident(NOW_S) & (whole.node == node), NOW_S),
        advice=advice,
        use=int(np.flatnonzero(known.resident(NOW_S) & of_it)[0]),
    )


def hourly(whole: History, member: np.ndarray, from_s: int) -> FloatArray:
    """[24] highest sum of the members in each of the hours after a time."""
    ahead = whole.cpu_cores[:, from_s // whole.interval_s + 1 :][:, : 24 * whole.per_hour]
    one = np.zeros(len(whole.node), dtype=np.int64)
    found: FloatArray = node_sums(ahead, member, one, nodes=1).reshape(24, -1).max(axis=1)
    return found


def blocks(example: Example) -> Blocks:
    """Each block of the page by its name."""
    parts: dict[str, Callable[[Example], str]] = {
        "sentence": sentence_block,
        "reference": reference_block,
        "learned": learned_block,
        "margin": margin_block,
        "cold": cold_block,
        "kept": kept_block,
        "supply": supply_block,
        "came": came_block,
        "advice": advice_block,
        "cpu": cpu_block,
        "memory": memory_block,
    }
    return {name: part(example) for name, part in parts.items()}


def line(name: str, formula: str, value: float, *, digits: int = 4, unit: str = "") -> str:
    """`name = formula = value unit`, which a test computes again from what is printed."""
    return f"{name} = {formula} = {value:.{digits}f} {unit}".rstrip()


def sentence_block(of: Example) -> str:
    """What the command prints for the node."""
    command = f"$ slacktide forecast sample --at {NOW_S} --horizon 24h -o json"
    said = textwrap.fill(of.made.reasons(of.node, 0), 96, break_on_hyphens=False)
    return f"{command}\n{of.history.nodes[of.node]}: {said}"


def reference_block(of: Example) -> str:
    """The geometric mean of two peaks of the last week."""
    view, node = of.kept.outlook, of.node
    week, together = view.week_peak[node], view.week_sum_of_peaks[node]
    reference = view.reference[node]
    return line("reference", f"sqrt({week:.4f} * {together:.4f})", reference, unit="cores")


def learned_block(of: Example) -> str:
    """What the sum and the trees say, by the weights they have earned."""
    view, node, model = of.kept.outlook, of.node, there(of.learned.models[0])
    features, scale = view.features[[node], 0], view.scale[[node]]
    reference = float(view.reference[node])
    seen = parts(features, view.reference[[node]], scale)[0] * scale
    named = zip((*PARTS, "reference", "capacity"), model.shares, seen, strict=True)
    shared = [(name, share, part) for name, share, part in named if share > LEAST_SHOWN]
    total, log_ratio = float(model.shares @ seen), float(predict_trees(model.trees, features)[0])
    windows = EVEN_WINDOWS * model.weight / (1 - model.weight)
    of_sum = model.weight * total + (1 - model.weight) * reference
    of_trees = reference * math.exp(model.weight * log_ratio)
    return "\n".join(
        [
            *(line(f"part of {name}", f"{s:.6f} * {v:.4f}", s * v) for name, s, v in shared),
            line("sum", " + ".join(f"{s * v:.4f}" for _, s, v in shared), total, unit="cores"),
            line("weight", f"{windows:.1f} / ({windows:.1f} + {EVEN_WINDOWS:g})", model.weight),
            line("of the sum", blend(model.weight, total, reference), of_sum, unit="cores"),
            f"trees: the {QUANTILE:g} quantile of log(peak / reference) is {log_ratio:.4f}",
            line(
                "of the trees",
                f"{reference:.4f} * exp({model.weight:.4f} * {log_ratio:.4f})",
                of_trees,
                unit="cores",
            ),
            line(
                "tree weight",
                f"{windows:.1f} / ({windows:.1f} + {TREE_WINDOWS:g})",
                model.tree_weight,
            ),
            line(
                "base",
                blend(model.tree_weight, of_trees, of_sum),
                of.kept.base[node, 0],
                unit="cores",
            ),
        ]
    )


def blend(weight: float, one: float, other: float) -> str:
    """One number by its weight, and the other by the rest."""
    return f"{weight:.4f} * {one:.4f} + {1 - weight:.4f} * {other:.4f}"


def margin_block(of: Example) -> str:
    """What calibration adds."""
    node, share = of.node, there(of.learned.margins[0])
    scale, margin = of.kept.outlook.scale[node], of.kept.margin[node, 0]
    keeper = of.learned.keepers[0]
    in_use = f"{keeper.risk:g} * exp(-{DEBT_WEIGHT:g} * {keeper.debt:.4f})"
    return "\n".join(
        [
            line("risk in use", in_use, keeper.risk_in_use, digits=5),
            f"windows that are over and were seen: {of.kept_so_far.windows[0]}",
            (
                f"share of the capacity that only {100 * keeper.risk_in_use:.2g} % of them"
                f" exceeded: {share:.5f}"
            ),
            line("margin", f"{share:.5f} * {scale:g}", margin, unit="cores"),
        ]
    )


def cold_block(of: Example) -> str:
    """Each cold pod of the node with the peaks of its siblings."""
    pods, history, told = of.kept.cold, of.history, []
    series, workload = there(of.learned.series), there(history.workload)
    names = [name.split("/")[-2] for name in history.series]
    for row in np.flatnonzero(pods.node == of.node).tolist():
        mine = names.index(pods.name[row])
        seen = np.count_nonzero(series.seen, axis=1) >= 24
        others = np.flatnonzero(seen & (workload == workload[mine]))
        peaks = series.peak[others].max(axis=1)
        listed = ", ".join(f"{peak:.4f}" for peak in peaks)
        spread = pods.count[row] - peaks.max()
        told += [
            (
                f"{pods.name[row]}: peaks of its {len(others)} siblings {listed};"
                f" spread of their daily peaks {spread:.4f}"
            ),
            line("counts", f"max({listed}, 0) + {spread:.4f}", pods.count[row], unit="cores"),
        ]
    return "\n".join(told)


def kept_block(of: Example) -> str:
    """All of it together."""
    node, kept = of.node, of.kept
    capacity = of.history.node_cpu_cores[node]
    formula = (
        f"min({capacity:g}, ({kept.base[node, 0]:.4f} + {kept.margin[node, 0]:.4f})"
        f" * {kept.gap_factor[node]:g} + {kept.cold_request[node]:.4f})"
    )
    return line("kept", formula, kept.kept[node, 0], unit="cores")


def supply_block(of: Example) -> str:
    """What is sold of what is not kept."""
    node, history = of.node, of.history
    cores, spare = history.node_cpu_cores[node], of.made.reclaimable_cpu_cores[node, 0]
    room = history.node_memory_bytes[node] / GIB
    held, sold = (
        of.made.peak_memory_bytes[node, 0] / GIB,
        of.offered.reclaimable_memory_bytes[node, 0] / GIB,
    )
    share = SupplySettings().memory_watermark_share
    kept = of.kept.kept[node, 0]
    return "\n".join(
        [
            line("reclaimable", f"{cores:g} - {kept:.4f}", spare, unit="cores"),
            line(
                "kubernetes.io/batch-cpu", f"floor(1000 * {spare:.4f})", int(1000 * spare), digits=0
            ),
            line("batch memory", f"max({share:g} * {room:g} - {held:.4f}, 0)", sold, unit="GiB"),
        ]
    )


def came_block(of: Example) -> str:
    """The day after, and all days before."""
    node, so_far = of.node, of.kept_so_far
    return "\n".join(
        [
            (
                f"highest use in the 24 h that came: {of.came.max():.2f} cores of the"
                f" {of.kept.kept[node, 0]:.2f} kept"
            ),
            (
                f"forecasts of the fleet so far: {so_far.windows[0]}, broken"
                f" {100 * so_far.broken_share[0]:.2f} %, promised {100 * so_far.risk:g} %, of the"
                f" worst node {100 * so_far.worst_node_share[0]:.2f} %"
            ),
        ]
    )


def advice_block(of: Example) -> str:
    """What the command prints for the workload."""
    command = f"$ slacktide recommend sample --at {NOW_S} -o json"
    of_whom = f"{of.advice.namespace}/{of.advice.workload}, container {of.advice.container}"
    said = textwrap.fill(f"{of_whom}: {of.advice.reason}", 96, break_on_hyphens=False)
    return f"{command}\n{said}"


def window(of: Example, samples: np.ndarray, days: int) -> FloatArray:
    """[n] the known samples of the workload in the last days, sorted."""
    last = of.history.column(NOW_S) + 1
    found = samples[of.use, last - days * DAY_S // of.history.interval_s : last]
    return np.sort(found[np.isfinite(found)]).astype(np.float64)


def cpu_block(of: Example) -> str:
    """The two percentiles and the larger of them."""
    sizing, told, reached = SizingSettings(), [], []
    for share, days in ((sizing.cpu_percentile, 14), (sizing.last_day_percentile, 1)):
        ranked = window(of, of.history.cpu_cores, days)
        rank = math.ceil(share * len(ranked))
        reached.append(f"{ranked[rank - 1]:.5f}")
        told += [
            line(f"rank within {days} d", f"ceil({share:g} * {len(ranked)})", rank, digits=0),
            f"sample number {rank} of the {len(ranked)} sorted: {reached[-1]} cores",
        ]
    request = there(of.advice.recommended_cpu_request_cores)
    formula = f"max(ceil(1000 * max({', '.join(reached)})) / 1000, {sizing.least_cpu_cores:g})"
    return "\n".join([*told, line("CPU request", formula, request, digits=3, unit="cores")])


def memory_block(of: Example) -> str:
    """The peak that counts, the room above it, and the step that all share."""
    sizing, declared = SizingSettings(), there(of.advice.memory_request_bytes) / MIB
    memory = window(of, there(of.history.memory_bytes), 14)
    numbers = r"(\d+) and the smaller of the fleet's step (\d+).*? room (\d+)"
    found = there(re.search(numbers, of.advice.reason))
    peak, step_mib, room = (float(number) for number in found.groups())
    bounds = f"max({declared:.0f} - {peak:.0f}, {sizing.memory_budget:g} * {peak:.0f})"
    asked = f"{peak:.0f} + min({room:.0f}, {step_mib:.0f})"
    request = there(of.advice.recommended_memory_request_bytes) / MIB
    return "\n".join(
        [
            (
                f"highest of {len(memory)} samples: {memory[-1] / MIB:.0f} MiB;"
                f" the peak that counts: {peak:.0f} MiB"
            ),
            line(
                "room",
                f"min({bounds}, {sizing.memory_room:g} * {peak:.0f})",
                room,
                digits=0,
                unit="MiB",
            ),
            line("memory request", asked, request, digits=0, unit="MiB"),
        ]
    )


def figures(of: Example) -> dict[str, str]:
    """The page's figures by file name."""
    node = of.node
    hours = np.arange(KEPT_HOURS) - KEPT_HOURS
    levels = {
        "capacity": float(of.history.node_cpu_cores[node]),
        "kept": float(of.kept.kept[node, 0]),
        "reference": float(of.kept.outlook.reference[node]),
    }
    return {"one-forecast.svg": chart(hours, of.past, of.came, levels)}


if __name__ == "__main__":
    sys.exit(main())
