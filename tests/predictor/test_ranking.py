"""What comes first, what it frees, and KRR's severity and score."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.ranking import (
    BYTES_PER_CORE,
    Declared,
    Finding,
    Severity,
    Side,
    bytes_per_core,
    declared_by_container,
    finding,
    letter,
    ranked,
    score,
)
from predictor.core.use import containers_of
from slacktide.messages import Recommendation
from tests.predictor.sized import DAY_S, GIB, MIB, NAN, Pod, trace_of

ADVICE = Recommendation(
    workload="cart",
    namespace="shop",
    kind="Deployment",
    container="app",
    at_s=0,
    replicas=3,
    cpu_request_cores=2.0,
    recommended_cpu_request_cores=0.5,
    cpu_lower_cores=0.4,
    cpu_upper_cores=1.0,
    memory_request_bytes=4 * GIB,
    recommended_memory_request_bytes=GIB,
    memory_lower_bytes=GIB // 2,
    memory_upper_bytes=2 * GIB,
    confidence=1.0,
    reason="because",
)
NO_LIMITS = Declared(("cart-0",), ("here",), None, None)


def held(
    cores: tuple[float | None, float | None],
    sizes: tuple[int | None, int | None] = (GIB, GIB),
    *,
    workload: str = "cart",
    replicas: int = 1,
) -> Finding:
    advice = replace(
        ADVICE,
        workload=workload,
        replicas=replicas,
        cpu_request_cores=cores[0],
        recommended_cpu_request_cores=cores[1],
        memory_request_bytes=sizes[0],
        recommended_memory_request_bytes=sizes[1],
    )
    return finding(advice, replace(NO_LIMITS, memory_limit_bytes=sizes[0]))


@pytest.mark.parametrize(
    ("declared", "recommended", "severity"),
    [
        (1.0, 0.5, Severity.CRITICAL),
        (0.5, 1.0, Severity.CRITICAL),
        (1.0, 0.7, Severity.WARNING),
        (1.0, 0.85, Severity.OK),
        (1.0, 0.95, Severity.GOOD),
        (None, 0.1, Severity.WARNING),
        (1.0, None, Severity.UNKNOWN),
    ],
)
def test_cores_are_judged_by_krrs_steps(
    declared: float | None, recommended: float | None, severity: Severity
) -> None:
    assert held((declared, recommended)).cpu_request.severity is severity


@pytest.mark.parametrize(
    ("apart_mib", "severity"),
    [
        (500, Severity.CRITICAL),
        (250, Severity.WARNING),
        (100, Severity.OK),
        (99, Severity.GOOD),
    ],
)
def test_memory_is_judged_by_krrs_steps(apart_mib: int, severity: Severity) -> None:
    found = held((0.1, 0.1), (GIB, GIB - apart_mib * MIB))
    assert found.memory_request.severity is severity
    assert found.severity is severity


def test_a_container_is_as_bad_as_its_worst_change_and_a_cpu_limit_is_a_warning() -> None:
    limited = finding(
        replace(ADVICE, cpu_request_cores=0.5, memory_request_bytes=GIB),
        Declared(("cart-0",), ("here",), 2.0, GIB),
    )
    assert limited.cpu_limit.recommended is None
    assert limited.cpu_limit.severity is Severity.WARNING
    assert limited.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("cores", "sizes", "side"),
    [
        ((2.0, 0.5), (GIB, GIB), Side.OVER),
        ((0.5, 2.0), (GIB, GIB), Side.UNDER),
        ((8.0, 0.5), (GIB, 2 * GIB), Side.UNDER),
        ((1.0, 0.95), (GIB, GIB), Side.FITS),
        ((None, 0.2), (GIB, GIB), Side.UNDER),
        ((1.0, None), (GIB, None), Side.UNKNOWN),
        ((1.0, 0.2), (GIB, None), Side.OVER),
    ],
)
def test_a_lack_of_one_resource_is_never_hidden_by_a_saving_of_the_other(
    cores: tuple[float | None, float | None], sizes: tuple[int | None, int | None], side: Side
) -> None:
    assert held(cores, sizes).side is side


def test_many_small_savings_come_before_one_large_and_needs_before_both() -> None:
    large = held((8.0, 4.0), workload="large")
    many = held((1.0, 0.5), workload="many", replicas=20)
    lacking = held((1.0, 1.5), workload="lacking")
    unknown = held((64.0, None), (GIB, None), workload="unknown")
    order = ranked([unknown, large, lacking, many], float(4 * GIB))
    assert [found.advice.workload for found in order] == ["lacking", "many", "large", "unknown"]
    assert many.freed_cores == 10.0


def test_memory_weighs_by_the_fleets_own_bytes_a_core() -> None:
    cores = held((3.0, 1.0), workload="cores")
    memory = held((1.0, 1.0), (8 * GIB, 2 * GIB), workload="memory")
    for per_core, first in ((float(2 * GIB), "memory"), (float(8 * GIB), "cores")):
        assert ranked([cores, memory], per_core)[0].advice.workload == first
    assert bytes_per_core(np.array([8.0, 8.0]), np.array([16.0 * GIB, NAN])) == 2 * GIB
    assert bytes_per_core(np.array([8.0]), np.array([NAN])) == BYTES_PER_CORE


def test_the_score_is_krrs() -> None:
    critical, warning, good = held((2.0, 0.5)), held((1.0, 0.7)), held((1.0, 1.0))
    assert score([]) == 0
    assert score([good]) == 100
    assert score([critical]) == 0
    assert score([critical, warning, good, good]) == int((4 - 1.7) / 4 * 100)
    assert [letter(points) for points in (90, 89, 70, 55, 30, 29)] == list("ABBCDF")


@given(st.lists(st.tuples(st.floats(0.01, 64), st.one_of(st.none(), st.floats(0.01, 64)))))
def test_ranking_keeps_every_row_and_sorts_savings(
    pairs: list[tuple[float, float | None]],
) -> None:
    found = [held(pair, workload=str(n)) for n, pair in enumerate(pairs)]
    order = ranked(found, BYTES_PER_CORE)
    assert sorted(map(id, order)) == sorted(map(id, found))
    over = [one.freed_cores for one in order if one.side is Side.OVER]
    assert over == sorted(over, reverse=True)
    assert 0 <= score(found) <= 100


def test_limits_are_those_of_what_runs_and_none_where_a_replica_has_none() -> None:
    trace = trace_of(
        [
            Pod("cart", 0.1),
            Pod("cart", 0.1, cpu_limit_cores=NAN),
            Pod("late", 0.1, start_day=9),
        ]
    )
    declared = declared_by_container(trace, containers_of(trace), 5 * DAY_S)
    assert list(declared) == [("shop", "cart", "Deployment", "app", "here")]
    [cart] = declared.values()
    assert cart == Declared(("pod-0", "pod-1"), ("here",), None, 4.0 * GIB)
