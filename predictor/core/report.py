"""All that an answer shows: ranked findings, what they cost, and pictures of the use behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from predictor.core.money import GIB, Prices
from predictor.core.plot import Bars
from predictor.core.ranking import Finding, Side
from predictor.core.recommend import SizingSettings
from predictor.core.use import Key


@dataclass(frozen=True, slots=True)
class Report:
    """What every format is made from."""

    findings: Sequence[Finding]  # ranked
    title: str
    settings: SizingSettings = field(default_factory=SizingSettings)
    prices: Prices | None = None  # None: no money is shown
    pictures: Mapping[Key, tuple[Bars, Bars | None]] = field(default_factory=dict)

    @property
    def several_clusters(self) -> bool:
        """Whether a cluster's name tells rows apart."""
        return len({found.advice.cluster for found in self.findings}) > 1


def summary(report: Report) -> Iterator[tuple[str, str]]:
    """What it all comes to, a name and a sentence each; needs never hide savings.

    What is lacking and what is handed back are summed apart, over all replicas.
    """
    found = report.findings
    for name, sign in (("hand back", 1.0), ("need more", -1.0)):
        cores = sum(max(sign * one.freed_cores, 0.0) for one in found)
        size = sum(max(sign * one.freed_bytes, 0.0) for one in found)
        text = f"{cores:.1f} cores, {size / GIB:.1f} GiB, all replicas"
        if report.prices is not None:
            text += f", {report.prices.monthly(cores, size):,.2f} a month"
        yield name, text
    yield "under-provisioned", _containers(sum(one.side is Side.UNDER for one in found))
    unknown = [one.advice.reason for one in found if one.side is Side.UNKNOWN]
    if unknown:
        missing = _commonest(unknown)
        yield "not enough data", f"{_containers(len(unknown))}: {missing}"


def _containers(count: int) -> str:
    return f"{count} container{'' if count == 1 else 's'}"


def _commonest(reasons: Sequence[str]) -> str:
    """What is missing most often, and of how many more something else is."""
    missing = [reason.split("; ")[0] for reason in reasons]
    first = max(sorted(set(missing)), key=missing.count)
    others = len(missing) - missing.count(first)
    what = first.removeprefix("not enough data: ")
    return what if not others else f"{what} ({missing.count(first)}), and {others} others"
