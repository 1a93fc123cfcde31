"""A shortlist saves time and changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scheduler.core.constraints import PeerTerm, Rules, Spread
from scheduler.core.labels import Need, PodGroup
from scheduler.core.plan import Plan, plan
from scheduler.core.shortlist import Fitting, Shortlists
from slacktide.messages import IntArray
from tests.scheduler.clusters import Gang
from tests.scheduler.test_neighbours import Site, ruled

SITES = [
    Site(cores=n % 5 + 2, zone="ab"[n % 2], host=f"h{n}", tainted=n % 7 == 0) for n in range(60)
]


def apart(job: str) -> Rules:
    group = PodGroup(("default",), (Need("job", "In", (job,)),))
    return Rules(labels=(("job", job),), apart=(PeerTerm("host", group),))


def spread(job: str) -> Rules:
    group = PodGroup(("default",), (Need("job", "In", (job,)),))
    return Rules(labels=(("job", job),), spreads=(Spread(PeerTerm("zone", group), 1, 1),))


def told(outcome: Plan) -> list[tuple[int, list[int], list[int]]]:
    return [(p.gang, p.nodes.tolist(), p.count.tolist()) for p in outcome.placements]


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.integers(0, 10**6))
def test_the_nodes_found_are_those_that_a_look_at_all_of_them_finds(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    random = np.random.default_rng(seed)
    gangs = [
        (
            Gang(f"g{g}", tasks=int(random.integers(1, 4)), cores=float(random.integers(1, 3))),
            apart(f"g{g}") if random.random() < 0.3 else Rules(),
        )
        for g in range(60)
    ]
    answers = []
    for size in (2, 10**6):
        monkeypatch.setattr("scheduler.core.shortlist.SHORT", size)
        answers.append(told(plan(ruled(SITES, gangs), now_s=0)))
    assert answers[0] == answers[1]
    assert answers[0]


@pytest.mark.parametrize("kept", [1, 64])
@pytest.mark.parametrize("seed", range(4))
def test_fits_kept_over_all_nodes_are_those_of_a_fresh_look(
    monkeypatch: pytest.MonkeyPatch, seed: int, kept: int
) -> None:
    random = np.random.default_rng(seed)
    gangs = [
        (
            Gang(f"g{g}", tasks=int(random.integers(1, 5)), cores=float(random.integers(1, 3))),
            spread(f"g{g}") if random.random() < 0.6 else Rules(),
        )
        for g in range(60)
    ]
    monkeypatch.setattr("scheduler.core.shortlist.MOST_EVERYWHERE", kept)
    answer = told(plan(ruled(SITES, gangs), now_s=0))
    monkeypatch.setattr(Shortlists, "everywhere", fresh)
    assert answer == told(plan(ruled(SITES, gangs), now_s=0))
    assert any(len(nodes) > 1 for _, nodes, _ in answer)


def fresh(_: Shortlists, _kind: int, fitting: Fitting) -> IntArray:
    return fitting(None)
