"""One resource's forecast, step by step: look, settle, learn, calibrate, keep, remember.

CPU and memory go the same way with their own samples, capacity and risk. What is kept for a node is

    min(capacity, (base + margin * capacity) * gap factor + cold pods)

where base is model and reference (`quantile_model`), the margin is conformal (`conformal`) and the
gap factor grows by steps with the hours a node has been silent. Pure: state in, state out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from predictor.core.cold import ColdPods, cold_pods
from predictor.core.conformal import PromiseKeeper, margin, unseen_rows_of
from predictor.core.history import HOUR_S, History, Samples
from predictor.core.hours import NodeHours, SeriesHours, missing_hours, node_hours, series_hours
from predictor.core.ledger import Evidence, Ledger, Moment, evidence, evidence_features, settle
from predictor.core.outlook import Outlook, cold_series, outlook
from predictor.core.quantile_model import QuantileModel, fit, independent_windows, predict
from slacktide.messages import BoolArray, FloatArray, IntArray

# Silent hours and the factor from then on: by how much what was kept for 24 h must be larger, where
# it is that much older, to be broken as rarely as a fresh one. Medians of eight fleets.
GAP_STEPS: Final = ((1, 1.01), (4, 1.03), (12, 1.05), (24, 1.07), (72, 1.15))
LEAST_SHARE_OF_BASE = 0.5  # however calm it was, a margin never takes more than half of the base


@dataclass(frozen=True, slots=True)
class Resource:
    """What one step needs of one resource. S series, N nodes."""

    samples: Samples  # [S, T] nothing later than now
    request: FloatArray  # [S] NaN where none is declared
    capacity: FloatArray  # [N] NaN where unknown
    risk: float
    modelled: bool  # False: the reference alone, where it does better than a model


@dataclass(frozen=True, slots=True)
class Pace:
    """How a forecast learns; see `ForecastSettings` for the reasons."""

    horizons_s: tuple[int, ...]
    learn_every_s: int
    keep_s: int
    half_life_s: int
    early_factor: float
    least_windows: float


@dataclass(frozen=True, slots=True)
class Learned:
    """All that one resource's forecast knows besides the history."""

    series: SeriesHours | None
    sums: NodeHours | None
    ledger: Ledger
    models: tuple[QuantileModel | None, ...]  # [H]
    fitted_rows: tuple[int, ...]  # [H] windows behind each model
    fitted_s: tuple[int, ...]  # [H]
    margins: tuple[float | None, ...]  # [H] share of capacity; None while there is too little
    keepers: tuple[PromiseKeeper, ...]  # [H]


@dataclass(frozen=True, slots=True)
class Kept:
    """One resource's answer with what led to it. N nodes, H horizons."""

    kept: FloatArray  # [N, H] <= capacity; NaN where the capacity is unknown
    base: FloatArray  # [N, H]
    margin: FloatArray  # [N, H] in cores or bytes
    by_horizon: IntArray  # [N, H] whose base and margin are kept: its own, or one that needs more
    gap_factor: FloatArray  # [N]
    cold_request: FloatArray  # [N] what cold pods count for
    cold: ColdPods
    outlook: Outlook


def nothing_learned(horizons: int, risk: float) -> Learned:
    """Where every forecast begins."""
    return Learned(
        series=None,
        sums=None,
        ledger=(),
        models=(None,) * horizons,
        fitted_rows=(0,) * horizons,
        fitted_s=(0,) * horizons,
        margins=(None,) * horizons,
        keepers=(PromiseKeeper(risk),) * horizons,
    )


def step(
    learned: Learned, resource: Resource, history: History, *, now_s: int, pace: Pace
) -> tuple[Learned, Kept]:
    """One step of one resource at `now_s`; `history` ends there."""
    learned, resident, warm = _look(learned, resource, history, now_s)
    learned = _learn(learned, resource, history, now_s, pace)
    assert learned.series is not None and learned.sums is not None  # noqa: S101, PT018  _look made both
    scale = _scale(resource.capacity, learned.sums)
    view = outlook(
        learned.series,
        learned.sums,
        history.node,
        capacity=scale,
        horizons_s=pace.horizons_s,
        now_s=now_s,
    )
    kept = _keep(learned, resource, history, resident & ~warm, view=view, scale=scale, pace=pace)
    return _remember(learned, resident, warm, kept, now_s=now_s, pace=pace), kept


