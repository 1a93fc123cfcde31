"""What a pod that has not shown its day and night yet counts for: a ladder from own to declared.

    itself, longer ago -> siblings -> same image or label group
        -> its namespace's used share of the request -> request

The first rung with enough evidence answers; which one did is kept for the sentence. Always holds: a
cold pod counts at least what it used already, and never more than that or its request where it
declares one. Everything here is as of the hours it is given, hence blind to the future.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from predictor.core.history import HOUR_S, History, Samples
from predictor.core.hours import COLD_HOURS, KEPT_HOURS, SeriesHours
from slacktide.messages import BoolArray, FloatArray, IntArray

SIBLING_HOURS = 48  # that siblings were seen in all, each for a day: less holds no second day
GROUP_SERIES = 3  # of one image or label group, each seen for a day: they may do different things
NAMESPACE_SERIES = 20  # of one namespace with a request: fewer say little about its highest share
NAMESPACE_SHARE = 0.99  # of them used no larger share of their request at their peak
NAMED_PODS = 3  # in a sentence; nobody reads more


class Rung(IntEnum):
    """What a cold pod's number stands on."""

    USED = 0  # it used more than any rung says
    ITSELF = 1  # it was off for two weeks, and is known from before
    SIBLINGS = 2
    GROUP = 3
    NAMESPACE = 4
    REQUEST = 5
    LARGEST = 6  # declares nothing: the largest peak of the fleet


@dataclass(frozen=True, slots=True)
class ColdPods:
    """The cold residents, C rows, with what each counts for."""

    name: tuple[str, ...]  # [C] of the pod, "" where names are not known
    node: IntArray  # [C]
    count: FloatArray  # [C] cores or bytes
    rung: IntArray  # [C] of `Rung`
    others: IntArray  # [C] series that the rung stands on


def cold_pods(
    series: SeriesHours,
    cold: BoolArray,
    request: FloatArray,
    history: History,
    samples: Samples,
) -> ColdPods:
    """Each cold resident at what the ladder says.

    `cold`, `request` [S], NaN where undeclared, `samples` [S, T] of the resource until now.
    """
    rows = np.flatnonzero(cold)
    peak = series.peak.max(axis=1).astype(np.float64)
    count = np.where(np.isnan(request[rows]), peak[~cold].max(initial=0.0), request[rows])
    rung = np.where(np.isnan(request[rows]), Rung.LARGEST, Rung.REQUEST).astype(np.int64)
    others = np.zeros(len(rows), dtype=np.int64)
    if rows.size:
        taught = np.count_nonzero(series.seen, axis=1) >= COLD_HOURS
        for step, (known, found, among) in (
            (Rung.NAMESPACE, _by_namespace(peak, taught, request, rows, history.namespace)),
            (Rung.GROUP, _by_group(series, taught, rows, history.image, least=GROUP_SERIES)),
            (Rung.SIBLINGS, _by_group(series, taught, rows, history.workload, least=1)),
            (Rung.ITSELF, _by_itself(samples, rows, history, series.end_s)),
        ):  # from the last rung to the first: the better evidence has the last word
            below = ~(found >= request[rows])  # or nothing is declared
            count = np.where(known, np.where(below, found, request[rows]), count)
            rung = np.where(known, np.where(below, step, Rung.REQUEST), rung)
            others = np.where(known, np.where(below, among, 0), others)
    used = peak[rows] > count
    return ColdPods(
        name=tuple(_pod(history.series[row]) for row in rows) if history.series else (),
        node=history.node[rows],
        count=np.maximum(count, peak[rows]),
        rung=np.where(used, Rung.USED, rung),
        others=np.where(used, 0, others),
    )


def _pod(series: str) -> str:
    """The pod of namespace/pod/container."""
    return series.split("/")[-2] if series.count("/") else series


Says = tuple[BoolArray, FloatArray, IntArray]  # [C] whether it knows, what it says, from how many


def _by_itself(samples: Samples, rows: IntArray, history: History, now_s: int) -> Says:
    """The highest that a pod used before the two weeks in sight, where it was seen for a day."""
    known, says, among = _silent(rows)
    sight_s = now_s - KEPT_HOURS * HOUR_S
    for at in np.flatnonzero(history.start_s[rows] < sight_s):
        older = samples[rows[at], : max(history.column(sight_s) + 1, 0)]
        seen = older[~np.isnan(older)]
        if len(seen) >= COLD_HOURS * history.per_hour:
            known[at], says[at] = True, seen.max()
    return known, says, among


