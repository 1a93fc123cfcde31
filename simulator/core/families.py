"""A policy over its knob, measured once: what it keeps at any value, and where it breaks how often.

Policies promise different things, or nothing; only at the same violation can their savings be
compared. A family answers for any knob from measurements taken once over the trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import numpy as np

from simulator.core.backtest import Trial, at_horizon, predictions
from simulator.core.policies.catalogue import PEERS
from simulator.core.policies.interface import SupplyPolicy
from simulator.core.policies.rules import Known, Looked
from slacktide.messages import FloatArray, NodeForecasts

Item = TypeVar("Item")
HALVINGS: Final = 40  # of a knob's range: far finer than the digits that are told
DIGITS: Final = 4


class Watched(Protocol):
    """Passes items on, one a time: a place to show progress."""

    def __call__(self, items: Iterator[Item], /) -> Iterator[Item]:
        """The same items."""
        ...


@dataclass(frozen=True, slots=True)
class Family:
    """One policy at any knob; `keep` [N, T] never falls where the knob grows."""

    name: str
    least: float
    most: float
    default: float
    keep: Callable[[float], FloatArray]


def family_of_formula(base: str, trial: Trial, watched: Watched) -> Family:
    """A peer's formula, measured at every time of the trial."""
    peer = PEERS[base]
    rule = peer.rule(trial.memory)

    def looks() -> Iterator[Looked]:
        for now_s in trial.times_s:
            past = trial.history.until(now_s)
            yield rule.look(Known.of(past, now_s, (trial.horizon_s,), memory=trial.memory))

    looked = tuple(np.stack(column) for column in zip(*watched(looks()), strict=True))
    return Family(
        name=base,
        least=0.0,
        most=peer.most,
        default=peer.default(memory=trial.memory),
        keep=lambda knob: rule.keep(looked, knob)[..., 0].T,
    )


def family_of_kept(name: str, kept: FloatArray, trial: Trial) -> Family:
    """What was kept, moved by a share of each node: that is what a risk moves, too."""
    capacity = trial.capacity[:, None]
    return Family(name, -1.0, 1.0, 0.0, lambda share: kept + share * capacity)


def kept_of(
    policy: SupplyPolicy, trial: Trial, watched: Watched, heard: Callable[[NodeForecasts], None]
) -> FloatArray:
    """[N, T] what a policy keeps; `heard` is told each forecast for the trial's horizon."""

    def peaks() -> Iterator[FloatArray]:
        for made in predictions(policy, trial.history, list(trial.times_s)):
            asked = at_horizon(made, trial.horizon_s)
            heard(asked)
            yield (asked.peak_memory_bytes if trial.memory else asked.peak_cpu_cores)[:, 0]

    return np.stack(list(watched(peaks())), axis=1)


def violation(kept: FloatArray, trial: Trial) -> float:
    """The share of answered (node, time) that was exceeded."""
    return float(trial.exceeded(kept).sum() / max(1, (~np.isnan(kept)).sum()))


def matched(family: Family, trial: Trial, target: float) -> float | None:
    """The smallest knob, to four digits, that violates at most so often; None where none does."""
    low, high = family.least, family.most
    if violation(family.keep(high), trial) > target:
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if violation(family.keep(middle), trial) > target:
            low = middle
        else:
            high = middle
    return min(_rounded_up(high), family.most)


def _rounded_up(knob: float) -> float:
    if abs(knob) < 1e-9:
        return 0.0
    unit = 10.0 ** (np.floor(np.log10(abs(knob))) - DIGITS + 1)
    return float(f"{np.ceil(knob / unit - 1e-6) * unit:.{DIGITS}g}")