def _scale(capacity: FloatArray, sums: NodeHours) -> FloatArray:
    """[N] what margins are shares of: the capacity, or the highest use where it is unknown."""
    return np.where(np.isfinite(capacity), capacity, np.maximum(sums.peak.max(axis=1), 1.0))


def _look(
    learned: Learned, resource: Resource, history: History, now_s: int
) -> tuple[Learned, BoolArray, BoolArray]:
    """Extends the hours to now; [S] who is resident and who of them is warm."""
    known = {"column": history.column(now_s), "per_hour": history.per_hour}
    before = learned.series
    series = series_hours(resource.samples, now_s=now_s, cached=before, **known)
    fresh = missing_hours(now_s=now_s, rows=len(resource.samples), cached=before)
    resident = history.resident(now_s)
    warm = resident & ~cold_series(series, resident, history.start_s)
    sums = node_hours(
        resource.samples,
        warm,
        history.node,
        nodes=len(history.nodes),
        fresh=fresh,
        cached=learned.sums,
        **known,
    )
    return replace(learned, series=series, sums=sums), resident, warm


def _learn(
    learned: Learned, resource: Resource, history: History, now_s: int, pace: Pace
) -> Learned:
    """Settles what is over, and where that brought evidence, refits and recalibrates."""
    ledger, settled = settle(
        learned.ledger, resource.samples, history, horizons_s=pace.horizons_s, now_s=now_s
    )
    learned = replace(learned, ledger=ledger)
    for index in sorted({index for _, index in settled}):
        moments = [moment for moment, at in settled if at == index]
        learned = _calibrate(learned, resource, moments, index, now_s=now_s, pace=pace)
    return learned


def _calibrate(
    learned: Learned,
    resource: Resource,
    moments: list[Moment],
    index: int,
    *,
    now_s: int,
    pace: Pace,
) -> Learned:
    """The keeper, the model and the margin of one horizon, after new moments have matured."""
    keeper = learned.keepers[index]
    for moment in moments:
        trusted = moment.trusted[:, index]
        if trusted.any() and learned.margins[index] is not None:
            broken = moment.kept[trusted, index] < moment.peak[trusted, index] * (1 - 1e-6)
            keeper = keeper.after(float(broken.mean()))
    learned = replace(learned, keepers=_put(learned.keepers, index, keeper))
    rows = evidence(learned.ledger, index)
    if rows is None:
        return learned
    windows = independent_windows(
        rows=rows.windows, horizon_s=pace.horizons_s[index], every_s=pace.learn_every_s
    )
    if resource.modelled:
        learned = _refit(
            learned,
            rows,
            index,
            horizon_s=pace.horizons_s[index],
            windows=windows,
            now_s=now_s,
        )
    if windows < pace.least_windows:
        return learned
    sampled = len(rows.at_s) / rows.windows
    found = margin(
        (rows.warm_peak - rows.base) / rows.scale,
        (now_s - rows.at_s).astype(np.float64),
        risk=keeper.risk_in_use,
        half_life_s=pace.half_life_s,
        unseen_rows=sampled * unseen_rows_of(pace.horizons_s[index], every_s=pace.learn_every_s),
    )
    return replace(learned, margins=_put(learned.margins, index, found))


def _put(values: tuple, index: int, value: object) -> tuple:  # type: ignore[type-arg]  # of any one kind
    return (*values[:index], value, *values[index + 1 :])


DAY_S = 24 * HOUR_S
REFIT_GROWTH = 1.5  # a model is refitted when its evidence has grown by half,
REFIT_AGE_S = 7 * DAY_S  # and weekly once that takes longer than a week
LEAST_WINDOWS = 40.0  # independent ones; fewer are not worth a tree,
LEAST_SPAN_S = 3 * DAY_S  # nor are many of the same few days


