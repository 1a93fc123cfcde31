"""Makes the samples of a generated fleet: what each replica's place used over time.

Everything is vectorised over rows and drawn from the generator handed in, so the same seed makes
the same samples. A row is one replica's place [R]; the columns are the intervals [T].
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from simulator.core.generate_shape import OnlineShape, Tempo
from slacktide.messages import BoolArray, FloatArray, IntArray

DAY_S = 86_400
ROWS_AT_ONCE = 128


@dataclass(frozen=True, slots=True)
class Time:
    """The stamps of a trace."""

    columns: int  # T
    interval_s: int

    def stamps_s(self) -> FloatArray:
        """[T] seconds since the origin, a Monday at midnight."""
        return np.arange(self.columns, dtype=np.float64) * self.interval_s


@dataclass(frozen=True, slots=True)
class Places:
    """The replicas' places, R rows: what the samples depend on."""

    workload: IntArray  # [R] replicas share its level, its cycle and part of its noise
    intermittent: BoolArray  # [R]
    cpu_request_cores: FloatArray  # [R]
    memory_request_bytes: FloatArray  # [R]

    def some(self, rows: BoolArray) -> Places:
        """Those of the rows [R] that are True."""
        return Places(
            self.workload[rows],
            self.intermittent[rows],
            self.cpu_request_cores[rows],
            self.memory_request_bytes[rows],
        )


def cpu_shares(
    shape: OnlineShape, places: Places, generator: np.random.Generator, time: Time
) -> FloatArray:
    """[R, T] mean use of each interval as a share of the request, 0..1."""
    steady, switching = generator.spawn(2)
    share = np.empty((len(places.workload), time.columns))
    is_on_off = places.intermittent
    share[~is_on_off] = _steady(shape, places.some(~is_on_off), steady, time)
    share[is_on_off] = _intermittent(shape, places.some(is_on_off), switching, time)
    return np.clip(share, 0.0, 1.0, out=share)


def memory_shares(
    shape: OnlineShape, places: Places, generator: np.random.Generator, time: Time
) -> FloatArray:
    """[R, T] memory in use as a share of the request, 0..1."""
    workloads, of = _groups(places.workload)
    level = shape.memory_use_share.draw(generator, workloads)[of]
    variation = shape.memory_variation.draw(generator, workloads)[of]
    memoryless = shape.memory_memoryless_share.draw(generator, workloads)
    noise = _forgetting(generator, memoryless[of], shape.memory_tempo, time)
    return np.clip(level[:, None] * _positive(noise, variation), 0.0, 1.0)


def peaks_within(
    shape: OnlineShape,
    cpu_cores: FloatArray,
    limit_cores: FloatArray,
    generator: np.random.Generator,
) -> FloatArray:
    """[R, T] the highest use within each interval, at most the limit [R]."""
    typical = shape.peak_over_mean.draw(generator, len(cpu_cores))[:, None] - 1
    spread = np.exp(shape.peak_spread * generator.standard_normal(cpu_cores.shape, np.float32))
    peaks: FloatArray = cpu_cores * (1 + typical * spread)
    return np.minimum(peaks, limit_cores[:, None], out=peaks)


def coloured_noise(
    generator: np.random.Generator,
    weights: FloatArray,
    time_constant_s: tuple[float, ...],
    *,
    time: Time,
    smooth_s: float = 0.0,
) -> FloatArray:
    """[R, T] Gaussian noise of unit variance that forgets at several tempos at once.

    Each row is a sum of first-order autoregressions, made in one step from its spectrum
    (`(1 - a^2) / |1 - a e^-iw|^2` with `a = exp(-interval / time constant)`); twice the length is
    made and half kept, as the method wraps around.

    Args:
        generator: the source of randomness.
        weights: [R, K] shares of the variance, each row summing to 1.
        time_constant_s: [K]; 0 forgets within one interval.
        time: the columns wanted.
        smooth_s: time constant of one more autoregression on top, which takes the edge off.
    """
    length = 2 * time.columns
    turn = 2 * np.pi * np.fft.rfftfreq(length)
    constants = np.maximum([*time_constant_s, smooth_s], 1e-9)
    keep = np.exp(-time.interval_s / constants)[:, None]
    spectrum = (1 - keep**2) / (1 - 2 * keep * np.cos(turn) + keep**2)  # [K + 1, F]
    spectrum = spectrum[:-1] * spectrum[-1]
    spectrum /= spectrum.mean(axis=1, keepdims=True)
    noise = np.empty((len(weights), time.columns))
    for first in range(0, len(weights), ROWS_AT_ONCE):
        some = slice(first, first + ROWS_AT_ONCE)
        white = np.fft.rfft(generator.standard_normal((len(weights[some]), length)), axis=1)
        white *= np.sqrt(weights[some] @ spectrum)
        noise[some] = np.fft.irfft(white, length, axis=1)[:, : time.columns]
    return noise


