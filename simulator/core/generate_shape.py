"""The figures a generated fleet is made from, each with the trace it was measured on.

The project cannot carry other people's traces, so it carries what was measured on them:

- Bitbrains Rnd (GWA-T-12): 500 business VMs, 60 days, 5 min. Two populations differ sharply in it:
  440 *steady* VMs that idle with small cycles and bursts, and 60 *intermittent* ones (12 %), which
  hold 27 % of the requests, make 77 % of the use, and switch between nearly nothing and all they
  asked for, in groups. A VM counts as intermittent if its 90th percentile is above half its
  request. "Share" means of the request, unless said otherwise.
- Azure 2017 (AzurePublicDataset V1): 100 VMs with the true maximum within each five minutes.
- Alibaba 2017 (batch_task) for gang sizes, MetaCentrum 2013 for durations, cores and queues.

Quantiles and counts are as measured; what is *fitted* was set so that `generate_statistics` gives
the measured figures for what is generated. What no trace shows (replicas, deployments, gaps of a
scrape) is a *choice*. Both are marked.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from slacktide.messages import FloatArray


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A measured distribution: `value[i]` is its quantile at `at[i]`, ascending, all > 0."""

    at: tuple[float, ...]
    value: tuple[float, ...]

    def draw(self, generator: np.random.Generator, count: int) -> FloatArray:
        """[count] numbers, the logarithm linear between quantiles; none beyond the ends."""
        logs = np.interp(generator.random(count), self.at, np.log(self.value))
        return np.asarray(np.exp(logs), np.float64)


@dataclass(frozen=True, slots=True)
class Choice:
    """Values that occur, with their weights."""

    value: tuple[float, ...]
    weight: tuple[float, ...]

    def draw(self, generator: np.random.Generator, count: int) -> FloatArray:
        """[count] of the values."""
        share = np.array(self.weight) / sum(self.weight)
        return generator.choice(np.array(self.value, np.float64), count, p=share)


@dataclass(frozen=True, slots=True)
class Tempo:
    """How fast a noise forgets: shares of its variance [K] and their time constants."""

    variance_share: tuple[float, ...]  # sums to 1
    time_constant_s: tuple[float, ...]  # 0 = a new value each sample


