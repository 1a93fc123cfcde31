"""The numbers of the node's law, resource by resource.

Always holds: nothing in `decide_node` has a constant of its own. All values are finite, so that
they travel as JSON. The ladders' own numbers (how long, how often) are `settings.Settings`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from qos_controller.core.settings import Settings

_MIB: Final = 2.0**20
CPU_LADDER: Final = Settings(feed_forward=False, full_limit_share=0.10)
DISK_LADDER: Final = Settings(
    # A tenth of a second of reads is a mean; only closer looks, under pressure, need a second one.
    self_evident_s=0.08,
    minimum_after_s=0.15,
    freeze_after_s=0.5,
    freeze_budget_s=2.0,
    hold_s=8.0,
    rebreach_s=10.0,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingSettings:
    """What pods hold all the time."""

    batch_cpu_shares: int = 2
    """cpu.shares of a batch pod's group (cpu.weight 1): the kernel preempts it for online."""
    batch_idle: bool = False
    """cpu.idle for batch: measured no better than the weight, and it loses kubelet's shares."""
    batch_oom_score_adj: int = 1000
    """The kernel kills batch first when memory is gone before the agent could act."""
    batch_disk_weight: int = 1
    """Lowest weight on the disk, where BFQ or io.cost share it."""
    batch_io_idle: bool = True
    """Idle I/O class: mq-deadline and BFQ then serve batch after everybody."""
    online_burst_share: float = 1.0
    """CPU burst of limited online pods as a share of their quota; the kernel allows at most 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencySettings:
    """When a service's own latency is believed, and what it says."""

    budget_factor: float = 3.0
    """The CUSUM's drift as a multiple of (1 - quantile): so many slow requests are no news."""
    alarm: float = 2.5
    """CUSUM height that raises the alarm: three slow requests in a row."""
    forget_s: float = 10.0
    """Time constant by which the CUSUM fades, so that a silent service is not guilty for ever."""
    window_s: float = 1.0
    """Time constant of the counts by which a service is said to be within its SLO."""
    enough_requests: float = 20.0
    """Fewer answers than this in the window prove nothing."""
    few_slow: float = 2.0
    """Fewer slow answers than this in the window hold nothing back."""
    fresh_s: float = 0.5
    """A feed silent for longer proves nothing: who is stalled answers nobody. A busy one has to
    answer sooner: ten times its usual gap, but at least `least_gap_s`."""
    least_gap_s: float = 0.06
    """Two ticks and a bit."""
    doubt_s: float = 1.0
    """An alarm that no pressure speaks for is believed if it is the second in this time."""
    settle_s: float = 0.15
    """An alarm so soon after a step is about requests from before it."""
    slack_share: float = 0.3
    """The slowest answer this much below the bound: online is well, whatever the pressure says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BlameSettings:
    """Who of many is the noisy one. CPI2 (Zhang et al., EuroSys'13) blames from 0.35."""

    correlation: float = 0.35
    """A pod whose use rises and falls with the pressure at least so much may be blamed alone."""
    use_share: float = 0.4
    """It must have at least this share of what all batch uses of the resource."""
    lead: float = 2.0
    """Its correlation x use must be this many times the next pod's."""
    window_s: float = 10.0
    """Time constant of means and covariances."""
    looks: int = 3
    """Looks before anybody is blamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSettings:
    """The disk's ladder. Rates and latencies: measured on virtio with mq-deadline."""

    ladder: Settings = DISK_LADDER
    """A longer hold than the CPU's: what is queued must drain, and each probe hurts again."""
    read_latency_s: float = 0.001
    """Mean read latency that is never called harm, however fast the device is else."""
    rise: float = 3.0
    """Harm: reads take this many times what they take while batch leaves the disk alone."""
    full_limit_share: float = 0.10
    """I/O stall of online above its own usual that counts as harm."""
    usual_s: float = 30.0
    """Time constant by which the usual latency and stall are learned while batch is silent."""
    idle_bytes_per_s: float = 1.0 * _MIB
    """Batch that reads and writes less than this is not the cause of anything."""
    name_within_s: float = 1.0
    """The node's own counters are seen at once, each pod's later: if by then no pod is found to
    use the disk, all are let go."""
    min_bytes_per_s: float = 8.0 * _MIB
    """What stage 2 leaves a pod: direct writers at 5-20 MB/s no longer show in online's p99."""
    start_share: float = 0.02
    """Where a direct writer's growth begins, at first and after stage 2; a buffered one's at its
    floor."""
    full_bytes_per_s: float = 512.0 * _MIB
    """What a newcomer's start is a share of; beyond it nobody is held back in calm."""
    doubling_s: float = 1.0
    """A newcomer's rate doubles in this time while online is well."""
    min_cores: float = 0.02
    """The least CPU of a paced writer: enough to end a transaction."""
    growth_share_per_s: float = 0.05
    """Growth per second, as a share of what batch did before it was held back."""
    safe_share: float = 0.7
    """Growth is quick up to this share of what hurt last; beyond, it is a probe."""
    probe_share: float = 0.1
    """Above the safe share it grows by so much of the usual growth."""
    dirty_limit_bytes: float = 16.0 * _MIB
    """Dirty pages of the node while batch writes: what piles up must drain before online reads."""
    dirty_tight_bytes: float = 2.0 * _MIB
    """The same while a writer is paced because online is hurt."""
    dirty_growth_bytes_per_s: float = 16.0 * _MIB
    """Batch that dirties pages faster than this gets the limit before any harm is seen."""
    rest_s: float = 60.0
    """Dirty limit and small queue stay so long after batch used the disk last."""
    buffered_bytes: float = 4.0 * _MIB
    """A pod with more dirty pages writes through the page cache, which no throttle sees; where the
    limit is tight, less in proportion."""
    period_s: float = 0.01
    """Period of the quota that paces a buffered writer: smoother than freezing it by turns."""
    min_run_share: float = 0.35
    """The least CPU that stage 1 leaves a buffered writer, as a share of what it used: about 30 %
    of what it wrote alone."""
    floor_run_share: float = 0.2
    """The same at stage 2; few dirty pages have paced it before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemorySettings:
    """The watermarks of memory, each also as the time in which growth would reach the end."""

    reclaim_share: float = 0.10
    """Available below this share of capacity: batch gives some back."""
    reclaim_left_s: float = 3.0
    """... or where growth as it is now would reach the end so soon."""
    limit_share: float = 0.06
    """Below this batch may not grow any more."""
    limit_left_s: float = 1.0
    """1-4 GiB/s leave so little time that the limit must come before reclaim has an effect."""
    evict_share: float = 0.03
    """Below this one must go."""
    evict_after_s: float = 0.5
    """The limit stood for so long and the first watermark is not reached again: one must go."""
    full_limit_share: float = 0.10
    """Memory stall of online that counts as harm, wherever the watermarks are."""
    growth_s: float = 0.3
    """Time constant of the growth that is extrapolated."""
    growth_below_share: float = 0.5
    """Growth counts only where less than this share of capacity is available."""
    reclaim_every_s: float = 0.25
    """Time between two reclaims: the kernel needs some for each."""
    reclaim_least_bytes: float = 32.0 * _MIB
    """Less is not worth asking for."""
    reclaim_max_share: float = 0.25
    """At most this share of a pod's memory is pushed out at once."""
    hold_s: float = 5.0
    """Clean time before a stage is left."""
    cooldown_s: float = 2.0
    """At most one eviction for memory in this time."""
    idle_share: float = 0.01
    """Batch that holds less than this share of capacity is not the cause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSettings:
    """Batch's ceiling on the uplink, after Heracles (ISCA'15): link - online's - a margin."""

    link_margin_share: float = 0.05
    """Kept free of the link, for what online sends within one look."""
    online_margin_share: float = 0.75
    """... or this share of what online sends, where that is more. Its answers come in bursts: at
    10 % (Heracles) they wait behind one another in what batch leaves, and p99 is 3-8 times solo."""
    left_margin_share: float = 0.5
    """... but at most this share of what online leaves of the link."""
    floor_share: float = 0.02
    """The least that batch may send, as a share of the link."""
    floor_bytes_per_s: float = 128.0 * 2.0**10
    """The same where the link's speed is not known."""
    idle_bytes_per_s: float = 1.0 * _MIB
    """Batch that sends less than this has no ceiling."""
    idle_after_s: float = 10.0
    """The ceiling is taken away after batch was idle for so long."""
    ignore_share: float = 0.10
    """A change of the ceiling by less than this is not worth a write."""
    rise: float = 2.0
    """Harm: round trips take this many times what they take while batch is silent."""
    srtt_s: float = 0.005
    """Round-trip time that is never called harm: late acknowledgements alone make some."""
    unlearned_srtt_s: float = 0.010
    """Where the usual is not known yet, this is harm: a full queue makes tens of milliseconds."""
    retransmits_per_s: float = 5.0
    """Retransmits of online above its usual that count as harm."""
    usual_s: float = 30.0
    """Time constant by which the usual is learned while batch is silent."""
    backoff: float = 0.5
    """Harm multiplies the ceiling by this."""
    react_s: float = 0.3
    """Time between two such steps: a queue must drain before the effect is seen."""
    hold_s: float = 2.0
    """Clean time before the ceiling grows."""
    growth_share_per_s: float = 0.05
    """Growth of the ceiling per second, as a share of the link."""
    online_s: float = 5.0
    """Time constant by which the estimate of online's sending falls; it rises at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BreathSettings:
    """How batch makes room where online waits for itself."""

    enabled: bool = True
    """Only an idle CPU pulls online's waiting tasks over."""
    spared_share: float = 0.12
    """Of the time that online waits with room elsewhere: a kernel that balances has less."""
    pause_s: float = 0.012
    """Length of a pause: three ticks of a kernel with HZ=250, so that its balancer runs."""
    pause_share: float = 0.005
    """Of the node: what batch keeps in a pause, enough to let go of its locks."""
    pause_period_s: float = 0.1
    """Slices of that: long ones, so that none begins within the pause."""
    rest_s: float = 0.02
    """Least time from a pause in vain to the next; twice as much and once more after each."""
    most_in_vain: int = 6
    """Doubled at most so often: a pause each 1.3 s."""
    clean_s: float = 0.05
    """A look without waiting so long after a pause says that it helped."""
    innocent_share: float = 0.1
    """Of the node: batch that uses less does not hold a CPU."""
    often_s: float = 0.3
    """A pause so soon after the last one says that pauses alone will not do."""
    backoff: float = 0.9
    """Multiplies batch's share of what online leaves with each such pause."""
    least_share: float = 0.5
    """The least that batch is limited to."""
    growth_per_s: float = 0.05
    """Growth of that share per second without a pause."""
    period_s: float = 0.02
    """Slices in which a limited share is dealt out: in slices of 0.1 s p99 is twice as high."""
    mean_s: float = 1.0
    """Time constant of online's mean use: it follows the load, not a single request."""
    step_share: float = 0.03
    """Of the node: a smaller change is not worth the writes."""
    floor_share: float = 0.05
    """Of the node: what batch has however much online uses; below that the ladder decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSettings:
    """All of it."""

    cpu: Settings = CPU_LADDER
    """Weights do the CPU's work, so calm has no quota (True where siblings or caches are shared).
    At the lightest weight online's `full` is over 5 % in 2-6 % of the ticks, over 10 % hardly ever;
    at equal weight it is 20-55 %."""
    standing: StandingSettings = StandingSettings()
    """What a pod's groups hold while nothing is wrong."""
    latency: LatencySettings = LatencySettings()
    """When clients are hurt, and when they are well."""
    breath: BreathSettings = BreathSettings()
    """How batch leaves CPUs idle at times."""
    blame: BlameSettings = BlameSettings()
    """When one pod stands out."""
    disk: DiskSettings = DiskSettings()
    """How much batch may read and write."""
    memory: MemorySettings = MemorySettings()
    """From when on batch gives memory back."""
    network: NetworkSettings = NetworkSettings()
    """How much of the uplink is batch's."""
    narrow_from_cpus: int = 4
    """Nodes with at least so many CPUs pen batch up on some of them at stage 2 of the CPU."""
    narrow_share: float = 0.125
    """How many, as a share of all; at least one whole core (two CPUs)."""
    evident_level: float = 0.5
    """A latency alarm goes to the resource whose pressure is highest, if at least so high."""
    evident_s: float = 0.2
    """Time constant of the CPU's level that is evidence: a single tick's stall is noise."""
    recent_s: float = 1.0
    """A resource's last level counts so long for attribution, since not each tick looks at all."""
