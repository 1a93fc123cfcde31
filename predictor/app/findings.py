"""From a history to ranked findings: at which time, minded by what is known, and which are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import click
import numpy as np

from predictor.core.circumstances import UNKNOWN, Circumstances
from predictor.core.history import history_of
from predictor.core.job_groups import KINDS
from predictor.core.mindful import DEFAULTS, MindfulSettings, mindful
from predictor.core.plot import Bars, bars
from predictor.core.ranking import (
    Declared,
    Finding,
    bytes_per_core,
    declared_by_container,
    finding,
    key_of,
    ranked,
)
from predictor.core.recommend import SizingSettings, recommendations
from predictor.core.runs import advice_from_runs
from predictor.core.seen import seen, unseen_pods
from predictor.core.selector import EVERYTHING, Selector, selector
from predictor.core.steady import Standing, declared, standing, steady
from predictor.core.use import Key, containers_of
from slacktide.errors import BadInput
from slacktide.messages import Recommendation
from slacktide.trace import Trace

SHOWN_NAMES = 8  # of those that are there, where none matches
DRAWN = 40  # findings: the first of a ranking, so that a page of a large fleet stays small


@dataclass(frozen=True, slots=True)
class Filters:
    """Which containers are wanted; an empty filter wants all."""

    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # in lower case
    workload: re.Pattern[str] | None = None
    clusters: tuple[str, ...] = ()
    labels: Selector = EVERYTHING

    def want(self, advice: Recommendation, known: Circumstances = UNKNOWN) -> bool:
        """Whether a container passes all of them; labels that nobody knows pass none."""
        return bool(
            (not self.clusters or advice.cluster in self.clusters)
            and (not self.labels.requirements or self._labelled(known))
            and (not self.namespaces or advice.namespace in self.namespaces)
            and (not self.kinds or advice.kind.casefold() in self.kinds)
            and (self.workload is None or self.workload.search(advice.workload))
        )

    def _labelled(self, known: Circumstances) -> bool:
        pairs = known.label_pairs
        return pairs is not None and self.labels.wants(pairs)


def filters(
    namespaces: Sequence[str],
    kinds: Sequence[str],
    workload: str | None,
    clusters: Sequence[str] = (),
    labels: str = "",
) -> Filters:
    """The filters as typed. Raises `BadInput` where the pattern or the selector is none."""
    try:
        pattern = None if workload is None else re.compile(workload)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadInput(f"--workload {workload!r}: no regular expression: {error}") from error
    return Filters(
        tuple(namespaces),
        tuple(kind.casefold() for kind in kinds),
        pattern,
        tuple(clusters),
        selector(labels),
    )


@dataclass(frozen=True, slots=True)
class TraceSource:
    """A trace and the times that are asked about, each once, ascending."""

    trace: Trace
    times: tuple[int, ...]

    def findings(
        self,
        now_s: int,
        wanted: Filters,
        settings: SizingSettings,
        before: Mapping[Key, Standing],
        how: MindfulSettings,
    ) -> tuple[Finding, ...]:
        """As `findings_at`; who was not seen is said on stderr."""
        past = seen(self.trace, now_s)
        say_unseen(past, now_s)
        return findings_at(past, now_s, wanted, settings, before, how=how)

    def pictures(
        self, findings: Sequence[Finding], window_s: int
    ) -> Mapping[Key, tuple[Bars, Bars | None]]:
        """As `pictures`, at the newest time."""
        now_s = self.times[-1]
        return pictures(seen(self.trace, now_s), now_s, findings, window_s=window_s)


def trace_source(trace: Trace, at_s: Sequence[int]) -> TraceSource:
    """The trace at the wanted times. Raises `BadInput` where one lies after its end."""
    return TraceSource(trace, times_of(trace, at_s))


def times_of(trace: Trace, at_s: Sequence[int]) -> tuple[int, ...]:
    """The wanted times, each once, ascending; the end of the trace where none is given."""
    last_s = (trace.usage.cpu_cores.shape[1] - 1) * trace.interval_s
    for now_s in at_s:
        if now_s > last_s:
            raise BadInput(f"--at {now_s}: the trace ends at {last_s}")
    return tuple(sorted(set(at_s))) or (last_s,)


def findings_at(
    past: Trace,
    now_s: int,
    wanted: Filters,
    settings: SizingSettings,
    before: Mapping[Key, Standing] = {},
    *,
    how: MindfulSettings = DEFAULTS,
) -> tuple[Finding, ...]:
    """Ranked findings of one time, from what was `seen(...)` of a trace until then.

    A trace knows no circumstances, so only floors that were asked for change a number.

    What stood `before`, or is declared, stands where a change would be noise.

    Raises:
        BadInput: nothing that runs then is wanted.
    """
    containers = containers_of(past)
    return judged(
        recommendations(history_of(past), containers, now_s, settings),
        declared_by_container(past, containers, now_s),
        bytes_per_core(past.nodes.cpu_cores, past.nodes.memory_bytes),
        now_s=now_s,
        wanted=wanted,
        before=before,
        how=how,
        sizing=settings,
    )


def judged(
    there: Sequence[Recommendation],
    beside: Mapping[Key, Declared],
    weight: float,
    *,
    now_s: int,
    wanted: Filters,
    before: Mapping[Key, Standing] = {},
    known: Mapping[Key, Circumstances] = {},
    how: MindfulSettings = DEFAULTS,
    sizing: SizingSettings,
) -> tuple[Finding, ...]:
    """Ranked findings from the law's recommendations and what `circumstances.merged` knows.

    Jobs are answered from their runs instead, and what only ever runs at a pod's start is left
    out. `weight` is what `bytes_per_core` gives; all seconds have one origin.

    Raises:
        BadInput: nothing that is there is wanted.
    """
    held = [steady(one, before.get(key_of(one), declared(one))) for one in there]
    advised = [one for one in held if one.kind not in KINDS or key_of(one) not in known]
    jobs = [key for key in sorted(known) if key[2] in KINDS]
    advised += [advice_from_runs(key, known[key], now_s=now_s, sizing=sizing) for key in jobs]
    of = {key_of(one): known.get(key_of(one), UNKNOWN) for one in advised}
    kept = [
        mindful(one, of[key_of(one)], how)
        for one in advised
        if wanted.want(one, of[key_of(one)]) and not of[key_of(one)].only_at_start
    ]
    if not kept:
        raise BadInput(_nothing(advised, now_s, wanted, of))
    found = [finding(one, _declared(one, beside, of), of[key_of(one)]) for one in kept]
    return ranked(found, weight)


def pictures(
    past: Trace, now_s: int, findings: Sequence[Finding], *, window_s: int
) -> Mapping[Key, tuple[Bars, Bars | None]]:
    """CPU and memory of the first findings over the window, all replicas together."""
    history, names = history_of(past).until(now_s), containers_of(past)
    rows: dict[Key, list[int]] = {}
    columns = (names.namespace, names.workload, names.kind, names.container, names.cluster)
    for row, key in enumerate(zip(*columns, strict=True)):
        rows.setdefault(key, []).append(row)
    drawn: dict[Key, tuple[Bars, Bars | None]] = {}
    for found in findings[:DRAWN]:
        key, every = key_of(found.advice), history.interval_s
        members = np.array(rows.get(key, []), dtype=np.int64)
        cpu = bars(history.cpu_cores[members], interval_s=every, window_s=window_s)
        memory = None
        if history.memory_bytes is not None:
            memory = bars(history.memory_bytes[members], interval_s=every, window_s=window_s)
        drawn[key] = (cpu, memory)
    return drawn


def _declared(
    advice: Recommendation,
    beside: Mapping[Key, Declared],
    known: Mapping[Key, Circumstances],
) -> Declared:
    """As the pods that run declare it; of a Job between its runs as its newest run did."""
    key = key_of(advice)
    newest = known[key]
    return beside.get(key) or Declared(
        (), (advice.cluster,), newest.cpu_limit_cores, newest.memory_limit_bytes
    )


def now_standing(
    findings: Sequence[Finding], before: Mapping[Key, Standing]
) -> dict[Key, Standing]:
    """What stands after these findings, for the next time that is asked about."""
    advised = {key_of(found.advice): found.advice for found in findings}
    return dict(before) | {
        key: standing(one, before.get(key, declared(one))) for key, one in advised.items()
    }


def say_unseen(past: Trace, now_s: int) -> None:
    """One line on stderr about pods that run and have no sample: nothing is said about them."""
    names = unseen_pods(past, now_s)
    if names:
        first = ", ".join(_first(set(names)))
        click.echo(f"at {now_s} s {len(names)} pods run without any sample: {first}", err=True)


def _nothing(
    there: Sequence[Recommendation],
    now_s: int,
    wanted: Filters,
    known: Mapping[Key, Circumstances],
) -> str:
    """Why no row is left, and what could have been asked for."""
    if not there:
        return f"at {now_s} s nothing runs; --at TS asks for another time"
    if wanted.labels.requirements and all(one.labels is None for one in known.values()):
        return "--selector: this history knows no labels; leave -s away, or filter by --workload"
    namespaces = ", ".join(_first({one.namespace for one in there}))
    kinds = ", ".join(_first({one.kind for one in there}))
    clusters = ", ".join(_first({one.cluster for one in there}))
    return (
        f"nothing matches at {now_s} s; namespaces there: {namespaces}; kinds: {kinds};"
        f" clusters: {clusters}"
    )


def _first(names: set[str]) -> Iterator[str]:
    ordered = sorted(names)
    yield from ordered[:SHOWN_NAMES]
    if len(ordered) > SHOWN_NAMES:
        yield f"and {len(ordered) - SHOWN_NAMES} more"
