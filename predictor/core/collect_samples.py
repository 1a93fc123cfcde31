"""Usage answers folded into rows of the history: one for each container and interval.

A value that is not finite or is negative is no sample. Of two values for one cgroup and stamp the
larger is kept: copies differ by a scrape, and too little promised slack is the safe side. A
restarted container's cgroups are added up where both ran; a highest value is of any of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from predictor.core.collect_answers import Answer
from predictor.core.collect_queries import MEASURES, Ask, every_s, first_s
from predictor.core.collect_settings import CollectSettings
from predictor.core.collect_windows import Window

LARGEST: Final = 1e15  # cores or bytes: beyond any machine, within float32
UNKNOWN: Final = "unknown"

Grid = NDArray[np.float32]
Name = tuple[str, str, str]  # namespace, pod, container


@dataclass(frozen=True, slots=True)
class Samples:
    """A window's samples, R rows of C containers; NaN = not measured."""

    names: tuple[Name, ...]  # [C] ascending
    which: NDArray[np.int64]  # [R] ascending, into names
    ts_s: NDArray[np.int64]  # [R] ascending within a container
    columns: Mapping[str, Grid]  # each [R], by the names of `SAMPLES`
    dropped: int = 0  # values that were no finite, positive number
    repeated: int = 0  # values for a cgroup and stamp that already had one


@dataclass(frozen=True, slots=True)
class _Filled:
    """One question's values, U cgroups of some containers."""

    names: tuple[tuple[Name, str], ...]  # [U] with the cgroup, ascending
    grid: Grid  # [U, T]
    dropped: int
    repeated: int


def samples(answers: Mapping[Ask, Answer], window: Window, settings: CollectSettings) -> Samples:
    """The measures of containers side by side; a question that was not asked leaves its null."""
    s = settings
    filled = {ask: _filled(ask, answers[ask], window, s) for ask in MEASURES if ask in answers}
    names = tuple(sorted({name for part in filled.values() for name, _ in part.names}))
    row = {name: number for number, name in enumerate(names)}
    shape = (len(names), (window.to_s - window.from_s) // s.interval_s)
    grids = {ask: _per_container(ask, part, row) for ask, part in filled.items()}
    measures = _measures(grids, shape)
    used = ("cpu_cores", "memory_bytes")
    known = ~np.all([np.isnan(measures[name]) for name in used], axis=0)
    which, stamp = np.nonzero(known)
    return Samples(
        names,
        which,
        window.from_s + stamp * s.interval_s,
        {name: grid[known] for name, grid in measures.items()},
        dropped=sum(part.dropped for part in filled.values()),
        repeated=sum(part.repeated for part in filled.values()),
    )


def _measures(grids: Mapping[Ask, Grid], shape: tuple[int, int]) -> dict[str, Grid]:
    """Each column [C, T]."""
    nothing = np.full(shape, np.nan, np.float32)
    short = grids.get(Ask.CPU, nothing).reshape(*shape, -1)
    kills = [grids[ask] for ask in (Ask.OOM_EVENTS, Ask.OOM_RESTARTS) if ask in grids]
    several = short.shape[2] > 1  # one rate an interval says nothing of its peaks
    return {
        "cpu_cores": _mean(short),
        "cpu_p95_cores": _quantile(short, 0.95) if several else nothing,
        "cpu_max_cores": np.fmax.reduce(short, axis=2) if several else nothing,
        "cpu_throttled_share": np.minimum(grids.get(Ask.THROTTLED, nothing), 1),
        "memory_bytes": grids.get(Ask.MEMORY, nothing),
        # No kill is told by no value: where anybody counts them, that is none.
        "oom_kills": np.nan_to_num(np.rint(np.fmax.reduce(kills))) if kills else nothing,
    }


def _mean(short: Grid) -> Grid:
    """Of the values that are known [C, T, K] -> [C, T]; NaN where none is."""
    known = ~np.isnan(short)
    count = known.sum(axis=2)
    total = np.where(known, short, 0).sum(axis=2, dtype=np.float32)
    mean: Grid = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


def _quantile(short: Grid, share: float) -> Grid:
    """Between the two nearest of the known values, as `quantile_over_time` does."""
    ascending = np.sort(short, axis=2)  # NaN goes last
    rank = share * np.maximum((~np.isnan(short)).sum(axis=2) - 1, 0)
    low = np.floor(rank).astype(np.int64)
    below, above = (
        np.take_along_axis(ascending, at[..., None], axis=2)[..., 0]
        for at in (low, np.ceil(rank).astype(np.int64))
    )
    between: Grid = (below + (above - below) * (rank - low)).astype(np.float32)
    return between


def _filled(ask: Ask, answer: Answer, window: Window, settings: CollectSettings) -> _Filled:
    step_s, start_s = every_s(ask, settings), first_s(ask, window, settings)
    labelled = [_named(ask, labels, settings) for labels in answer.labels]
    names = tuple(sorted(set(labelled)))
    row = {name: number for number, name in enumerate(names)}
    rows = np.array([row[name] for name in labelled], np.int64)[answer.series]
    width = (window.to_s - settings.interval_s - start_s) // step_s + 1
    column, beside = np.divmod(answer.ts_s - start_s, step_s)
    good = (beside == 0) & (column >= 0) & (column < width)
    good &= (answer.values >= 0) & (answer.values <= LARGEST)
    cells = np.full(len(names) * width, np.nan, np.float32)
    np.fmax.at(cells, (rows * width + column)[good], answer.values[good].astype(np.float32))
    kept = int(np.count_nonzero(good))
    repeated = kept - int(np.count_nonzero(~np.isnan(cells)))
    return _Filled(names, cells.reshape(len(names), width), len(good) - kept, repeated)


def _named(ask: Ask, labels: Mapping[str, str], settings: CollectSettings) -> tuple[Name, str]:
    """Whose a series is, and of which of its cgroups."""
    s = settings
    read = (s.namespace_label, s.pod_label, s.container_label)
    if ask is Ask.OOM_RESTARTS:
        read = (s.owner_namespace_label, s.owner_pod_label, s.owner_container_label)
    namespace, pod, container = (labels.get(label) or UNKNOWN for label in read)
    return (namespace, pod, container), labels.get(s.instance_label, "")


def _per_container(ask: Ask, part: _Filled, row: Mapping[Name, int]) -> Grid:
    """Cgroups [U, T] put together into containers [C, T]."""
    whole = np.full((len(row), part.grid.shape[1]), np.nan, np.float32)
    if not part.names:
        return whole
    rows = np.array([row[name] for name, _ in part.names])
    first = np.flatnonzero(np.diff(rows, prepend=-1))
    whole[rows[first]] = np.fmax.reduceat(part.grid, first, axis=0)
    if ask in {Ask.CPU, Ask.OOM_EVENTS} and len(first) < len(rows):
        added = np.add.reduceat(np.nan_to_num(part.grid), first, axis=0)
        whole[rows[first]] = np.where(np.isnan(whole[rows[first]]), np.nan, added)
    return whole


def seen(found: Samples) -> Sequence[tuple[Name, int, int]]:
    """Each container with the stamps of its first and last sample."""
    starts = np.flatnonzero(np.diff(found.which, prepend=-1))
    ends = np.append(starts[1:], len(found.which)) - 1 if len(starts) else starts
    return [
        (found.names[found.which[start]], int(found.ts_s[start]), int(found.ts_s[end]))
        for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
    ]
