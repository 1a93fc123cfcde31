"""The times and shares federation works with; a unit and a reason each, frozen.

Always holds: the rungs of the ladder come in order (`stale <= decay <= lost`).
"""

from __future__ import annotations

from dataclasses import dataclass

from slacktide.errors import BadInput


@dataclass(frozen=True, slots=True)
class FederationSettings:
    """How long the hub trusts what it last heard, and how long its word holds.

    The defaults suit members that report every 30 s.
    """

    stale_after_s: float = 90.0  # s: three missed reports; one lost message is no outage
    decay_after_s: float = 300.0  # s: a control plane restarts within five minutes, mostly
    lost_after_s: float = 900.0  # s: longer silence is an outage and not an upgrade
    floor_share: float = 0.5  # share of the last reported supply believed just before it is lost
    lease_s: float = 900.0  # s: a grant; long enough that a hub restart is not felt by members
    claim_s: float = 1800.0  # s: a gang's right to run; a hub outage shorter than this pauses none
    clock_skew_s: float = 5.0  # s: how far clocks of hub and members may differ; NTP keeps < 1 s

    def __post_init__(self) -> None:
        if not 0 < self.stale_after_s <= self.decay_after_s <= self.lost_after_s:
            raise BadInput(
                "federation: 0 < stale_after_s <= decay_after_s <= lost_after_s must hold, got "
                f"{self.stale_after_s:g}, {self.decay_after_s:g}, {self.lost_after_s:g}"
            )
        if not 0 <= self.floor_share <= 1:
            raise BadInput(f"federation: floor_share must be in 0..1, got {self.floor_share:g}")
        if not (self.lease_s > 0 and self.claim_s > 0 and self.clock_skew_s >= 0):
            raise BadInput("federation: lease_s, claim_s > 0 and clock_skew_s >= 0 must hold")