def _forgetting(
    generator: np.random.Generator, memoryless: FloatArray, tempo: Tempo, time: Time
) -> FloatArray:
    """[R, T] unit noise, a share of it [R] new each sample and the rest at the tempo's pace."""
    rest = (1 - memoryless[:, None]) * tempo.variance_share
    weights = np.hstack([memoryless[:, None], rest])
    return coloured_noise(generator, weights, (0.0, *tempo.time_constant_s), time=time)


def _steady(
    shape: OnlineShape, places: Places, generator: np.random.Generator, time: Time
) -> FloatArray:
    """[R, T] small use that cycles, wanders and bursts around each row's mean share."""
    _, first, of = np.unique(places.workload, return_index=True, return_inverse=True)
    workloads, small = len(first), places.cpu_request_cores[first] < 2
    spread = np.exp(shape.replica_spread * generator.standard_normal(len(of)))
    one_core = shape.one_core_use_share.draw(generator, workloads)
    level = np.where(small, one_core, shape.larger_use_share.draw(generator, workloads))
    # Steady by definition: the 90th percentile, near mean + 1.3 deviations, is below half.
    calm = np.maximum(0.1, (0.45 / level - 1) / 1.3)
    variation = np.minimum(shape.steady_variation.draw(generator, workloads), calm)
    level = level[of] * spread
    has_cycle = generator.random(workloads) < shape.daily_share
    cycle_share = np.where(
        has_cycle, generator.uniform(*shape.daily_variance_share, workloads), 0.0
    )
    cycle = _cycle(shape, variation * np.sqrt(cycle_share), has_cycle, generator, time)
    noise = _steady_noise(shape, of, workloads, generator, time)
    wander = _positive(noise, (variation * np.sqrt(1 - cycle_share))[of])
    bursts = _bursts(shape, level, generator, time)
    base = np.maximum(level - bursts.mean(axis=1), 0.2 * level)
    wander *= base[:, None]
    wander *= cycle[of]
    wander += bursts
    return wander


