"""One look at the node, resource by resource: what `decide_node` is told each tick.

Always holds: what could not be read is None, never 0; rates are means over `covered_s` of the
signals; a tuple of pods keeps the order of the book. A resource that was not looked at in this tick
is None or the very object of the last look, so that nothing is believed twice (the same holds for
each pod); pods that are not managed are in no tuple.
"""

from __future__ import annotations

from dataclasses import dataclass

from qos_controller.core.signals import Signals


@dataclass(frozen=True, slots=True, kw_only=True)
class PodUse:
    """What one offline pod did in the interval; blame is laid by it."""

    uid: str
    cpu_cores: float | None = None
    throttled_share: float | None = None
    read_bytes_per_s: float | None = None
    """From the block device."""
    written_bytes_per_s: float | None = None
    """To the block device, direct or by writeback, where the kernel can tell whose it is."""
    buffered_bytes_per_s: float | None = None
    """What of it went through the page cache, where the kernel can tell (v1)."""
    dirty_bytes: float | None = None
    """Its pages that are dirty or being written back; up to two seconds old."""
    memory_bytes: float | None = None
    """Working set: use less inactive file pages, as kubelet counts it."""
    sent_bytes_per_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OnlineUse:
    """What one online pod with an SLO shows, read every few seconds; for people to look at."""

    uid: str
    threads: int | None = None
    load: float | None = None
    """Running and ready threads a core that it may use."""
    blocked_share: float | None = None
    """Of its threads: waiting without being interruptible, mostly for a disk."""
    run_delay_share: float | None = None
    """Time a thread was ready and did not run; behind its own siblings counts too."""
    throttled_share: float | None = None
    """Time stopped by its own CPU limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSample:
    """What one online service's clients felt in the interval."""

    service: str
    """The UID of its pod."""
    requests: int
    slow_requests: int
    """How many of them took longer than the bound."""
    quantile: float = 0.99
    bound_s: float | None = None
    latency_s: float | None = None
    """The slowest in the interval, where the feed tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSample:
    """The block devices that online's files lie on."""

    busy_share: float | None = None
    """Share of the interval with a request in flight (/proc/diskstats, io_ticks)."""
    in_flight: float | None = None
    read_latency_s: float | None = None
    """Mean over the reads that ended in the interval; None where none did."""
    write_latency_s: float | None = None
    read_bytes_per_s: float | None = None
    written_bytes_per_s: float | None = None
    dirty_bytes: float | None = None
    """Dirty pages of the node not yet on their way."""
    writeback_bytes: float | None = None
    """Pages on their way to the device."""
    online_full_share: float | None = None
    """Growth of `full` in online's io.pressure."""
    online_some_share: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySample:
    """The node's memory, or that of the group that all pods live in where that is limited."""

    capacity_bytes: float
    used_bytes: float
    """Working set of all pods and the system: what cannot be dropped at once."""
    available_bytes: float
    online_full_share: float | None = None
    """Growth of `full` in online's memory.pressure."""
    offline_bytes: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSample:
    """The node's uplink."""

    link_bytes_per_s: float | None = None
    """What the link carries; None where neither the driver nor the settings say."""
    online_sent_bytes_per_s: float | None = None
    offline_sent_bytes_per_s: float | None = None
    retransmits_per_s: float | None = None
    """Of online's connections."""
    srtt_s: float | None = None
    """Median smoothed round-trip time of online's connections."""
    srtt_jitter_s: float | None = None
    listen_overflows_per_s: float | None = None
    backlog_share: float | None = None
    """The fullest listen queue of online; at 1 newcomers are dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One look at the node."""

    signals: Signals
    """CPU, latency, and the node-wide pressures; all that the CPU's ladder needs."""
    latency_s: float | None = None
    """Worst latency told by a feed in the interval, for people to look at."""
    disk: DiskSample | None = None
    memory: MemorySample | None = None
    network: NetworkSample | None = None
    services: tuple[ServiceSample, ...] = ()
    """Those that answered requests in the interval; where it is empty, the signals' sums count."""
    offline: tuple[PodUse, ...] = ()
    """Empty in the ticks in which no pod was looked at."""
    cpus: tuple[int, ...] = ()
    """CPUs that offline may use, siblings of a core side by side; empty: never narrowed."""
    online: tuple[OnlineUse, ...] = ()
