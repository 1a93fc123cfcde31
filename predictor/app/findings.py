"""From a trace folder to ranked findings: what is read, at which time, and which rows are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import click

from predictor.core.history import history_of
from predictor.core.ranking import (
    Finding,
    bytes_per_core,
    declared_by_container,
    finding,
    key_of,
    ranked,
)
from predictor.core.recommend import SizingSettings, recommendations
from predictor.core.seen import unseen_pods
from predictor.core.use import containers_of
from slacktide.errors import BadInput
from slacktide.messages import Recommendation
from slacktide.trace import Trace

SHOWN_NAMES = 8  # of those that are there, where none matches


@dataclass(frozen=True, slots=True)
class Filters:
    """Which containers are wanted; an empty filter wants all."""

    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()  # in lower case
    workload: re.Pattern[str] | None = None

    def want(self, advice: Recommendation) -> bool:
        """Whether a container passes all of them."""
        return bool(
            (not self.namespaces or advice.namespace in self.namespaces)
            and (not self.kinds or advice.kind.casefold() in self.kinds)
            and (self.workload is None or self.workload.search(advice.workload))
        )


def filters(namespaces: Sequence[str], kinds: Sequence[str], workload: str | None) -> Filters:
    """The filters as typed. Raises `BadInput` where the pattern is none."""
    try:
        pattern = None if workload is None else re.compile(workload)
    except (re.error, OverflowError, RecursionError) as error:
        raise BadInput(f"--workload {workload!r}: no regular expression: {error}") from error
    return Filters(tuple(namespaces), tuple(kind.casefold() for kind in kinds), pattern)


def times_of(trace: Trace, at_s: Sequence[int]) -> tuple[int, ...]:
    """The wanted times, each once, ascending; the end of the trace where none is given."""
    last_s = (trace.usage.cpu_cores.shape[1] - 1) * trace.interval_s
    for now_s in at_s:
        if now_s > last_s:
            raise BadInput(f"--at {now_s}: the trace ends at {last_s}")
    return tuple(sorted(set(at_s))) or (last_s,)


def findings_at(
    past: Trace, now_s: int, wanted: Filters, settings: SizingSettings
) -> tuple[Finding, ...]:
    """Ranked findings of one time, from what was `seen(...)` until then.

    Raises:
        BadInput: nothing that runs then is wanted.
    """
    containers = containers_of(past)
    there = recommendations(history_of(past), containers, now_s, settings)
    kept = [advice for advice in there if wanted.want(advice)]
    if not kept:
        raise BadInput(_nothing(there, now_s))
    declared = declared_by_container(past, containers, now_s)
    weight = bytes_per_core(past.nodes.cpu_cores, past.nodes.memory_bytes)
    return ranked([finding(one, declared[key_of(one)]) for one in kept], weight)


def say_unseen(past: Trace, now_s: int) -> None:
    """One line on stderr about pods that run and have no sample: nothing is said about them."""
    names = unseen_pods(past, now_s)
    if names:
        first = ", ".join(_first(set(names)))
        click.echo(f"at {now_s} s {len(names)} pods run without any sample: {first}", err=True)


def _nothing(there: Sequence[Recommendation], now_s: int) -> str:
    """Why no row is left, and what could have been asked for."""
    if not there:
        return f"at {now_s} s nothing runs; --at TS asks for another time"
    namespaces = ", ".join(_first({one.namespace for one in there}))
    kinds = ", ".join(_first({one.kind for one in there}))
    return f"nothing matches at {now_s} s; namespaces there: {namespaces}; kinds: {kinds}"


def _first(names: set[str]) -> Iterator[str]:
    ordered = sorted(names)
    yield from ordered[:SHOWN_NAMES]
    if len(ordered) > SHOWN_NAMES:
        yield f"and {len(ordered) - SHOWN_NAMES} more"
