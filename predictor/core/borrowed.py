"""A size for a workload too young to be sized from its own use: borrowed from those most like it.

    earlier replicas -> same image or label group -> its namespace's usual cut -> what it declares

The same ladder as for cold pods in a forecast (`cold`), with sizes in place of peaks and a
confidence that says from how far away the number came. Always holds: at least what was used
already, at most that or what is declared, where something is declared.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from predictor.core.cold import GROUP_SERIES, NAMESPACE_SERIES, high_share
from slacktide.messages import FloatArray

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
    own = "seen for less than a day"
    return Borrowed(size, confidence, f"{own}, so borrowed: {why} (confidence {confidence:g})")