@dataclass(frozen=True, slots=True)
class OnlineShape:
    """The online side of a fleet. Measured on Bitbrains Rnd where nothing else is said."""

    # Requests: VMs by provisioned cores; GiB per core as provisioned, cut at 4 to fit the nodes.
    requested_share_of_node: float = 0.97  # 0.99 there, by first fit
    steady_request_cores: Choice = Choice((1, 2, 4, 8, 16, 32), (225, 90, 104, 15, 1, 3))
    intermittent_request_cores: Choice = Choice((2, 4, 8), (6, 13, 41))
    memory_bytes_per_core: Quantiles = Quantiles(
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 1),
        tuple(gib * 2**30 for gib in (0.11, 0.13, 0.17, 0.98, 2.4, 3.98, 4.0)),
    )

    # Steady VMs: mean use as a share of the request. One-core VMs idle far more than larger ones.
    one_core_use_share: Quantiles = Quantiles(
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1),
        (5e-6, 1e-5, 0.00017, 0.00152, 0.00358, 0.0121, 0.0232, 0.0381, 0.115, 0.248),
    )
    larger_use_share: Quantiles = Quantiles(
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1),
        (0.001, 0.00342, 0.00785, 0.0142, 0.0179, 0.0456, 0.0812, 0.143, 0.329, 0.425),
    )
    # Coefficient of variation of the use below bursts, and how fast it forgets. The share without
    # memory is 1 - autocorrelation at 5 min, over VMs; the tempo is fitted to the decay to 24 h.
    steady_variation: Quantiles = Quantiles(
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1), (0.04, 0.11, 0.13, 0.18, 0.33, 0.8, 1.6, 3.0)
    )
    steady_memoryless_share: Quantiles = Quantiles(
        (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1), (0.01, 0.03, 0.13, 0.34, 0.6, 0.87, 0.99)
    )
    steady_tempo: Tempo = Tempo((0.1, 0.3, 0.3, 0.3), (3_600, 12 * 3_600, 3 * 86_400, 14 * 86_400))
    # Cycles: 57 % of the steady VMs correlate with themselves (r > 0.3, hourly means) a day later
    # and 36 % a week later. The cycle's share of a VM's variance is uniform in a range fitted to
    # that; the hour of its peak as counted there, UTC.
    daily_share: float = 0.57
    daily_variance_share: tuple[float, float] = (0.4, 0.97)
    daily_peak_hour: Choice = Choice(
        tuple(range(24)),
        (11, 15, 10, 18, 62, 5, 8, 2, 5, 2, 6, 8, 6, 11, 19, 6, 17, 12, 2, 2, 2, 6, 8, 6),
    )
    weekend_use_share: Quantiles = Quantiles(  # least / mean day of the week, of the cyclic VMs
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 1), (0.3, 0.53, 0.73, 0.86, 0.89, 0.965, 1.0)
    )
    # Bursts: samples above thrice the median. A VM's rate, its median height and mean length.
    burst_rate_per_day: Quantiles = Quantiles(
        (0, 0.25, 0.5, 0.75, 0.9, 0.95, 1), (0.01, 0.1, 0.8, 2.05, 3.5, 6.0, 15.0)
    )
    burst_height_share: Quantiles = Quantiles(
        (0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1), (0.005, 0.026, 0.058, 0.128, 0.26, 0.37, 0.83, 1)
    )
    burst_height_spread: float = 0.8  # sd of the log within a VM, fitted to the highest peaks
    burst_length_s: Quantiles = Quantiles(
        (0, 0.5, 0.75, 0.9, 0.95, 1), (300, 390, 720, 1_800, 3_600, 15_000)
    )

    # Intermittent VMs: share of time on, level on and off, and the tempo of switching, fitted to
    # the autocorrelation 0.975, 0.78, 0.46, 0.12 at 5 min, 1 h, 6 h, 24 h. Groups switch together.
    intermittent_request_share: float = 0.27  # of all requests
    intermittent_on_share: Quantiles = Quantiles(
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1), (0.08, 0.15, 0.17, 0.22, 0.28, 0.36, 0.4, 0.5)
    )
    intermittent_on_level: Quantiles = Quantiles(
        (0, 0.05, 0.1, 0.25, 0.5, 1), (0.5, 0.6, 0.7, 0.91, 0.98, 1)
    )
    intermittent_off_level: Quantiles = Quantiles(
        (0, 0.1, 0.5, 0.75, 0.9, 1), (0.003, 0.003, 0.004, 0.009, 0.1, 0.35)
    )
    intermittent_tempo: Tempo = Tempo((0.12, 0.88), (3_600, 10 * 3_600))
    intermittent_smooth_s: float = 2_700  # runs shorter than this are rare
    # Within a group pairs correlate above 0.7, and with 0.23 over all pairs, as five groups are
    # all there is. Fleets here have more groups, so less of the variance is the whole fleet's:
    # with more of it, a week's peak would say less about the next day's than it does there.
    intermittent_fleet_share: float = 0.06
    intermittent_group_share: float = 0.79

    # Memory: mean use as a share of the request, its variation, and a tempo fitted to the decay
    # of the autocorrelation, 0.58, 0.28, 0.19 at 5 min, 1 h, 24 h.
    memory_use_share: Quantiles = Quantiles(
        (0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1),
        (0.001, 0.0012, 0.0079, 0.0112, 0.0192, 0.0483, 0.0996, 0.267, 0.324, 0.414, 0.5),
    )
    memory_variation: Quantiles = Quantiles(
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 1), (0.1, 0.19, 0.22, 0.35, 0.69, 1.2, 1.8, 2.6)
    )
    memory_tempo: Tempo = Tempo((0.3, 0.15, 0.2, 0.35), (900, 6 * 3_600, 3 * 86_400, 14 * 86_400))
    memory_memoryless_share: Quantiles = Quantiles(
        (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1), (0.02, 0.05, 0.1, 0.22, 0.4, 0.5, 0.6)
    )

    # Maximum within the interval over its mean: a VM's median ratio, and the spread around it.
    # Azure 2017.
    peak_over_mean: Quantiles = Quantiles(
        (0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1),
        (1.05, 1.17, 1.18, 1.47, 1.96, 2.2, 3.5, 5, 6.5),
    )
    peak_spread: float = 0.35  # sd of the log of (ratio - 1)

    # Choices: what the traces of VMs do not show about a cluster of pods.
    replicas: Choice = Choice((1, 2, 3, 4, 6, 8), (35, 20, 20, 12, 8, 5))
    intermittent_replicas: Choice = Choice((3, 6, 9, 13), (30, 30, 25, 15))  # groups as measured
    replica_spread: float = 0.2  # sd of the log of a replica's level around its workload's
    replica_common_share: float = 0.3  # of the variance of steady noise
    deploys_per_day: float = 0.004  # of a Deployment; each re-creates all its pods
    late_or_early_share: float = 0.02  # replicas added during the trace; as many taken away
    gap_rate_per_day: float = 0.02  # of a pod
    gap_length_s: float = 1_800
    outage_s: int = 3 * 3_600  # once in a trace, one cluster goes unmeasured