def _refit(
    learned: Learned, rows: Evidence, index: int, *, horizon_s: int, windows: float, now_s: int
) -> Learned:
    grown = rows.windows >= REFIT_GROWTH * learned.fitted_rows[index]
    if not grown and now_s - learned.fitted_s[index] < REFIT_AGE_S:
        return learned
    if windows < LEAST_WINDOWS or now_s - int(rows.at_s[0]) < LEAST_SPAN_S:
        return learned
    features = evidence_features(learned.ledger, index)
    model = fit(
        features,
        rows.reference,
        rows.scale,
        rows.warm_peak,
        horizon_s=horizon_s,
        windows=windows,
    )
    return replace(
        learned,
        models=_put(learned.models, index, model),
        fitted_rows=_put(learned.fitted_rows, index, rows.windows),
        fitted_s=_put(learned.fitted_s, index, now_s),
    )


def _keep(
    learned: Learned,
    resource: Resource,
    history: History,
    cold: BoolArray,
    *,
    view: Outlook,
    scale: FloatArray,
    pace: Pace,
) -> Kept:
    base = np.stack(
        [
            predict(model, view.features[:, index], view.reference, scale)
            for index, model in enumerate(learned.models)
        ],
        axis=1,
    )
    added = _added(learned.margins, base, scale, pace)
    factor = gap_factor(view.silent_hours)
    assert learned.series is not None  # noqa: S101  _look made it
    pods = cold_pods(learned.series, cold, resource.request, history, resource.samples)
    cold_request = np.bincount(pods.node, pods.count, len(view.reference)).astype(np.float64)
    by = reaching_further(base + added, view.silent_hours, pace.horizons_s)
    warm = np.take_along_axis(base + added, by, axis=1)
    total = warm * factor[:, None] + cold_request[:, None]
    return Kept(
        kept=np.minimum(total, resource.capacity[:, None]),
        base=base,
        margin=added,
        by_horizon=by,
        gap_factor=factor,
        cold_request=cold_request,
        cold=pods,
        outlook=view,
    )


def _added(
    margins: tuple[float | None, ...], base: FloatArray, scale: FloatArray, pace: Pace
) -> FloatArray:
    """[N, H] what calibration adds to the base, in cores or bytes; a fixed factor before it can."""
    added = np.stack(
        [
            base[:, index] * (pace.early_factor - 1) if share is None else share * scale
            for index, share in enumerate(margins)
        ],
        axis=1,
    )
    return np.maximum(added, -LEAST_SHARE_OF_BASE * base)


def reaching_further(
    kept: FloatArray, silent_hours: IntArray, horizons_s: tuple[int, ...]
) -> IntArray:
    """[N, H] the horizon that each one takes its forecast from.

    Never less is kept than for a shorter horizon. A node silent for s hours is forecast h + s hours
    ahead of what is known of it, so the horizon that covers this speaks.
    """
    reach_s = np.asarray(horizons_s) + HOUR_S * silent_hours[:, None]
    covering = np.minimum(np.searchsorted(horizons_s, reach_s), len(horizons_s) - 1)
    most = np.maximum.accumulate(kept, axis=1)
    largest = np.maximum.accumulate(np.where(kept >= most, np.arange(kept.shape[1]), 0), axis=1)
    return np.take_along_axis(largest, covering, axis=1)


def gap_factor(silent_hours: IntArray) -> FloatArray:
    """[N] at least 1, growing by steps with the hours a node has been silent."""
    hours, factors = zip(*GAP_STEPS, strict=True)
    return np.array((1.0, *factors))[np.searchsorted(hours, silent_hours, side="right")]


def _remember(
    learned: Learned,
    resident: BoolArray,
    warm: BoolArray,
    kept: Kept,
    *,
    now_s: int,
    pace: Pace,
) -> Learned:
    """Writes the moment down when one is due, and forgets those too old to count."""
    ledger = learned.ledger
    if ledger and now_s - ledger[-1].at_s < pace.learn_every_s:
        return learned
    unknown = np.full(kept.kept.shape, np.nan)
    moment = Moment(
        at_s=now_s,
        resident=resident,
        warm=warm,
        features=kept.outlook.features,
        reference=kept.outlook.reference,
        scale=kept.outlook.scale,
        base=kept.base,
        kept=kept.kept,
        warm_peak=unknown,
        peak=unknown,
        seen=unknown,
    )
    recent = tuple(old for old in ledger if old.at_s >= now_s - pace.keep_s)
    return replace(learned, ledger=(*recent, moment))
