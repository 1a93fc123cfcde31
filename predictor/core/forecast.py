"""Node peaks over several horizons, each with the risk it promises and the sentence behind it.

`advance` is the whole interface: the state so far and a history in, the next state and a forecast
out. It is pure, deterministic, and reads nothing later than `now_s`. The same settings serve every
fleet, because the margin is found online from the fleet's own past (see `conformal`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np

from predictor.core.explain import memory_sentence, sentence
from predictor.core.history import HOUR_S, History
from predictor.core.learning import Kept, Learned, Pace, Resource, nothing_learned, step
from slacktide.messages import FloatArray, IntArray, NodeForecasts

DAY_S: Final = 24 * HOUR_S


@dataclass(frozen=True, slots=True)
class ForecastSettings:
    """The promise, and how fast to learn. The defaults were measured on several real fleets."""

    horizons_s: tuple[int, ...] = (HOUR_S, 4 * HOUR_S, 12 * HOUR_S, DAY_S)
    """Seconds, ascending, whole hours: a task is placed by the shortest that covers it."""
    cpu_risk: float = 0.01
    """Share of windows whose peak may exceed what is kept; CPU shortage slows, so 1 in 100."""
    memory_risk: float = 0.001
    """The same for memory; memory shortage kills, so 1 in 1000."""
    learn_every_s: int = 3 * HOUR_S
    """Seconds between forecasts kept to learn from: closer ones overlap and teach nothing new."""
    keep_s: int = 90 * DAY_S
    """Seconds a forecast is kept to learn from: a quarter, so that seasons pass through."""
    half_life_s: int = 30 * DAY_S
    """Seconds in which a score's weight in the margin halves: 1 % needs weeks of evidence."""
    early_factor: float = 1.5
    """Times the base while there is too little to calibrate with: what hindsight chose at worst."""
    least_windows: float = 40.0
    """Independent windows before calibration is believed: about two days of a small fleet."""

    def __post_init__(self) -> None:
        """Raises ValueError where a promise could not be kept by construction."""
        ascending = all(a < b for a, b in zip(self.horizons_s, self.horizons_s[1:], strict=False))
        whole = all(h > 0 and h % HOUR_S == 0 for h in self.horizons_s)
        if not self.horizons_s or not ascending or not whole:
            raise ValueError(f"horizons_s {self.horizons_s}: give whole hours, ascending")
        if not (0 < self.cpu_risk < 1 and 0 < self.memory_risk < 1):
            raise ValueError(f"risks {self.cpu_risk}, {self.memory_risk}: give shares in (0, 1)")

    @property
    def pace(self) -> Pace:
        """What a single resource's step needs of these settings."""
        return Pace(
            horizons_s=self.horizons_s,
            learn_every_s=self.learn_every_s,
            keep_s=self.keep_s,
            half_life_s=self.half_life_s,
            early_factor=self.early_factor,
            least_windows=self.least_windows,
        )


@dataclass(frozen=True, slots=True)
class ForecastState:
    """Opaque: hand it back to the next `advance`. It belongs to one fleet of nodes."""

    nodes: tuple[str, ...]
    at_s: int
    cpu: Learned
    memory: Learned


@dataclass(frozen=True, slots=True)
class Coverage:
    """How promises were kept so far, per horizon [H]; NaN where nothing has matured."""

    horizons_s: tuple[int, ...]
    risk: float
    windows: IntArray  # settled and well enough seen
    broken_share: FloatArray  # of those windows
    worst_node_share: FloatArray  # of the node whose promise was broken most


BEGINNING: Final[ForecastState | None] = None  # what to hand to the first `advance`


def advance(
    state: ForecastState | None,
    history: History,
    now_s: int,
    settings: ForecastSettings = ForecastSettings(),
) -> tuple[ForecastState, NodeForecasts]:
    """The forecast made at `now_s`, and the state after it.

    Pure; reads nothing later than `now_s`. A later history holds the same series first, then new
    ones. Another set of nodes is another fleet, which starts from nothing.

    Raises:
        ValueError: when `now_s` lies before the state's last step.
    """
    known = history.until(now_s)
    if state is None or state.nodes != known.nodes:
        state = _beginning(known.nodes, settings)
    if now_s < state.at_s:
        raise ValueError(f"now_s {now_s} lies before the last step, {state.at_s}")
    pace = settings.pace
    cpu, cpu_kept = step(state.cpu, _cpu(known, settings), known, now_s=now_s, pace=pace)
    memory, memory_kept = state.memory, None
    if known.memory_bytes is not None and np.isfinite(known.node_memory_bytes).any():
        of_memory = _memory(known, settings)
        memory, memory_kept = step(memory, of_memory, known, now_s=now_s, pace=pace)
    state = ForecastState(nodes=known.nodes, at_s=now_s, cpu=cpu, memory=memory)
    return state, _forecasts(state, known, cpu_kept, memory_kept, settings)


