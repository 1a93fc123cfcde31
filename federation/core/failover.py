"""Who runs which gang, when a cluster drops out and when it comes back.

A gang runs in a cluster by a *claim*: the hub's word, renewed every round, that this gang is that
cluster's until some time. A member pauses what its claim no longer covers (freezes it: no work is
lost), so once the claim of a silent cluster has expired, the gang may start elsewhere and never
runs twice. Gangs that must not be paused are *pinned*: they run on without the hub, and are never
moved.

The cluster comes back
- before its gangs were placed elsewhere: it keeps them, and runs on;
- after: it is told, by name and under a newer epoch, to stop the old copies. Nothing else is ever
  deleted on reconnecting, and a gang the hub does not know is left alone (Karmada #2364, #5406,
  #5150 delete what the hub does not remember).

Always holds: a gang is claimed for one cluster at a time; claims of a cluster have growing epochs;
a finished gang never runs again. Send claims only after the book is stored.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from federation.core.settings import FederationSettings
from federation.core.supply import ClusterReport, Rung, contact


@dataclass(frozen=True, slots=True)
class Claims:
    """All gangs one cluster may run, until the hub says more. Only the newest epoch counts."""

    cluster: str
    epoch: int
    issued_s: float
    expires_s: float
    run: frozenset[str] = frozenset()
    pinned: frozenset[str] = frozenset()  # those of `run` that run on past the end
    stop: frozenset[str] = frozenset()  # old copies of what finished or runs elsewhere now


@dataclass(frozen=True, slots=True)
class Book:
    """What the hub knows of its gangs; the mappings are never changed in place."""

    cluster_of: Mapping[str, str] = field(default_factory=dict)  # placed gangs only
    waiting: frozenset[str] = frozenset()
    finished: frozenset[str] = frozenset()
    pinned: frozenset[str] = frozenset()
    claims: Mapping[str, Claims] = field(default_factory=dict)  # cluster -> the newest issued


@dataclass(frozen=True, slots=True)
class Round:
    """A new book, what to send, and a sentence for each gang whose state changed."""

    book: Book
    claims: tuple[Claims, ...]
    gang_reasons: Mapping[str, str]


def submit(book: Book, gangs: Iterable[str], *, pinned: bool = False) -> Book:
    """New gangs wait; one that is known already is not submitted twice."""
    new = frozenset(gangs) - book.waiting - book.finished - book.cluster_of.keys()
    pins = book.pinned | new if pinned else book.pinned
    return replace(book, waiting=book.waiting | new, pinned=pins)


def place(book: Book, placements: Mapping[str, str]) -> Book:
    """The book after a dispatch: gang -> cluster, of waiting gangs only."""
    moved = {gang: to for gang, to in placements.items() if gang in book.waiting}
    return replace(
        book, cluster_of={**book.cluster_of, **moved}, waiting=book.waiting - moved.keys()
    )


def follow(
    book: Book,
    reports: Sequence[ClusterReport],
    *,
    now_s: float,
    listening_since_s: float,
    settings: FederationSettings,
) -> Round:
    """The book after the newest reports: finished, taken back, or free to go elsewhere.

    Waiting gangs in the result may be dispatched; no claims are issued here (see `claim`).

    Args:
        book: what the hub knew.
        reports: the newest of each cluster; of a cluster without one nothing is moved.
        now_s: by the hub's clock.
        listening_since_s: when this hub started. One that has listened for less than
            `lost_after_s` cannot tell others' silence from its own, and moves nothing.
        settings: times of the ladder.
    """
    rungs = {r.cluster: contact(r, now_s=now_s, settings=settings)[0] for r in reports}
    book, ended = _finish(book, reports)
    book, kept = _take_back(book, [r for r in reports if rungs[r.cluster] is Rung.FRESH])
    freed: dict[str, str] = {}
    if now_s - listening_since_s >= settings.lost_after_s:
        book, freed = _free_the_lost(book, rungs, now_s=now_s, settings=settings)
    return Round(book, (), {**ended, **kept, **freed})


def _finish(book: Book, reports: Sequence[ClusterReport]) -> tuple[Book, dict[str, str]]:
    known = book.cluster_of.keys() | book.waiting
    reasons = {
        gang: f"{gang} finished in {report.cluster}"
        for report in reports
        for gang in report.finished
        if gang in known
    }
    left = {gang: at for gang, at in book.cluster_of.items() if gang not in reasons}
    book = replace(
        book,
        cluster_of=left,
        waiting=book.waiting - reasons.keys(),
        finished=book.finished | reasons.keys(),
        pinned=book.pinned - reasons.keys(),
    )
    return book, reasons


def _take_back(book: Book, reports: Sequence[ClusterReport]) -> tuple[Book, dict[str, str]]:
    """A cluster that still has a gang nobody else was given goes on with it."""
    back = {
        gang: report.cluster
        for report in reversed(reports)
        for gang in report.running
        if gang in book.waiting
    }
    reasons = {
        gang: f"{gang} goes on in {at}, which came back with it" for gang, at in back.items()
    }
    return place(book, back), reasons


def _free_the_lost(
    book: Book, rungs: Mapping[str, Rung], *, now_s: float, settings: FederationSettings
) -> tuple[Book, dict[str, str]]:
    """Gangs of lost clusters wait again, once nobody there may run them any more."""
    reasons: dict[str, str] = {}
    for gang, cluster in book.cluster_of.items():
        if rungs.get(cluster) is not Rung.LOST or gang in book.pinned:
            continue
        claims = book.claims.get(cluster)
        if claims is None or now_s >= claims.expires_s + settings.clock_skew_s:
            reasons[gang] = f"{gang} may go elsewhere: {cluster} is lost and its claim has expired"
    left = {gang: at for gang, at in book.cluster_of.items() if gang not in reasons}
    book = replace(book, cluster_of=left, waiting=book.waiting | reasons.keys())
    return book, reasons


def claim(
    book: Book, reports: Sequence[ClusterReport], *, now_s: float, settings: FederationSettings
) -> Round:
    """Renews the claims of every cluster that is not lost, and names the old copies to stop."""
    reasons: dict[str, str] = {}
    issued: list[Claims] = []
    of_cluster: dict[str, set[str]] = {report.cluster: set() for report in reports}
    for gang, cluster in book.cluster_of.items():
        of_cluster.setdefault(cluster, set()).add(gang)
    for report in reports:
        name = report.cluster
        if contact(report, now_s=now_s, settings=settings)[0] is Rung.LOST:
            continue
        stop = frozenset(gang for gang in report.running if _runs_elsewhere(book, gang, name))
        reasons |= {gang: f"{name} is to stop its old copy of {gang}" for gang in stop}
        run = frozenset(of_cluster[name])
        issued.append(
            Claims(
                cluster=name,
                epoch=book.claims[name].epoch + 1 if name in book.claims else 1,
                issued_s=now_s,
                expires_s=now_s + settings.claim_s,
                run=run,
                pinned=run & book.pinned,
                stop=stop,
            )
        )
    newest = {**book.claims, **{claims.cluster: claims for claims in issued}}
    return Round(replace(book, claims=newest), tuple(issued), reasons)


def _runs_elsewhere(book: Book, gang: str, cluster: str) -> bool:
    return gang in book.finished or book.cluster_of.get(gang, cluster) != cluster


def in_flight(book: Book, report: ClusterReport) -> frozenset[str]:
    """Gangs placed in a cluster that its newest report does not show yet: they will need room."""
    placed = {gang for gang, at in book.cluster_of.items() if at == report.cluster}
    return frozenset(placed - set(report.running) - set(report.finished))