def _cycle(
    shape: OnlineShape,
    variation: FloatArray,
    has_cycle: BoolArray,
    generator: np.random.Generator,
    time: Time,
) -> FloatArray:
    """[W, T] each workload's day and week, mean 1.

    The day is `exp(k cos)`, the von Mises shape: k near 0 is a gentle wave, a large k one busy
    hour. k is looked up so that the day's coefficient of variation is the one asked for.
    """
    grid = np.linspace(0, 60, 1201)
    angle = 2 * np.pi * np.arange(288) / 288
    days = np.exp(grid[:, None] * (np.cos(angle) - 1))
    k = np.interp(variation, days.std(axis=1) / days.mean(axis=1), grid)[:, None]
    phase_s = shape.daily_peak_hour.draw(generator, len(variation)) * 3_600
    phase_s += generator.uniform(0, 3_600, len(variation))
    stamps_s = time.stamps_s()
    day = np.exp(k * (np.cos(2 * np.pi * (stamps_s - phase_s[:, None]) / DAY_S) - 1))
    weekend = shape.weekend_use_share.draw(generator, len(variation))
    weekend = np.where(has_cycle, weekend, 1.0)[:, None]
    cycle = day * np.where(stamps_s // DAY_S % 7 >= 5, weekend, 1.0)
    return np.asarray(cycle / cycle.mean(axis=1, keepdims=True), np.float64)


def _steady_noise(
    shape: OnlineShape, of: IntArray, workloads: int, generator: np.random.Generator, time: Time
) -> FloatArray:
    """[R, T] unit noise, in part common to a workload's replicas."""
    memoryless = shape.steady_memoryless_share.draw(generator, workloads)
    own = _forgetting(generator, memoryless[of], shape.steady_tempo, time)
    common = _forgetting(generator, memoryless, shape.steady_tempo, time)
    together = shape.replica_common_share
    own *= np.sqrt(1 - together)
    own += np.sqrt(together) * common[of]
    return own


def _bursts(
    shape: OnlineShape, level: FloatArray, generator: np.random.Generator, time: Time
) -> FloatArray:
    """[R, T] use added by bursts: at random moments, log-normal heights, geometric lengths."""
    rows, days = len(level), time.columns * time.interval_s / DAY_S
    height = shape.burst_height_share.draw(generator, rows)
    length = np.maximum(1.0, shape.burst_length_s.draw(generator, rows) / time.interval_s)
    rate = shape.burst_rate_per_day.draw(generator, rows)
    in_bursts = rate * length * height * time.interval_s / DAY_S
    rate *= np.minimum(1, 0.7 * level / in_bursts)  # bursts are part of the mean, not on top of it
    row = np.repeat(np.arange(rows), generator.poisson(rate * days))
    start = generator.integers(0, time.columns, len(row))
    end = np.minimum(time.columns, start + generator.geometric(1 / length[row]))
    spread = np.exp(shape.burst_height_spread * generator.standard_normal(len(row)))
    change = np.zeros((rows, time.columns + 1))
    np.add.at(change, (row, start), height[row] * spread)
    np.add.at(change, (row, end), -height[row] * spread)
    return np.clip(np.cumsum(change[:, :-1], axis=1), 0.0, 1.0)


def _intermittent(
    shape: OnlineShape, places: Places, generator: np.random.Generator, time: Time
) -> FloatArray:
    """[R, T] on and off: a hidden noise above a threshold, most of it the workload's.

    Thresholds are set per row so that the row is on for its drawn share of the whole trace.
    """
    workloads, of = _groups(places.workload)
    if not len(of):
        return np.empty((0, time.columns))
    hidden = _switching_noise(shape, of, generator, time)
    on_share = shape.intermittent_on_share.draw(generator, workloads)[of]
    columns_off = ((1 - on_share) * time.columns).astype(np.int64)[:, None]
    on = hidden >= np.take_along_axis(np.sort(hidden, axis=1), columns_off, axis=1)
    level_on = _held(shape.intermittent_on_level.draw(generator, on.size), on)
    level_off = _held(shape.intermittent_off_level.draw(generator, on.size), on)
    return np.where(on, level_on, level_off)


def _switching_noise(
    shape: OnlineShape, of: IntArray, generator: np.random.Generator, time: Time
) -> FloatArray:
    """[R, T] unit noise: a part is the whole fleet's, a part the workload's, the rest its own."""
    fleet, group = shape.intermittent_fleet_share, shape.intermittent_group_share
    hidden = np.zeros((len(of), time.columns))
    for share, row in ((fleet, 0 * of), (group, of), (1 - fleet - group, np.arange(len(of)))):
        noise = coloured_noise(
            generator,
            np.tile(shape.intermittent_tempo.variance_share, (row.max() + 1, 1)),
            shape.intermittent_tempo.time_constant_s,
            time=time,
            smooth_s=shape.intermittent_smooth_s,
        )
        hidden += np.sqrt(share) * noise[row]
    return hidden


def _held(levels: FloatArray, on: BoolArray) -> FloatArray:
    """[R, T] one of the levels for each run of on or off."""
    changes = np.diff(on, axis=1, prepend=~on[:, :1])
    run = np.cumsum(changes.ravel()) - 1
    return np.asarray(levels[run].reshape(on.shape), np.float64)


def _positive(noise: FloatArray, variation: FloatArray) -> FloatArray:
    """Log-normal factors [R, T] of mean 1 and the given coefficients of variation [R]."""
    log_variance = np.log1p(variation**2)[:, None]
    noise *= np.sqrt(log_variance)
    noise -= log_variance / 2
    return np.exp(noise, out=noise)


def _groups(workload: IntArray) -> tuple[int, IntArray]:
    """How many workloads occur, and which of them each row belongs to."""
    names, of = np.unique(workload, return_inverse=True)
    return len(names), of