def _beginning(nodes: tuple[str, ...], settings: ForecastSettings) -> ForecastState:
    horizons = len(settings.horizons_s)
    return ForecastState(
        nodes=nodes,
        at_s=-(2**62),
        cpu=nothing_learned(horizons, settings.cpu_risk),
        memory=nothing_learned(horizons, settings.memory_risk),
    )


def _cpu(history: History, settings: ForecastSettings) -> Resource:
    return Resource(
        samples=history.cpu_cores,
        request=history.cpu_request_cores,
        capacity=history.node_cpu_cores,
        risk=settings.cpu_risk,
        modelled=True,
    )


def _memory(history: History, settings: ForecastSettings) -> Resource:
    assert history.memory_bytes is not None  # noqa: S101  the caller asked
    return Resource(
        samples=history.memory_bytes,
        request=history.memory_request_bytes,
        capacity=history.node_memory_bytes,
        risk=settings.memory_risk,
        modelled=False,  # at 1 in 1000 a model has too few windows to beat the reference
    )


def _forecasts(
    state: ForecastState,
    history: History,
    cpu: Kept,
    memory: Kept | None,
    settings: ForecastSettings,
) -> NodeForecasts:
    capacity, memory_capacity = history.node_cpu_cores, history.node_memory_bytes
    memory_peak = np.full(cpu.kept.shape, np.nan) if memory is None else memory.kept

    @cache  # asked for only where somebody reads a reason, then once for all of them
    def realised() -> FloatArray:
        return coverage(state, settings).broken_share

    def reasons(node: int, horizon: int) -> str:
        said = sentence(
            cpu,
            node=node,
            horizon=horizon,
            horizons_s=settings.horizons_s,
            capacity_cores=float(capacity[node]),
            risk=settings.cpu_risk,
            calibrated=tuple(margin is not None for margin in state.cpu.margins),
            realised=realised(),
        )
        if memory is None:
            return said
        of_memory = memory_sentence(
            memory,
            node=node,
            horizon=horizon,
            capacity_bytes=float(memory_capacity[node]),
            risk=settings.memory_risk,
        )
        return f"{said}; {of_memory}"

    return NodeForecasts(
        at_s=state.at_s,
        nodes=history.nodes,
        horizons_s=settings.horizons_s,
        peak_cpu_cores=cpu.kept,
        reclaimable_cpu_cores=capacity[:, None] - cpu.kept,
        peak_memory_bytes=memory_peak,
        reclaimable_memory_bytes=memory_capacity[:, None] - memory_peak,
        cpu_risk=settings.cpu_risk,
        memory_risk=settings.memory_risk,
        reasons=reasons,
    )


def coverage(
    state: ForecastState,
    settings: ForecastSettings = ForecastSettings(),
    *,
    memory: bool = False,
    since_s: int = 0,
) -> Coverage:
    """Realised coverage of the forecasts made since `since_s` whose windows are over."""
    learned = state.memory if memory else state.cpu
    moments = [m for m in learned.ledger if m.at_s >= since_s]
    shape = (0, len(state.nodes), len(settings.horizons_s))
    trusted = np.array([m.trusted for m in moments], dtype=np.bool_).reshape(-1, *shape[1:])
    short = [m.kept < m.peak * (1 - 1e-6) for m in moments]
    broken = np.array(short, dtype=np.bool_).reshape(-1, *shape[1:]) & trusted
    per_node, windows = trusted.sum(axis=0), trusted.sum(axis=(0, 1))
    node_share = broken.sum(axis=0) / np.maximum(per_node, 1)
    return Coverage(
        horizons_s=settings.horizons_s,
        risk=settings.memory_risk if memory else settings.cpu_risk,
        windows=windows,
        broken_share=np.where(windows, broken.sum(axis=(0, 1)) / np.maximum(windows, 1), np.nan),
        worst_node_share=np.where(windows, node_share.max(axis=0, initial=0.0), np.nan),
    )


def walk(
    history: History,
    times_s: Iterable[int],
    settings: ForecastSettings = ForecastSettings(),
    *,
    since_s: int = 0,
) -> Iterator[NodeForecasts]:
    """The forecast at each of the ascending times, after learning from the days before the first.

    The learning steps lie `settings.learn_every_s` apart and end at the first time, so the same
    times give the same forecasts whatever is known later. Before `since_s` nothing is known.
    """
    state = BEGINNING
    for now_s in times_s:
        if state is None:
            state = warmed_up(history, now_s, settings, since_s=since_s)
        state, forecasts = advance(state, history, now_s, settings)
        yield forecasts


def warmed_up(
    history: History,
    until_s: int,
    settings: ForecastSettings = ForecastSettings(),
    state: ForecastState | None = BEGINNING,
    *,
    since_s: int = 0,
) -> ForecastState | None:
    """The state after learning up to, but not at, `until_s`.

    From nothing it begins a day after `since_s`; a state goes on from its last step.
    """
    every = settings.learn_every_s
    first = max(until_s - settings.keep_s, since_s + DAY_S if state is None else state.at_s + 1)
    steps = max(0, (until_s - first) // every)
    for now_s in range(until_s - steps * every, until_s, every):
        state, _ = advance(state, history, now_s, settings)
    return state
