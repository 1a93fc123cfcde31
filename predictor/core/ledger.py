"""What was forecast, and what came: the memory that models and calibration learn from.

A moment is one forecast of every node. It is written once, when made; each of its horizons is
settled once, when it is over, against the pods it was made for. Nothing is learned from a window
that has not ended or whose samples mostly went missing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from predictor.core.history import History, Samples, node_sums
from predictor.core.outlook import FeatureTable
from slacktide.messages import BoolArray, FloatArray, IntArray

LEAST_REFERENCE = 1e-6  # cores or bytes; below it a node had no warm pod that used anything
MOST_ROWS = 60_000  # to learn from: more cost time and change no third digit
GOLDEN = (5**0.5 - 1) / 2
TRUSTED_SHARE = 0.5  # of a window's samples; a window seen less is no evidence of calm


@dataclass(frozen=True, slots=True)
class Moment:
    """One forecast of N nodes over H horizons, and what came of it (NaN until it is over)."""

    at_s: int
    resident: BoolArray  # [S] every pod that ran then
    warm: BoolArray  # [S] those the model spoke for; cold ones counted at their request
    features: FeatureTable  # [N, H, F]
    reference: FloatArray  # [N]
    scale: FloatArray  # [N] what margins are shares of
    base: FloatArray  # [N, H] before the margin
    kept: FloatArray  # [N, H] promised
    warm_peak: FloatArray  # [N, H] what came, of the warm pods
    peak: FloatArray  # [N, H] what came, of all resident pods
    seen: FloatArray  # [N, H] share of the window's samples that exist

    @property
    def trusted(self) -> BoolArray:
        """[N, H] windows that are over and were seen well enough to learn from."""
        return np.isfinite(self.peak) & (self.seen >= TRUSTED_SHARE)

    @property
    def teaches(self) -> BoolArray:
        """[N, H] trusted windows of nodes with warm pods in use; without, there was no forecast."""
        return self.trusted & (self.reference > LEAST_REFERENCE)[:, None]


Ledger = tuple[Moment, ...]  # ascending in time


def settle(
    ledger: Ledger, samples: Samples, history: History, *, horizons_s: tuple[int, ...], now_s: int
) -> tuple[Ledger, tuple[tuple[Moment, int], ...]]:
    """The ledger with every window that is over by now settled, and which were settled just now.

    `samples` [S, T] are the resource's; each settled pair is (moment, horizon index).
    """
    oldest_open = now_s - horizons_s[-1]
    settled: list[tuple[Moment, int]] = []
    moments = list(ledger)
    for position in range(len(moments) - 1, -1, -1):
        moment = moments[position]
        due = _due(moment, horizons_s, now_s)
        if due:
            moments[position] = moment = _settled(moment, due, samples, history, horizons_s)
            settled.extend((moment, index) for index in due)
        if moment.at_s < oldest_open and not due:
            break
    return tuple(moments), tuple(reversed(settled))  # in the order in which they were made


def _due(moment: Moment, horizons_s: tuple[int, ...], now_s: int) -> list[int]:
    return [
        index
        for index, horizon_s in enumerate(horizons_s)
        if moment.at_s + horizon_s <= now_s and np.isnan(moment.seen[:, index]).any()
    ]


def _settled(
    moment: Moment,
    due: list[int],
    samples: Samples,
    history: History,
    horizons_s: tuple[int, ...],
) -> Moment:
    first = moment.at_s // history.interval_s + 1
    last = (moment.at_s + horizons_s[due[-1]]) // history.interval_s + 1
    window = samples[: len(moment.resident), first:last]
    node, nodes = history.node[: len(moment.resident)], len(moment.reference)
    every = node_sums(window, moment.resident, node, nodes=nodes)
    cold = moment.resident & ~moment.warm
    warm = node_sums(window, moment.warm, node, nodes=nodes) if cold.any() else every
    heard = node_sums((~np.isnan(window)).astype(np.float32), moment.resident, node, nodes=nodes)
    pods = np.maximum(np.bincount(node[moment.resident], minlength=nodes), 1)
    peak, warm_peak, seen = moment.peak.copy(), moment.warm_peak.copy(), moment.seen.copy()
    for index in due:
        columns = max(horizons_s[index] // history.interval_s, 1)
        peak[:, index] = every[:, :columns].max(axis=1, initial=0.0)
        warm_peak[:, index] = warm[:, :columns].max(axis=1, initial=0.0)
        seen[:, index] = heard[:, :columns].sum(axis=1) / (pods * columns)
    return replace(moment, peak=peak, warm_peak=warm_peak, seen=seen)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Settled and trusted windows of one horizon, as R rows; of very many, an even part."""

    windows: int  # that the rows are all, or an even part, of
    at_s: IntArray  # [R]
    reference: FloatArray  # [R]
    scale: FloatArray  # [R]
    base: FloatArray  # [R]
    warm_peak: FloatArray  # [R]


def _picked(ledger: Ledger, index: int) -> tuple[int, list[tuple[Moment, IntArray]]]:
    """How many windows teach, and of each moment the nodes that are taken as rows."""
    rows = [(moment, np.flatnonzero(moment.teaches[:, index])) for moment in ledger]
    taken, first, picked = evenly(sum(len(nodes) for _, nodes in rows)), 0, []
    for moment, nodes in rows:
        kept = nodes[taken[first : first + len(nodes)]]
        first += len(nodes)
        if kept.size:
            picked.append((moment, kept))
    return first, picked


def evenly(rows: int) -> BoolArray:
    """[rows] which to learn from: all of them, or MOST_ROWS spread so that no pattern is followed.

    Steps of the golden ratio: any stretch of rows gives its share, and no node is always left out.
    """
    kept: BoolArray = np.arange(rows) * GOLDEN % 1.0 < MOST_ROWS / max(rows, 1)
    return kept


def evidence(ledger: Ledger, index: int) -> Evidence | None:
    """The trusted windows of horizon `index`; None where there is none."""
    windows, picked = _picked(ledger, index)
    if not picked:
        return None
    return Evidence(
        windows=windows,
        at_s=np.concatenate([np.full(len(rows), m.at_s) for m, rows in picked]),
        reference=np.concatenate([m.reference[rows] for m, rows in picked]),
        scale=np.concatenate([m.scale[rows] for m, rows in picked]),
        base=np.concatenate([m.base[rows, index] for m, rows in picked]),
        warm_peak=np.concatenate([m.warm_peak[rows, index] for m, rows in picked]),
    )


def evidence_features(ledger: Ledger, index: int) -> FeatureTable:
    """[R, F] features of the rows of `evidence`: apart, since only a refit needs so much memory."""
    return np.concatenate([m.features[rows, index] for m, rows in _picked(ledger, index)[1]])
