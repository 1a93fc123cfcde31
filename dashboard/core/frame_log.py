"""A run's frames as append-only columns, so that many readers see one growing run without copies.

Always holds: a row once written never changes, so a `RunView` taken earlier stays true while the
log grows. A forecast is *issued* at the beginning of the first interval for which any node's kept
cores change; it has *matured* 24 hours later, when what came can be compared with what was kept.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from simulator.core.frames import Frame, RunInfo

FORECAST_HORIZON_S = 86_400
ROUNDING = 1e-6  # kept cores arrive as 32-bit numbers; a difference this small is none

Cores = NDArray[np.float32]
Numbers = NDArray[np.float64]
Counts = NDArray[np.int64]
Verdicts = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class RunView:
    """What is known of a run at one moment.

    T rows so far, N nodes in C clusters, M forecasts matured. A row is the interval that ended at
    its `at_s`. The arrays are read-only windows into the log.
    """

    info: RunInfo
    at_s: Counts  # [T]
    online_cores: Cores  # [T, N] really used
    offline_cores: Cores  # [T, N] really running
    sold_cores: Cores  # [T, N] held by offline tasks
    kept_cores: Cores  # [T, N] kept for online by the forecast in force
    totals: Numbers  # [T, C, 5] demanded, used, offline, sold and kept cores per cluster
    gangs: Counts  # [T, 3] evicted tasks, running gangs, pending gangs
    forecast_of: Counts  # [T] index of the forecast in force
    came_cores: Cores  # [M, N] highest online demand in the 24 hours of each matured forecast
    outcomes: Counts  # [M, 2] node forecasts that could be judged, and those that were exceeded

    @property
    def capacity_cores(self) -> float:
        """All nodes together."""
        return float(self.info.node_cpu_cores.sum())

    @property
    def now_s(self) -> int:
        """The virtual clock: the last row's time, or the start of the replay before any."""
        return int(self.at_s[-1]) if self.at_s.size else replay_start_s(self.info)

    @property
    def progress_share(self) -> float:
        """How much of the replay is done, 0 to 1."""
        planned_s = self.info.end_s - replay_start_s(self.info)
        done_s = self.at_s.size * self.info.interval_s
        return min(1.0, done_s / planned_s) if planned_s > 0 else 1.0


def replay_start_s(info: RunInfo) -> int:
    """Where training ends and the replay begins."""
    return max(info.start_s, info.train_until_s)


