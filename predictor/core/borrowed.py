"""A size for a workload too young to be sized from its own use: borrowed from those most like it.

    earlier replicas -> same image or label group -> its namespace's usual cut -> what it declares

The same ladder as for cold pods in a forecast (`cold`), with sizes in place of peaks and a
confidence that says from how far away the number came. Always holds: at least what was used
already, at most that or what is declared, where something is declared.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from predictor.core.cold import GROUP_SERIES, NAMESPACE_SERIES, high_share
from slacktide.messages import FloatArray, Recommendation

# What a number from each rung may claim at most: own history reaches 1 after two weeks.
CONFIDENCE: Final = {"replicas": 0.5, "group": 0.3, "namespace": 0.15}


@dataclass(frozen=True, slots=True)
class Borrowed:
    """A size in cores or bytes, how far it may be believed, and why it is what it is."""

    size: float
    confidence: float
    reason: str


def borrowed(
    *,
    declared: float | None,
    used: float,
    replicas: FloatArray,
    group: FloatArray,
    shares: FloatArray,
) -> Borrowed | None:
    """The size the first rung with enough evidence gives; None: what is declared stands.

    Args:
        declared: cores or bytes, None where nothing is.
        used: the most seen so far of the workload itself, 0 where it was not seen.
        replicas: [n] sizes of its earlier replicas.
        group: [n] sizes of others with its image or in its label group.
        shares: [n] recommended over declared of those in its namespace that were sized.
    """
    if len(replicas):
        found, rung = float(replicas.max()), "replicas"
        why = f"the largest of {len(replicas)} earlier replicas"
    elif len(group) >= GROUP_SERIES:
        found, rung = float(group.max()), "group"
        why = f"the largest of {len(group)} with its image or labels"
    elif len(shares) >= NAMESPACE_SERIES and declared is not None:
        found, rung = high_share(shares) * declared, "namespace"
        why = f"{high_share(shares):.2f} of what it declares, as {len(shares)} in its namespace"
    else:
        return None
    size = found if declared is None else min(found, declared)
    if used > size:
        size, why = used, f"what it used already, above {why}"
    elif size < found:
        why = f"what it declares, below {why}"
    confidence = CONFIDENCE[rung]
    return Borrowed(size, confidence, f"{why} (confidence {confidence:g})")


def with_hints(made: Sequence[Recommendation]) -> tuple[Recommendation, ...]:
    """The recommendations, each without an answer telling what those most like it would suggest.

    A hint is a sentence and no recommendation: nobody should change a request by hearsay. Earlier
    replicas need no hint, since they are the workload's own history (see `use`).
    """
    shares: dict[str, list[float]] = {}
    for one in made:
        if one.cpu_request_cores and one.recommended_cpu_request_cores is not None:
            share = one.recommended_cpu_request_cores / one.cpu_request_cores
            shares.setdefault(one.namespace, []).append(share)
    return tuple(_with_hint(one, np.array(shares.get(one.namespace, []))) for one in made)


def _with_hint(one: Recommendation, shares: FloatArray) -> Recommendation:
    if one.recommended_cpu_request_cores is not None:
        return one
    declared, nobody = one.cpu_request_cores, np.zeros(0)
    hint = borrowed(declared=declared, used=0.0, replicas=nobody, group=nobody, shares=shares)
    if hint is None:
        return one
    said = f"until then {hint.size:.3f} cores may be near: {hint.reason}"
    return replace(one, reason=f"{one.reason}; {said}")