@dataclass(frozen=True, slots=True)
class JobShape:
    """The batch side: gangs, their sizes, lengths and queues."""

    # Gang sizes: Alibaba 2017, those of at most 128 tasks (82 %; the largest there has 64,486),
    # with a few larger ones, as a cluster here has some 900 cores.
    tasks: Quantiles = Quantiles(
        (0, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.995, 1),
        (1, 1, 2, 3, 5, 9, 14, 26, 39, 69, 128, 300),
    )
    # Cores of a task: MetaCentrum 2013, those of at most 8 (78 %), so that one fits into the slack
    # of a node. Memory a core: Alibaba 2017.
    task_cores: Choice = Choice((1, 2, 4, 6, 8), (67, 10, 6, 9, 8))
    memory_bytes_per_core: Quantiles = Quantiles(
        (0, 0.05, 0.25, 0.5, 0.75, 0.9, 1),
        tuple(gib * 2**30 for gib in (0.26, 0.52, 0.75, 0.8, 1.6, 2.56, 3.07)),
    )
    # Durations: MetaCentrum 2013, those from five minutes to two days (67 %).
    duration_s: Quantiles = Quantiles(
        (0, 0.1, 0.25, 0.5, 0.75, 0.9, 1), (300, 461, 1_294, 5_523, 33_419, 72_668, 172_800)
    )
    # Submissions by hour of day, MetaCentrum 2013, mean of three hours.
    hour_weight: tuple[float, ...] = (
        *(0.51, 0.47, 0.49, 0.28, 0.16, 0.23, 0.28, 0.41, 1.03, 2.02, 2.24, 1.81),
        *(1.47, 2.12, 2.33, 1.94, 1.14, 0.79, 0.78, 0.77, 0.91, 0.71, 0.7, 0.4),
    )
    burst_jobs: float = 3.4  # jobs in a minute with any, MetaCentrum 2013
    # Choices: nobody takes more than a third of a cluster, or holds all of it for days.
    most_cores: float = 300
    most_core_s: float = 100 * 86_400
    # Choices: teams as paths, by weight; elastic gangs; and how much is asked for in all.
    queues: tuple[str, ...] = (
        "research/language",
        "research/vision",
        "analytics/reports",
        "analytics/adhoc",
        "media/transcode",
        "platform/backup",
    )
    queue_weight: tuple[float, ...] = (0.28, 0.2, 0.2, 0.14, 0.12, 0.06)
    queue_priority: tuple[int, ...] = (5_500, 5_500, 5_300, 5_100, 5_300, 5_000)
    elastic_share: float = 0.3  # of the gangs, which start with fewer tasks than they ask for
    elastic_least_share: tuple[float, float] = (0.5, 0.9)
    offered_share_of_nodes: float = 0.7  # core-seconds asked for / core-seconds of all nodes
