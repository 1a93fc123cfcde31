"""Each circumstance changes what it must and says so; what is unknown changes nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from predictor.core.circumstances import DAY_S, UNKNOWN, Circumstances
from predictor.core.mindful import STEPS, Floor, MindfulSettings, mindful
from predictor.core.recommend import MIB
from slacktide.messages import Recommendation

GIB = 1 << 30
NOW_S = 20 * DAY_S
LAW = Recommendation(
    workload="cart",
    namespace="shop",
    kind="Deployment",
    container="app",
    at_s=NOW_S,
    replicas=3,
    cpu_request_cores=2.0,
    recommended_cpu_request_cores=0.5,
    cpu_lower_cores=0.2,
    cpu_upper_cores=1.0,
    memory_request_bytes=4 * GIB,
    recommended_memory_request_bytes=GIB,
    memory_lower_bytes=GIB // 2,
    memory_upper_bytes=2 * GIB,
    confidence=1.0,
    reason="CPU 0.500 cores: the law",
    cluster="here",
)
SEEN = Circumstances(cluster="here")


def minded(
    known: Circumstances, law: Recommendation = LAW, settings: MindfulSettings | None = None
) -> Recommendation:
    return mindful(law, known, settings or MindfulSettings())


def test_where_nothing_is_known_nothing_changes() -> None:
    assert minded(UNKNOWN) == LAW
    assert minded(SEEN) == LAW


@pytest.mark.parametrize(
    ("declared", "highest", "cores", "said"),
    [
        (2.0, 0.9, 1.5, "stands at its least replicas"),  # 0.9 / 0.6
        (2.0, 1.5, 2.0, "so it is held"),  # it scales already
        (0.3, 0.9, 0.3, "so it is held"),  # growing would take replicas away
    ],
)
def test_an_autoscaler_is_not_fought(
    declared: float, highest: float, cores: float, said: str
) -> None:
    known = replace(SEEN, hpa_cpu_target_share=0.6, cpu_highest_cores=highest)
    made = minded(known, replace(LAW, cpu_request_cores=declared))
    assert made.recommended_cpu_request_cores == pytest.approx(cores)
    assert said in made.reason
    free = minded(known, settings=MindfulSettings(allow_hpa=True))
    assert free == LAW


def test_memory_under_an_autoscaler_is_held_while_its_limit_may_rise() -> None:
    known = replace(SEEN, hpa_memory_target_share=0.8, memory_highest_bytes=3.9 * GIB)
    made = minded(known, replace(LAW, recommended_memory_request_bytes=5 * GIB))
    assert made.recommended_memory_request_bytes == 4 * GIB
    assert made.recommended_memory_limit_bytes == 5 * GIB
    assert made.recommended_cpu_request_cores == 0.5


@pytest.mark.parametrize(
    ("heap_gib", "held_gib", "mib", "oversized"),
    [
        (2.0, 1.5, 2048 + 205, False),  # a tenth of the heap beside it
        (2.0, 2.5, 2048 + 512, False),  # measured beside it
        (0.5, 0.4, 1024, False),  # the law's is more
        (4.0, 1.0, 4096 + 410, True),
    ],
)
def test_a_jvm_gets_its_heap_and_what_lies_beside_it(
    heap_gib: float, held_gib: float, mib: int, oversized: bool
) -> None:
    known = replace(SEEN, jvm_heap_bytes=heap_gib * GIB, memory_highest_bytes=held_gib * GIB)
    made = minded(known)
    assert made.recommended_memory_request_bytes == mib * MIB
    assert ("lower -Xmx first" in made.reason) is oversized


@pytest.mark.parametrize(
    ("share", "demand", "cores", "said"),
    [(0.4, 0.8333, 0.834, True), (0.04, 0.9, 0.5, False), (0.4, 0.3, 0.5, True)],
)
def test_throttling_raises_to_the_demand_it_hides(
    share: float, demand: float, cores: float, said: bool
) -> None:
    known = replace(SEEN, cpu_throttled_share=share, cpu_demand_cores=demand, cpu_limit_cores=0.5)
    made = minded(known)
    assert made.recommended_cpu_request_cores == pytest.approx(cores)
    assert ("use hides demand" in made.reason) is said


@pytest.mark.parametrize(
    ("limit_mib", "age_days", "mib"),
    [
        (2048, 0, 2458),  # x 1.2
        (1024, 0, 1229),
        (300, 0, 1024),  # the law's is more
        (2048, 7, 1741),  # half of what is above the law's 1024
        (2048, 14, 1383),
    ],
)
def test_a_kill_raises_memory_and_is_forgiven_with_time(
    limit_mib: int, age_days: int, mib: int
) -> None:
    known = replace(
        SEEN,
        oom_kills=1.0,
        oom_bytes=float(limit_mib * MIB),
        oom_last_s=float(NOW_S - age_days * DAY_S),
    )
    made = minded(known)
    assert made.recommended_memory_request_bytes == mib * MIB
    assert "OOM-killed once" in made.reason


def test_a_kill_gives_a_number_where_the_law_has_none_and_a_small_limit_grows_by_100_mib() -> None:
    young = replace(
        LAW,
        recommended_memory_request_bytes=None,
        memory_lower_bytes=None,
        memory_upper_bytes=None,
    )
    known = replace(SEEN, oom_kills=3.0, oom_bytes=64.0 * MIB, oom_last_s=float(NOW_S))
    made = minded(known, young)
    assert made.recommended_memory_request_bytes == 164 * MIB
    assert "3 times" in made.reason


def test_a_cpu_peak_at_the_start_borrows_and_a_memory_peak_counts() -> None:
    known = replace(
        SEEN,
        cpu_start_cores=2.0,
        cpu_settled_cores=0.3,
        memory_start_bytes=1.5 * GIB,
        memory_settled_bytes=0.5 * GIB,
    )
    made = minded(known)
    assert made.recommended_cpu_request_cores == pytest.approx(0.3)
    assert made.recommended_memory_request_bytes == 1536 * MIB
    assert "the start borrows" in made.reason
    assert "cannot be borrowed" in made.reason
    assert minded(replace(SEEN, cpu_start_cores=2.0, cpu_settled_cores=0.6)) == LAW


@pytest.mark.parametrize(
    ("hours", "cores"),
    [
        ((0, 0, 0, 0, 3, 24, 20), 2.0),  # three hours of Friday are no week
        ((14, 0, 0, 0, 0, 24, 24), 0.5),
    ],
)
def test_nothing_shrinks_on_a_weekends_quiet(hours: tuple[int, ...], cores: float) -> None:
    known = replace(SEEN, weekday_hours=tuple(float(n) for n in hours))
    made = minded(known)
    assert made.recommended_cpu_request_cores == cores
    grown = minded(known, replace(LAW, cpu_request_cores=0.1, memory_request_bytes=MIB))
    assert grown.recommended_cpu_request_cores == 0.5  # growing is never held


@pytest.mark.parametrize(
    ("container", "floors", "cores", "mib"),
    [
        ("app", {}, 0.001, 40),
        ("istio-proxy", {}, 0.01, 64),
        ("istio-proxy", {"istio-proxy": Floor(0.05, 96.0 * MIB)}, 0.05, 96),
        ("app", {"app": Floor(memory_bytes=128.0 * MIB)}, 0.001, 128),
    ],
)
def test_sidecars_and_named_containers_have_floors_of_their_own(
    container: str, floors: dict[str, Floor], cores: float, mib: int
) -> None:
    law = replace(
        LAW,
        container=container,
        recommended_cpu_request_cores=0.001,
        recommended_memory_request_bytes=40 * MIB,
    )
    made = minded(SEEN, law, MindfulSettings(floors=floors))
    assert made.recommended_cpu_request_cores == cores
    assert made.recommended_memory_request_bytes == mib * MIB


def test_no_request_is_larger_than_the_largest_node_has() -> None:
    known = replace(SEEN, node_cpu_cores=0.25, node_memory_bytes=700.5 * MIB)
    made = minded(known)
    assert (made.recommended_cpu_request_cores, made.cpu_upper_cores) == (0.25, 0.25)
    assert made.recommended_memory_request_bytes == made.memory_upper_bytes == 700 * MIB
    assert made.reason.count("the largest node has") == 2


def test_a_limit_ratio_raises_the_limit_alone() -> None:
    made = minded(SEEN, settings=MindfulSettings(limit_ratio=1.5))
    assert made.recommended_memory_request_bytes == GIB
    assert made.recommended_memory_limit_bytes == 1536 * MIB


def test_holes_and_silence_cost_confidence_and_are_told_in_words() -> None:
    known = replace(SEEN, coverage_share=0.8, last_sample_s=float(NOW_S - 7_200), runs=3)
    made = minded(known)
    assert made.confidence == pytest.approx(0.4)
    assert "confidence 0.40, low: 3 pods, 80 % of the hours between" in made.reason


OPTIONAL = st.one_of(st.none(), st.floats(0.001, 64))
SIZES = st.one_of(st.none(), st.floats(1e6, 1e11))


@given(
    st.builds(
        Circumstances,
        cluster=st.just("here"),
        hpa_cpu_target_share=st.one_of(st.none(), st.floats(0.1, 2)),
        hpa_memory_target_share=st.one_of(st.none(), st.floats(0.1, 2)),
        jvm_heap_bytes=SIZES,
        cpu_throttled_share=st.one_of(st.none(), st.floats(0, 1)),
        cpu_demand_cores=OPTIONAL,
        cpu_highest_cores=OPTIONAL,
        cpu_start_cores=OPTIONAL,
        cpu_settled_cores=OPTIONAL,
        memory_highest_bytes=SIZES,
        memory_start_bytes=SIZES,
        memory_settled_bytes=SIZES,
        oom_kills=st.one_of(st.none(), st.just(2.0)),
        oom_last_s=st.floats(0, NOW_S),
        oom_bytes=SIZES,
        node_cpu_cores=st.one_of(st.none(), st.floats(1, 64)),
        node_memory_bytes=st.one_of(st.none(), st.floats(1e8, 1e11)),
        weekday_hours=st.one_of(st.none(), st.just((0.0,) * 5 + (24.0, 24.0))),
    )
)
def test_bounds_hold_the_request_and_the_limit_is_never_below_it(known: Circumstances) -> None:
    made = minded(known)
    cores, size = made.recommended_cpu_request_cores, made.recommended_memory_request_bytes
    assert cores is not None
    assert size is not None
    assert (made.cpu_lower_cores or 0) <= cores <= (made.cpu_upper_cores or 0)
    assert (made.memory_lower_bytes or 0) <= size <= (made.memory_upper_bytes or 0)
    assert size <= (made.recommended_memory_limit_bytes or size)
    assert len(made.reason.split("; ")) - 1 <= 2 * len(STEPS)
    if made != LAW:
        assert made.reason.startswith(LAW.reason + "; ")
