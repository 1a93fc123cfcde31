"""Who gets cores of its own, and that nobody else loses more than that by it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.core.node_settings import StandingSettings
from qos_controller.core.pods import Pod
from qos_controller.core.standing import NOTHING, NodeFacts, standing
from qos_controller.core.topology import Cpu
from qos_controller.core.whole_cores import NOWHERE_BOUND, Choice, choose, places, wants_cores

TWO = (Cpu(0, 0), Cpu(1, 1))
SMT = tuple(Cpu(cpu, cpu % 4, numa=cpu % 4 // 2) for cpu in range(8))
"""Four cores of two threads (0 and 4, 1 and 5, ...), two cores a NUMA node."""


def pod(uid: str, cores: float = 1.0, kind: str = "LSR", **more: object) -> Pod:
    found = Pod(uid=uid, namespace="d", name=uid, batch=kind == "BE", qos_class=kind)
    return replace(found, cpu_request_cores=cores, **more)  # type: ignore[arg-type]  # as given


def cpus_of(chosen: dict[str, Choice]) -> dict[str, tuple[int, ...]]:
    return {uid: choice.cpus for uid, choice in chosen.items()}


@pytest.mark.parametrize(
    ("pods", "cpus", "given", "says"),
    [
        ([pod("a")], TWO, {"a": (0,)}, "bound to CPUs 0: it asks for 1 whole CPUs"),
        ([pod("a", 2.0)], SMT, {"a": (0, 4)}, "cores of 2 CPUs, on one NUMA node"),
        ([pod("a", 1.0)], SMT, {"a": (0, 4)}, "asks for 1 whole CPUs"),
        ([pod("a", 4.0)], SMT, {"a": (0, 1, 4, 5)}, "on one NUMA node"),
        ([pod("a", 6.0)], SMT, {"a": (0, 2, 3, 4, 6, 7)}, "on 2 NUMA nodes, since none has room"),
        ([pod("a", 2.0)], TWO, {"a": ()}, "leaves the others 0 of 2 CPUs"),
        ([pod("a", 3.0)], TWO, {"a": ()}, "asks for 3 whole CPUs, and 2 of 2 have no owner"),
        ([pod("a"), pod("b", 1.5, "LS")], TWO, {"a": ()}, "they request 1.5"),
        ([pod("a"), pod("b", 0.5, "LS")], TWO, {"a": (0,)}, "bound"),
    ],
)
def test_whole_cores_go_to_those_who_ask_where_the_others_keep_enough(
    pods: list[Pod], cpus: tuple[Cpu, ...], given: dict[str, tuple[int, ...]], says: str
) -> None:
    chosen = choose(pods, cpus, held={})
    assert cpus_of(chosen) == given
    assert says in chosen["a"].reason


@pytest.mark.parametrize(
    "other",
    [
        pod("a", 1.5),
        pod("a", 0.0),
        pod("a", kind="LS"),
        pod("a", kind="BE"),
        pod("a", managed=False),
    ],
)
def test_all_others_want_no_cores_of_their_own(other: Pod) -> None:
    assert not wants_cores(other)
    assert choose([other], SMT, held={}) == {}


def test_beside_kubelets_own_manager_nobody_is_bound() -> None:
    [choice] = choose([pod("a")], SMT, held={"a": (0, 4)}, shared=range(8)).values()
    assert choice.cpus == ()
    assert "kubelet's static CPU manager" in choice.reason


def test_what_was_noted_is_kept_and_nonsense_is_not() -> None:
    pods = [pod("a", 2.0), pod("b", 2.0), pod("c", 2.0)]
    held = {"a": (3, 7), "b": (0, 1), "c": (3, 7)}
    chosen = cpus_of(choose(pods, SMT, held=held))
    assert chosen["a"] == (3, 7)
    assert chosen["b"] != (0, 1)
    assert len({cpu for cpus in chosen.values() for cpu in cpus}) == 6


def test_lse_comes_before_lsr_and_the_elder_before_the_younger() -> None:
    pods = [pod("r", 2.0), pod("e", 2.0, "LSE", started_s=9.0), pod("f", 4.0, "LSE", started_s=8.0)]
    assert cpus_of(choose(pods, SMT, held={})) == {"f": (0, 1, 4, 5), "e": (2, 6), "r": ()}


@st.composite
def nodes(draw: st.DrawFn) -> tuple[Cpu, ...]:
    threads, cores, numas = (draw(st.integers(1, most)) for most in (2, 6, 2))
    every = [(core, core % numas) for core in range(cores)]
    return tuple(
        Cpu(thread * cores + core, core, numa) for thread in range(threads) for core, numa in every
    )


KINDS = st.sampled_from(["LSE", "LSR", "LS", "BE"])
CROWDS = st.lists(
    st.tuples(st.integers(0, 9), KINDS, st.sampled_from([0.5, 1.0, 2.0, 3.0, 4.0])),
    max_size=6,
    unique_by=lambda one: one[0],
).map(lambda told: [pod(f"p{number}", cores, kind) for number, kind, cores in told])


@given(nodes(), st.lists(CROWDS, min_size=1, max_size=4))
def test_as_pods_come_and_go_nobody_moves_and_cores_stay_whole(
    cpus: tuple[Cpu, ...], crowds: list[list[Pod]]
) -> None:
    core_of = {cpu.cpu: cpu.core for cpu in cpus}
    threads = len(cpus) // len(set(core_of.values()))
    held: dict[str, tuple[int, ...]] = {}
    before: list[Pod] = []
    for crowd in crowds:
        chosen = cpus_of(choose(crowd, cpus, held=held))
        owned = [cpu for own in chosen.values() for cpu in own]
        assert len(owned) == len(set(owned)), "two owners of one CPU"
        cores = {core_of[cpu] for cpu in owned}
        assert len(owned) == threads * len(cores), "half a core"
        assert len(cores) < len(set(core_of.values())), "no core is left for the others"
        for one in crowd:
            if own := chosen.get(one.uid, ()):
                assert len(own) == math.ceil(one.cpu_request_cores / threads) * threads
            if held.get(one.uid) and one in before:
                assert own == held[one.uid], "it moved"
        held, before = {uid: own for uid, own in chosen.items() if own}, crowd


@given(nodes(), CROWDS)
def test_the_places_are_apart(cpus: tuple[Cpu, ...], crowd: list[Pod]) -> None:
    chosen = cpus_of(choose(crowd, cpus, held={}))
    book = [replace(one, cpus=chosen.get(one.uid, ())) for one in crowd]
    where = places(book, cpus)
    every = {cpu.cpu for cpu in cpus}
    assert where.bound == {uid: own for uid, own in chosen.items() if own}
    owned = {cpu for own in where.bound.values() for cpu in own}
    assert (set(where.online) or every) == every - owned
    apart = {cpu for one in book if one.qos_class == "LSE" for cpu in one.cpus}
    assert (set(where.batch) or every) == every - apart
    if not any(wants_cores(one) for one in crowd):
        assert where == NOWHERE_BOUND


@pytest.mark.parametrize(
    "said",
    [
        {"a": (0,), "b": (0,)},
        {"a": (0, 1)},
        {"a": (9,)},
        {},
    ],
)
def test_a_book_that_cannot_be_binds_nobody(said: dict[str, tuple[int, ...]]) -> None:
    pods = [pod(uid, cpus=cpus) for uid, cpus in said.items()]
    assert places(pods, TWO) == NOWHERE_BOUND


def test_the_others_stand_beside_the_bound_one() -> None:
    book = [pod("rt", cpus=(1,)), pod("web", 0.0, "LS"), pod("hog", 0.0, "BE")]
    where = places(book, TWO)
    facts = NodeFacts(
        capacity_cores=2.0, capacity_bytes=1.0, bound=where.bound, online_cpus=where.online
    )
    found = {one.uid: standing(one, facts, StandingSettings()).cpus for one in book}
    assert found == {"rt": (1,), "web": (0,), "hog": None}
    assert standing(replace(book[1], managed=False), facts, StandingSettings()) == NOTHING
    assert where.batch == ()
    assert places([replace(book[0], qos_class="LSE")], TWO).batch == (0,)
