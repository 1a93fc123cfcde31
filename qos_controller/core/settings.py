"""The numbers of the law, each with its unit and the reason for its default.

Always holds: nothing in the core has a constant of its own; a what-if changes only this value.
Sources: the "recommended law" of the design notes; Heracles (ISCA'15) for slack before growth,
PARTIES (ASPLOS'19) for acting within tenths of a second, Borg (EuroSys'15) for throttle, then kill.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How careful the node is."""

    tick_s: float = 0.05
    """Period of the caller's loop. Below 20 ms the kernel's pressure counters lose time."""

    # Stage 0: feed-forward.
    feed_forward: bool = True
    """Whether the calm quota follows what online leaves. False where a weight gives online its CPU
    at once (any kernel with fair scheduling and no shared siblings): then calm has no quota."""
    reserve_share: float = 0.10
    """Share of capacity kept free above what online uses, for the rise within one tick."""
    min_quota_share: float = 0.02
    """Share of capacity that offline always keeps: a task without any CPU holds its locks for
    ever. So little is below `innocent_share`: a node that online needs whole parks offline here
    and evicts nobody for CPU."""
    slow_down_s: float = 5.0
    """Time constant by which the estimate of online's use falls; it rises at once."""
    growth_share_per_s: float = 0.20
    """Growth of the quota as a share of capacity per second: 5 % each 250 ms."""
    ignore_share: float = 0.005
    """Growth of less than this share of capacity is not worth a write."""

    # What counts as a breach.
    full_limit_share: float = 0.05
    """phi0: online's `full` stall share that counts as harm."""
    memory_pressure_limit_share: float = 0.10
    """Memory stall share that counts as harm."""
    io_pressure_limit_share: float = 0.10
    """I/O stall share that counts as harm."""
    memory_limit_share: float = 0.95
    """Used share of memory above which offline must give some back."""
    slow_budget_share: float = 0.03
    """Share of slow requests that is no news (the CUSUM's drift)."""
    slow_alarm: float = 2.5
    """CUSUM height that raises the alarm: three slow requests in a row, or 30 % slow for ten."""
    slow_forget_s: float = 10.0
    """Time constant by which the CUSUM fades, so that a silent service is not guilty for ever."""
    self_evident_s: float = 1.0
    """A sample that covers this long is a mean and needs no second one to confirm it."""
    calm_level: float = 0.5
    """Growth only below this share of every limit (phi < phi0 / 2)."""

    # Stages 1 to 4.
    backoff: float = 0.5
    """Stage 1 multiplies the quota by this (multiplicative decrease)."""
    minimum_after_s: float = 0.1
    """A breach this long after stage 1 leads to the minimum: four ticks of 25 ms."""
    freeze_after_s: float = 0.2
    """A breach this long after stage 2 leads to the freezer."""
    freeze_s: float = 0.2
    """One freeze lasts this long and ends by itself."""
    thaw_s: float = 0.02
    """Shortest run between two freezes, so that locks are released."""
    freeze_budget_s: float = 3.0
    """Frozen seconds that may pile up before the ladder goes on to eviction."""
    freeze_refill_share: float = 0.10
    """Frozen seconds forgiven per second: 3 s in 30 s."""
    cooldown_s: float = 20.0
    """At most one eviction for pressure in this time, and the node stays closed as long."""
    memory_evict_after_s: float = 1.0
    """Memory over its limit this long evicts at once: throttling frees no memory."""
    memory_cooldown_s: float = 5.0
    """At most one eviction for memory in this time: the next one may be the kernel's."""

    # Recovery.
    hold_s: float = 2.0
    """Clean time before growth begins."""
    hold_max_s: float = 60.0
    """The hold doubles up to here when growth hurts again."""
    rebreach_s: float = 5.0
    """A breach within this time of growth was caused by it."""
    forgive_s: float = 60.0
    """Each such clean time halves the hold."""

    # Guard: throttling does not help.
    futile_after_s: float = 2.0
    """Time at stage 2 or above after which its effect is judged."""
    futile_gain_share: float = 0.10
    """A smaller fall of the pressure is no effect."""
    innocent_share: float = 0.03
    """Offline that uses less than this share of capacity is not the cause of CPU pressure."""
    futile_lock_s: float = 30.0
    """How long the ladder stays at stage 1 after it was found futile."""

    # Stale signals.
    stale_after_s: float = 5.0
    """Without news this long the quota decays; before, it only stops growing."""
    stale_half_life_s: float = 5.0
    """Half-life of that decay."""
    stale_close_s: float = 30.0
    """Without news this long the node takes no new offline task."""

    # Suppressed too long.
    starved_share: float = 0.3
    """Offline that gets less than this share of what it holds is parked, not running."""
    starved_use_share: float = 0.8
    """It is starved only while it uses this share of its quota: a throttled group seldom fills
    its last period, and a task that waits for its disk lacks no CPU."""
    starved_after_s: float = 600.0
    """Parked this long, one goes, so that the rest runs."""
    starved_cooldown_s: float = 60.0
    """Time between two such evictions: the first may suffice."""
    restart_core_s: float = 30.0
    """What a restart costs by itself, so that the smallest task is not always the victim."""