def _by_group(
    series: SeriesHours, taught: BoolArray, rows: IntArray, group: IntArray | None, *, least: int
) -> Says:
    """The highest peak of the group's series of two weeks, and the spread of their daily peaks."""
    if group is None or not len(group):
        return _silent(rows)
    alike = np.flatnonzero(taught & (group >= 0) & np.isin(group, group[rows]))
    of, size = group[alike], int(group.max(initial=0)) + 2  # the last one is for -1
    shape = (len(alike), series.peak.shape[1] // COLD_HOURS, COLD_HOURS)
    days = series.peak[alike].reshape(shape).max(axis=2).astype(np.float64)
    seen = (series.seen[alike] > 0).reshape(shape)
    known = np.asarray(seen.any(axis=2))
    highest = np.zeros(size)
    np.maximum.at(highest, of, days.max(axis=1, initial=0.0))
    among = np.bincount(of, minlength=size)
    hours = np.bincount(of, seen.sum(axis=(1, 2)), minlength=size)
    spread = _spread(days, known, of, size)
    at = group[rows]
    enough = (at >= 0) & (among[at] >= least) & (hours[at] >= SIBLING_HOURS)
    return enough, (highest + spread)[at], among[at]


def _spread(days: FloatArray, known: BoolArray, of: IntArray, size: int) -> FloatArray:
    """[G] standard deviation of the known daily peaks `days` [A, D] of each group."""
    peaks = np.where(known, days, 0.0)
    total, squares = peaks.sum(axis=1), (peaks**2).sum(axis=1)
    count = np.maximum(np.bincount(of, known.sum(axis=1), minlength=size), 1)
    mean = np.bincount(of, total, minlength=size) / count
    spread: FloatArray = np.bincount(of, squares, minlength=size) / count - mean**2
    return np.sqrt(np.maximum(spread, 0.0))


def _by_namespace(
    peak: FloatArray,
    taught: BoolArray,
    request: FloatArray,
    rows: IntArray,
    namespace: IntArray | None,
) -> Says:
    """The request times a high quantile of the shares that its namespace used."""
    if namespace is None or not len(namespace):
        return _silent(rows)
    known, says, among = _silent(rows)
    for code in np.unique(namespace[rows]).tolist():
        there = np.flatnonzero(taught & (namespace == code) & (request > 0))
        if code < 0 or len(there) < NAMESPACE_SERIES:
            continue
        share = high_share(peak[there] / request[there])
        mine = namespace[rows] == code
        known |= mine & (request[rows] > 0)
        says[mine] = share * request[rows][mine]
        among[mine] = len(there)
    return known, says, among


def high_share(shares: FloatArray) -> float:
    """The share that `NAMESPACE_SHARE` of the [n > 0] shares do not exceed, by nearest rank."""
    ranked = np.sort(shares)
    return float(ranked[int(np.ceil(NAMESPACE_SHARE * len(ranked))) - 1])


def _silent(rows: IntArray) -> Says:
    nothing: NDArray[np.int64] = np.zeros(len(rows), dtype=np.int64)
    return np.zeros(len(rows), dtype=np.bool_), np.zeros(len(rows)), nothing


def said_of_cold(pods: ColdPods, node: int) -> str:
    """What a node's cold pods count for, in words: the largest by name."""
    mine = np.flatnonzero(pods.node == node)
    total, plural = f"{pods.count[mine].sum():.1f}", "s" if len(mine) > 1 else ""
    these = f"{len(mine)} cold pod{plural} (seen for less than a day) at"
    if (pods.rung[mine] == Rung.REQUEST).all():
        return f"{these} {'their' if plural else 'its'} request, {total}"
    largest = mine[np.argsort(-pods.count[mine], kind="stable")]
    named = [_said(pods, int(row)) for row in largest[:NAMED_PODS]]
    if len(mine) > NAMED_PODS:
        named.append(f"{len(mine) - NAMED_PODS} more")
    return f"{these} {total}: {', '.join(named)}"


def _said(pods: ColdPods, row: int) -> str:
    others = pods.others[row]
    why = {
        Rung.USED: "what it used already",
        Rung.ITSELF: "the highest it used before it was off for two weeks",
        Rung.SIBLINGS: f"the highest of its {others} siblings and their spread"
        if others > 1
        else "the highest of its one sibling and its spread",
        Rung.GROUP: f"the highest of {others} with its image or labels and their spread",
        Rung.NAMESPACE: f"what {NAMESPACE_SHARE:.0%} of {others} in its namespace used of"
        " their request",
        Rung.REQUEST: "its request",
        Rung.LARGEST: "the fleet's largest peak",
    }[Rung(int(pods.rung[row]))]
    name = pods.name[row] if pods.name else "one"
    return f"{name} at {pods.count[row]:.1f} ({why})"
