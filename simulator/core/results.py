"""The rows of a backtest: every policy as asked for, and every policy at the same violation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from simulator.core.backtest import Score, Trial
from simulator.core.bootstrap import SEED, Sureness, sureness
from simulator.core.families import Family, matched, violation
from simulator.core.policies.catalogue import OURS, PEERS, parsed
from slacktide.messages import FloatArray

# Violations at which a curve is drawn, from bold to careful.
CURVE: Final = (
    0.5, 0.3, 0.2, 0.14, 0.1, 0.07, 0.05, 0.035, 0.025, 0.02, 0.015, 0.0125, 0.01,
    0.0075, 0.005, 0.0035, 0.0025, 0.0015, 0.001,
)  # fmt: skip


NUMBERS: Final = (
    "violation", "violation_low", "violation_high", "severity",
    "savings", "savings_low", "savings_high",
    "of_oracle", "of_oracle_low", "of_oracle_high",
    "ours_saves_more", "ours_saves_more_low", "ours_saves_more_high",
    "worst_node", "scored",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A policy as asked for: its own knob, and what it kept."""

    name: str
    setting: str
    kept: FloatArray  # [N, T]


@dataclass(frozen=True, slots=True)
class Result:
    """One row. Without a score the policy cannot: no knob of it violates so rarely."""

    policy: str
    matched: float | None  # the violation at which policies are compared; None: as asked for
    setting: str
    score: Score | None
    sure: Sureness | None
    kept: FloatArray | None  # [N, T]


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a policy's curve."""

    violation: float
    savings: float


def setting_of(name: str, *, memory: bool, risk: float) -> str:
    """What a policy of the catalogue is set to by its name, in words."""
    base, knob = parsed(name)
    if base in PEERS:
        return f"{PEERS[base].default(memory=memory) if knob is None else knob:g}"
    return f"risk {risk if knob is None else knob:g}" if base == OURS else ""


def results(
    asked: Sequence[Asked],
    families: Sequence[Family],
    trial: Trial,
    *,
    targets: Sequence[float],
    seed: int = SEED,
) -> list[Result]:
    """The rows as asked for, then for each target those of every family, with their intervals."""
    rows = [_Row(each.name, None, each.setting, each.kept) for each in asked]
    for target in targets:
        rows += [_at(family, trial, target) for family in families]
    scored = [row for row in rows if row.kept is not None]
    ours = {row.matched: at for at, row in reversed(list(enumerate(scored))) if is_ours(row.name)}
    sure = sureness(
        [row.kept for row in scored if row.kept is not None],
        trial,
        ours=[ours.get(row.matched) for row in scored],
        seed=seed,
    )
    beside = iter(sure)
    return [
        Result(row.name, row.matched, row.setting, None, None, None)
        if row.kept is None
        else Result(
            row.name,
            row.matched,
            row.setting,
            trial.score(row.name, row.kept),
            next(beside),
            row.kept,
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class _Row:
    name: str
    matched: float | None
    setting: str
    kept: FloatArray | None


def _at(family: Family, trial: Trial, target: float) -> _Row:
    knob = matched(family, trial, target)
    if knob is None:
        least = violation(family.keep(family.most), trial)
        return _Row(family.name, target, f"cannot: {100 * least:.2g} % at {family.most:g}", None)
    setting = f"{knob:g}"
    if is_ours(family.name):
        setting = f"{100 * knob:+.2g} % of the node"
    return _Row(family.name, target, setting, family.keep(knob))


def is_ours(name: str) -> bool:
    """Whether a policy is slacktide, at whatever risk."""
    return name.partition(":")[0] == OURS


def curve(family: Family, trial: Trial) -> list[Point]:
    """Savings over violation, from bold to careful; only what the policy can reach."""
    points: list[Point] = []
    for target in CURVE:
        knob = matched(family, trial, target)
        if knob is not None:
            found = trial.score(family.name, family.keep(knob))
            points.append(Point(found.violation, found.savings))
    return points


def _as_row(result: Result) -> dict[str, Any]:
    found, sure = result.score, result.sure
    if found is None or sure is None:
        return _names(result) | dict.fromkeys(NUMBERS)
    more = sure.ours_more
    numbers = (
        *(found.violation, sure.violation.low, sure.violation.high, found.severity),
        *(found.savings, sure.savings.low, sure.savings.high),
        *(found.of_oracle, sure.of_oracle.low, sure.of_oracle.high),
        *(None, None if more is None else more.low, None if more is None else more.high),
        *(found.worst_node, found.scored),
    )
    return _names(result) | dict(zip(NUMBERS, numbers, strict=True))


def _names(result: Result) -> dict[str, Any]:
    return {"policy": result.policy, "matched": result.matched, "setting": result.setting}


def as_rows(found: Sequence[Result]) -> list[dict[str, Any]]:
    """Every result in plain columns, with how much more ours saves where ours is among them."""
    ours = {
        result.matched: result.score.savings
        for result in reversed(found)
        if is_ours(result.policy) and result.score is not None
    }
    rows = [_as_row(result) for result in found]
    for row in rows:
        best = ours.get(row["matched"])
        if best is not None and row["savings"] is not None:
            row["ours_saves_more"] = best - row["savings"]
    return rows
