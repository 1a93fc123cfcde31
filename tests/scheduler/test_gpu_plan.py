"""Gangs that share GPUs are planned whole, where the GPUs stay most usable, or told what lacks."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.app.notices import WAITS
from scheduler.core.explain import Blocked
from scheduler.core.gang_facts import HELPS
from scheduler.core.gpu import GpuAsk, GpuHolds, gpu_ask
from scheduler.core.plan import Plan, plan
from scheduler.core.repack import repack
from scheduler.core.snapshot import Snapshot
from tests.scheduler.clusters import HOUR_S, Bundle, Gang, Node, World, whole
from tests.scheduler.gpu_worlds import GIB, USUAL, Sells, roomy, with_gpus

HALF, ONE, TWO, FOUR = (gpu_ask(milli) for milli in (500, 1_000, 2_000, 4_000))


def planned(world: World, sells: list[Sells], wanted: dict[str, GpuAsk]) -> Plan:
    return plan(with_gpus(world, sells, wanted, USUAL), now_s=0)


def given_devices(outcome: Plan) -> list[tuple[int, tuple[int, ...]]]:
    return [
        (node, devices)
        for placement in outcome.placements
        for node, devices in zip(
            np.repeat(placement.nodes, placement.count).tolist(), placement.devices, strict=True
        )
    ]


def test_a_gang_gets_devices_for_all_its_tasks_or_none() -> None:
    sells = [Sells(0, (1_000, 1_000)), Sells(1, (1_000,))]
    small, large = Gang("small", tasks=3), Gang("large", tasks=4)
    outcome = planned(roomy(3, small), sells, {"small": ONE})
    assert sorted(given_devices(outcome)) == [(0, (0,)), (0, (1,)), (1, (0,))]
    assert not planned(roomy(3, large), sells, {"large": ONE}).placements


def test_a_share_leaves_whole_devices_whole() -> None:
    outcome = planned(
        roomy(2, Gang("g")), [Sells(0, (1_000,) * 4), Sells(1, (1_000, 600))], {"g": HALF}
    )
    assert given_devices(outcome) == [(1, (1,))]


def test_a_task_without_gpus_rather_goes_where_it_strands_none() -> None:
    nodes = [Node("gpu", cores=(1.0,)), Node("plain", cores=(4.0,))]
    outcome = planned(World(nodes, pending=[Gang("g")]), [Sells(0, (1_000,))], {})
    assert outcome.placements[0].nodes.tolist() == [1]
    assert outcome.placements[0].devices == ()


@pytest.mark.parametrize(
    ("ask", "tasks", "sells", "said"),
    [
        (
            gpu_ask(4_000, models=("V100",)),
            1,
            [Sells(0, (1_000, 1_000, 1_000, 500))],
            "it needs 4 whole GPUs of model V100 on one node; the freest has 3",
        ),
        (FOUR, 1, [Sells(0, (1_000,) * 2)], "4 whole GPUs on one node; the largest has 2"),
        (HALF, 1, [Sells(0, (499, 300))], "500 milli of one GPU on one node; the freest has 499"),
        (gpu_ask(1, models=("A100",)), 1, [Sells(0, (9,))], "no node sells GPUs of model A100"),
        (ONE, 1, [], "no node sells GPUs"),
        (ONE, 3, [Sells(0, (1_000, 1_000, 9))], "for each of 3 tasks; there are enough left for 2"),
        (ONE, 3, [Sells(0, (1_000, 1_000))], "for each of 3 tasks; there are enough for 2"),
        (
            gpu_ask(500, memory_bytes=9 * GIB),
            1,
            [Sells(0, (500,))],
            "the freest has 500 milli left on one device and another 8 GiB",
        ),
    ],
)
def test_what_lacks_is_said(ask: GpuAsk, tasks: int, sells: list[Sells], said: str) -> None:
    outcome = planned(roomy(1, Gang("g", tasks=tasks)), sells, {"g": ask})
    assert outcome.blocked(0) is Blocked.GPUS
    assert said in outcome.reason(0)


def test_gpus_and_cores_on_different_nodes_are_no_place() -> None:
    nodes = [Node("gpu", cores=(1.0,)), Node("cores", cores=(8.0,))]
    world = World(nodes, pending=[Gang("g", cores=4.0)])
    outcome = planned(world, [Sells(0, (1_000,))], {"g": ONE})
    assert outcome.blocked(0) is Blocked.GPUS
    assert "1 tasks would find GPUs, but not on nodes with the cores" in outcome.reason(0)


def test_a_placed_gang_says_its_gpus() -> None:
    outcome = planned(roomy(1, Gang("g")), [Sells(0, (1_000,))], {"g": HALF})
    assert "1 GiB with 500 milli of one GPU for 1 h" in outcome.reason(0)


def test_a_gang_whose_gpus_run_out_waits_for_those_that_end() -> None:
    running = Bundle(Gang("old"), node=0, count=1, end_s=HOUR_S)
    world = replace(roomy(1, Gang("big", submit_s=-9 * HOUR_S)), running=[running])
    world.pending.append(Gang("small", submit_s=-HOUR_S, for_s=9 * HOUR_S))
    snapshot = with_gpus(world, [Sells(0, (0, 1_000))], {"big": TWO, "small": HALF})
    holds = GpuHolds(whole([0]), whole([0]), whole([1_000]), whole([16 * GIB]))
    snapshot = replace(snapshot, running=replace(snapshot.running, gpus=holds))
    outcome = plan(snapshot, now_s=0)
    assert outcome.reservation is not None
    assert outcome.reservation.start_s == HOUR_S
    assert outcome.blocked(0) is Blocked.HOLDS_RESERVATION
    assert outcome.blocked(1) is Blocked.BEHIND_RESERVATION


def test_without_gpus_the_plan_is_the_same_whether_nodes_have_columns_for_them() -> None:
    world = roomy(3, Gang("a", tasks=2), Gang("b", tasks=3))
    plain = plan(world.snapshot(), now_s=0)
    beside = plan(with_gpus(world, [], {}), now_s=0)
    assert [p.nodes.tolist() for p in plain.placements] == [
        p.nodes.tolist() for p in beside.placements
    ]


WORLDS = st.tuples(
    st.lists(
        st.lists(st.sampled_from([0, 250, 500, 1_000]), min_size=1, max_size=4).map(tuple),
        min_size=1,
        max_size=3,
    ),
    st.lists(
        st.tuples(
            st.integers(1, 4),
            st.integers(1, 4),
            st.sampled_from([None, gpu_ask(250), gpu_ask(750), ONE, TWO]),
            st.booleans(),
        ),
        min_size=1,
        max_size=5,
    ),
)


@settings(deadline=None)  # the solver of `repack` loads its library in the first example
@given(WORLDS)
def test_gangs_are_whole_and_every_device_is_given_within_what_it_has(
    given_: tuple[list[tuple[int, ...]], list[tuple[int, int, GpuAsk | None, bool]]],
) -> None:
    devices, gangs = given_
    world = roomy(
        len(devices),
        *[
            Gang(f"g{k}", tasks=max(tasks, least), least=least)
            for k, (tasks, least, _, _) in enumerate(gangs)
        ],
    )
    sells = [Sells(node, milli) for node, milli in enumerate(devices)]
    wanted = {f"g{k}": ask for k, (_, _, ask, _) in enumerate(gangs) if ask is not None}
    snapshot = with_roles(with_gpus(world, sells, wanted, USUAL), [one[3] for one in gangs])
    outcome = repack(plan(snapshot, now_s=0))
    taken: Counter[tuple[int, int]] = Counter()
    placed = {placement.gang: placement for placement in outcome.placements}
    assert len(placed) == len(outcome.placements)
    for row, placement in placed.items():
        least, most = snapshot.gangs.min_available[row], snapshot.gangs.tasks[row]
        assert least <= placement.tasks <= most
        ask = gangs[row][2]
        assert len(placement.devices) == (placement.tasks if ask else 0)
        for node, one in given_devices(replace(outcome, placements=(placement,))) if ask else []:
            assert ask is not None
            assert len(set(one)) == ask.devices
            taken.update({(node, device): ask.share_milli for device in one})
    assert all(many <= devices[node][device] for (node, device), many in taken.items())
    leads = snapshot.gangs.leads
    assert all((leads[row] in placed) == (row in placed) for row in range(len(gangs)))


def with_roles(snapshot: Snapshot, joined: list[bool]) -> Snapshot:
    """Some rows become roles of the gang before."""
    lead = list(range(len(joined)))
    for row, joins in enumerate(joined):
        lead[row] = lead[row - 1] if joins and row else row
    return replace(snapshot, gangs=replace(snapshot.gangs, lead=whole(lead)))


def test_every_cause_has_an_event_and_a_word_of_what_would_help() -> None:
    assert set(WAITS) == set(Blocked)
    assert {cause.name for cause in Blocked} <= set(HELPS)
