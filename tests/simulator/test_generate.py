"""The generated fleet is sound in form, and the same for the same seed."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.core.generate import DAY_S, builtin_sample, generate_trace
from simulator.core.generate_jobs import generate_jobs
from simulator.core.generate_shape import Choice, JobShape, OnlineShape, Quantiles
from simulator.core.generate_statistics import autocorrelation
from simulator.core.generate_usage import Time, coloured_noise
from slacktide.trace import (
    NEVER,
    Jobs,
    Trace,
    read_jobs,
    read_trace,
    write_jobs,
    write_trace,
)

Sample = tuple[Trace, Jobs]


@pytest.fixture(scope="module")
def sample() -> Sample:
    """The built-in sample, made once."""
    return builtin_sample()


def small(seed: int, **changes: float) -> Trace:
    """One cluster of four nodes over three days."""
    shape = replace(OnlineShape(), **changes)  # type: ignore[arg-type]  # only numbers are changed here
    return generate_trace(shape, seed=seed, nodes_per_cluster=4, days=3)


class TestBuiltinSample:
    def test_it_is_three_clusters_of_twenty_nodes_over_21_days(self, sample: Sample) -> None:
        trace, _ = sample
        assert trace.usage.cpu_cores.shape[1] == 21 * 288
        assert len(trace.nodes.node) == 60
        assert len(set(trace.nodes.cluster)) == 3
        assert sorted(set(trace.nodes.cpu_cores)) == [32, 64]
        assert all(
            n.startswith(c) for n, c in zip(trace.nodes.node, trace.nodes.cluster, strict=True)
        )

    def test_requests_fill_every_node_while_use_is_low(self, sample: Sample) -> None:
        trace, _ = sample
        there = trace.pods.start_s == 0
        asked = np.bincount(trace.pods.node[there], trace.pods.cpu_request_cores[there], 60)
        share = asked / trace.nodes.cpu_cores
        assert share.mean() > 0.9
        assert share.min() > 0.65
        used = np.nansum(trace.usage.cpu_cores, axis=0) / trace.nodes.cpu_cores.sum()
        assert 0.08 < used.mean() < 0.13

    def test_every_file_of_it_passes_the_door(self, sample: Sample, tmp_path: Path) -> None:
        trace, jobs = sample
        write_trace(trace, tmp_path)
        write_jobs(jobs, tmp_path)
        assert read_trace(tmp_path).pods.pod == trace.pods.pod
        assert read_jobs(tmp_path).job == jobs.job

    def test_deployments_are_created_anew_and_keep_their_workload(self, sample: Sample) -> None:
        trace, _ = sample
        pods = trace.pods
        ended = {pods.workload[i] for i in np.flatnonzero(pods.end_s < NEVER)}
        begun = {pods.workload[i] for i in np.flatnonzero(pods.start_s > 0)}
        assert len(ended & begun) >= 3
        kinds = {
            kind for w, kind in zip(pods.workload, pods.kind, strict=True) if w in ended & begun
        }
        assert "Deployment" in kinds

    def test_most_workloads_have_replicas(self, sample: Sample) -> None:
        trace, _ = sample
        _, replicas = np.unique(trace.pods.workload, return_counts=True)
        assert (replicas > 1).mean() > 0.5

    def test_a_few_samples_are_missing(self, sample: Sample) -> None:
        trace, _ = sample
        column = np.arange(trace.usage.cpu_cores.shape[1]) * trace.interval_s
        lives = (column >= trace.pods.start_s[:, None]) & (column < trace.pods.end_s[:, None])
        missing = np.isnan(trace.usage.cpu_cores)
        assert missing[~lives].all()
        assert 0.001 < missing[lives].mean() < 0.02

    def test_jobs_would_take_seventy_percent_of_the_nodes_from_day_13_on(
        self, sample: Sample
    ) -> None:
        trace, jobs = sample
        assert jobs.submit_s.min() >= 13 * DAY_S
        assert jobs.submit_s.max() < 21 * DAY_S
        asked = (jobs.tasks * jobs.cpu_cores * jobs.duration_s).sum()
        assert asked / (trace.nodes.cpu_cores.sum() * 8 * DAY_S) == pytest.approx(0.7, abs=0.01)

    def test_jobs_are_gangs_of_many_sizes_some_elastic_in_several_queues(
        self, sample: Sample
    ) -> None:
        _, jobs = sample
        assert 0.4 < (jobs.tasks == 1).mean() < 0.7
        assert (jobs.tasks * jobs.cpu_cores > 100).sum() >= 5
        assert (jobs.tasks * jobs.cpu_cores).max() <= 300
        assert 0.05 < (jobs.min_available < jobs.tasks).mean() < 0.3
        assert len(set(jobs.queue)) == 6
        assert jobs.duration_s.min() >= 300
        assert jobs.duration_s.max() <= 2 * DAY_S


def test_the_same_seed_makes_the_same_trace_and_another_a_different_one() -> None:
    first, again, other = small(7), small(7), small(8)
    for part in fields(first.usage):
        one, two = getattr(first.usage, part.name), getattr(again.usage, part.name)
        assert np.array_equal(one, two, equal_nan=part.name.endswith(("cores", "bytes")))
    assert first.pods.pod == again.pods.pod
    assert first.pods.pod != other.pods.pod


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    nodes=st.integers(1, 6),
    days=st.integers(1, 3),
    deploys=st.floats(0, 3),
    late=st.floats(0, 0.5),
)
def test_any_fleet_keeps_within_its_nodes_requests_and_lives(
    *, seed: int, nodes: int, days: int, deploys: float, late: float
) -> None:
    shape = replace(OnlineShape(), deploys_per_day=deploys, late_or_early_share=late)
    clusters = ("east", "west")
    trace = generate_trace(shape, seed=seed, clusters=clusters, nodes_per_cluster=nodes, days=days)
    pods, usage = trace.pods, trace.usage
    assert len(set(pods.pod)) == len(pods.pod)
    assert (pods.end_s > pods.start_s).all()
    changes_s = np.unique(pods.start_s)
    for now_s in changes_s[:: max(1, len(changes_s) // 5)]:
        alive = (pods.start_s <= now_s) & (now_s < pods.end_s)
        for asked, there in (
            (pods.cpu_request_cores, trace.nodes.cpu_cores),
            (pods.memory_request_bytes, trace.nodes.memory_bytes),
        ):
            on_node = np.bincount(pods.node[alive], asked[alive], len(there))
            assert (on_node <= there).all()
    assert usage.cpu_max_cores is not None
    assert usage.memory_bytes is not None
    told = ~np.isnan(usage.cpu_cores)
    request = np.broadcast_to(pods.cpu_request_cores[:, None], told.shape)[told]
    assert (usage.cpu_cores[told] >= 0).all()
    assert (usage.cpu_cores[told] <= request + 0.001).all()
    assert (usage.cpu_max_cores[told] >= usage.cpu_cores[told]).all()
    assert (usage.cpu_max_cores[told] <= 2 * request + 0.001).all()
    assert (usage.memory_bytes[told] >= 0).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), from_day=st.integers(0, 5), days=st.integers(1, 4))
def test_any_jobs_are_whole_and_in_order(seed: int, from_day: int, days: int) -> None:
    until_s = (from_day + days) * DAY_S
    jobs = generate_jobs(
        JobShape(), seed=seed, node_cores=300, from_s=from_day * DAY_S, until_s=until_s
    )
    assert len(set(jobs.job)) == len(jobs.job)
    assert (np.diff(jobs.submit_s) >= 0).all()
    assert jobs.submit_s[0] >= from_day * DAY_S
    assert jobs.submit_s[-1] < until_s
    assert (jobs.min_available >= 1).all()
    assert (jobs.min_available <= jobs.tasks).all()
    assert (jobs.duration_s > 0).all()
    assert (jobs.cpu_cores * jobs.tasks <= 300).all()


@given(seed=st.integers(0, 2**32))
def test_draws_stay_between_the_measured_ends(seed: int) -> None:
    generator = np.random.default_rng(seed)
    drawn = Quantiles((0, 0.5, 1), (0.1, 1, 7)).draw(generator, 100)
    assert drawn.min() >= 0.1 - 1e-9
    assert drawn.max() <= 7 + 1e-9
    assert set(Choice((1, 4), (3, 1)).draw(generator, 100)) <= {1.0, 4.0}


def test_draws_have_the_measured_quantiles() -> None:
    measured = Quantiles((0, 0.25, 0.5, 0.75, 1), (0.1, 0.2, 1, 3, 7))
    drawn = measured.draw(np.random.default_rng(1), 100_000)
    assert np.quantile(drawn, (0.25, 0.5, 0.75)) == pytest.approx((0.2, 1, 3), rel=0.05)


def test_noise_has_unit_variance_and_forgets_at_its_time_constant() -> None:
    noise = coloured_noise(
        np.random.default_rng(1), np.ones((300, 1)), (3_600.0,), time=Time(2016, 300)
    )
    assert noise.var() == pytest.approx(1, abs=0.05)
    after_an_hour = np.mean(noise[:, :-12] * noise[:, 12:])
    assert after_an_hour == pytest.approx(np.exp(-1), abs=0.03)


def test_gaps_and_deployments_can_be_turned_off() -> None:
    trace = small(1, deploys_per_day=0, late_or_early_share=0, gap_rate_per_day=0, outage_s=0)
    assert not np.isnan(trace.usage.cpu_cores).any()
    assert (trace.pods.end_s == NEVER).all()


@pytest.mark.parametrize(
    ("series", "lag", "expected"),
    [
        ([1, 2, 1, 2, 1, 2, 1], 1, -1.0),
        ([1, 2, 1, 2, 1, 2, 1], 2, 1.0),
        ([3, 3, 3, 3], 1, 0.0),
        ([1, np.nan, 2, np.nan], 1, 0.0),
        ([1, 2, np.nan, 1, 2, 4, 2], 3, 0.5),
    ],
)
def test_autocorrelation_leaves_out_what_is_missing(
    series: list[float], lag: int, expected: float
) -> None:
    assert autocorrelation(np.array([series], np.float64), lag)[0] == pytest.approx(expected)