def planned_rows(info: RunInfo) -> int:
    """How many rows the whole replay will have, so that buckets stand still while it runs."""
    return max(1, -(-(info.end_s - replay_start_s(info)) // info.interval_s))


def outcomes(came_cores: Cores, kept_cores: Cores) -> tuple[Verdicts, Verdicts]:
    """Which forecasts could be judged, and which of those were exceeded. Any shape, both alike."""
    judged = np.isfinite(came_cores) & np.isfinite(kept_cores)
    return judged, judged & (came_cores * (1 - ROUNDING) > kept_cores)


class FrameLog:
    """Takes frames in order and hands out views."""

    def __init__(self, info: RunInfo) -> None:
        nodes = len(info.nodes)
        self._info = info
        self._at_s = _Rows(np.int64)
        self._demand, self._online = _Rows(np.float32, nodes), _Rows(np.float32, nodes)
        self._offline, self._sold = _Rows(np.float32, nodes), _Rows(np.float32, nodes)
        self._kept = _Rows(np.float32, nodes)
        self._totals = _Rows(np.float64, len(info.clusters), 5)
        self._gangs = _Rows(np.int64, 3)
        self._forecast_of, self._outcomes = _Rows(np.int64), _Rows(np.int64, 2)
        self._came = _Rows(np.float32, nodes)
        self._unjudged: deque[int] = deque()  # rows on which a forecast was issued
        self._issued = 0

    def append(self, frame: Frame) -> None:
        """Add the next step. Raises ValueError where its time or its node count cannot be right."""
        self._check(frame)
        at_s = self._at_s.view()
        kept = np.asarray(frame.kept_cores, dtype=np.float32)
        if not at_s.size or not np.array_equal(kept, self._kept.view()[-1], equal_nan=True):
            self._unjudged.append(at_s.size)
            self._issued += 1
        self._write(frame)
        self._judge()

    def view(self) -> RunView:
        """The run so far."""
        return RunView(
            info=self._info,
            at_s=self._at_s.view(),
            online_cores=self._online.view(),
            offline_cores=self._offline.view(),
            sold_cores=self._sold.view(),
            kept_cores=self._kept.view(),
            totals=self._totals.view(),
            gangs=self._gangs.view(),
            forecast_of=self._forecast_of.view(),
            came_cores=self._came.view(),
            outcomes=self._outcomes.view(),
        )

    def _check(self, frame: Frame) -> None:
        at_s = self._at_s.view()
        if at_s.size and frame.at_s <= at_s[-1]:
            raise ValueError(f"a frame of {frame.at_s} s came after one of {at_s[-1]} s")
        for name in ("online_cores", "offline_cores", "sold_cores", "kept_cores", "lost_core_s"):
            if np.shape(getattr(frame, name)) != (len(self._info.nodes),):
                raise ValueError(f"{name} must have one value for each of the run's nodes")

    def _write(self, frame: Frame) -> None:
        lost = frame.lost_core_s / self._info.interval_s
        demand = (frame.online_cores + lost).astype(np.float32)
        stores = (self._demand, self._online, self._offline, self._sold, self._kept)
        online: tuple[Cores, ...] = (demand, frame.online_cores)
        columns = (*online, frame.offline_cores, frame.sold_cores, frame.kept_cores)
        for store, values in zip(stores, columns, strict=True):
            store.append(values)
        self._totals.append(np.stack([self._per_cluster(values) for values in columns], axis=1))
        self._gangs.append([frame.evicted_tasks, frame.running_gangs, frame.pending_gangs])
        self._forecast_of.append(self._issued - 1)
        self._at_s.append(frame.at_s)

    def _per_cluster(self, values: Cores) -> Numbers:
        clusters = len(self._info.clusters)
        known = np.where(np.isfinite(values), values, 0.0)
        sums = np.bincount(self._info.node_cluster, weights=known, minlength=clusters)
        return sums.astype(np.float64)

    def _judge(self) -> None:
        """Compare each forecast whose 24 hours are over with the highest demand in them."""
        at_s, demand, kept = self._at_s.view(), self._demand.view(), self._kept.view()
        horizon_s = FORECAST_HORIZON_S - self._info.interval_s  # from the end of the first interval
        while self._unjudged and at_s[-1] >= at_s[self._unjudged[0]] + horizon_s:
            row = self._unjudged.popleft()
            end = int(np.searchsorted(at_s, at_s[row] + horizon_s, side="right"))
            came = np.fmax.reduce(demand[row:end], axis=0)
            self._came.append(came)
            judged, exceeded = outcomes(came, kept[row])
            self._outcomes.append([judged.sum(), exceeded.sum()])


class _Rows:
    """Append-only rows of one width; a view is a read-only prefix that no later append touches."""

    def __init__(self, dtype: DTypeLike, *width: int) -> None:
        self._rows: NDArray[Any] = np.empty((256, *width), dtype=dtype)
        self._used = 0

    def append(self, row: ArrayLike) -> None:
        if self._used == len(self._rows):
            grown = np.empty((2 * self._used, *self._rows.shape[1:]), dtype=self._rows.dtype)
            grown[: self._used] = self._rows
            self._rows = grown
        self._rows[self._used] = row
        self._used += 1

    def view(self) -> NDArray[Any]:
        window = self._rows[: self._used]
        window.flags.writeable = False
        return window
