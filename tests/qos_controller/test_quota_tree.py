"""Version 1 never refuses a quota, whatever is wished where, in whatever order."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qos_controller.adapters.cgroups.quota_tree import clamped, in_order
from qos_controller.adapters.cgroups.targets import split
from qos_controller.core.decision import SetQuota
from qos_controller.core.standing import Standing
from tests.qos_controller.acting_node import ActingNode, a_pod

CORES = st.one_of(st.just(math.inf), st.floats(0.0, 4.0))
IN_MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108  a folder of its own
GROUPS = ("r", "r/a", "r/a/1", "r/a/2", "r/b", "r/b/1")
WISHES = st.dictionaries(st.sampled_from(GROUPS), CORES)


def as_wished(group: str, cores: float) -> float:
    del group
    return cores


@given(WISHES)
def test_nobody_gets_more_than_it_wished_or_than_those_above_it(wishes: dict[str, float]) -> None:
    got = clamped(wishes, as_wished)
    assert got.keys() == wishes.keys()
    for group, cores in got.items():
        above = [wishes[g] for g in wishes if group == g or group.startswith(f"{g}/")]
        assert cores == min(above)


@given(WISHES, WISHES)
def test_every_step_on_the_way_is_one_that_the_kernel_takes(
    before: dict[str, float], after: dict[str, float]
) -> None:
    now = clamped(before, as_wished)
    goal = clamped({**dict.fromkeys(before, math.inf), **after}, as_wished)
    for group, cores in in_order(now, goal):
        now[group] = cores
        for one, limit in now.items():
            inside = [now[g] for g in now if g.startswith(f"{one}/") and now[g] < math.inf]
            assert all(child <= limit for child in inside), (group, now)
    assert all(now.get(group, math.inf) == cores for group, cores in goal.items())


STEPS = st.lists(
    st.one_of(
        st.builds(SetQuota, CORES),
        st.builds(SetQuota, CORES, st.sampled_from(["a", "s"]), st.sampled_from([0.01, 0.1])),
        st.tuples(st.sampled_from(["a", "s"]), st.one_of(st.none(), st.floats(0.01, 4.0))),
    ),
    max_size=12,
)


@settings(max_examples=20, deadline=None)
@given(STEPS, st.sampled_from(["150000", "-1"]))
def test_a_kernel_of_version_1_refuses_nothing_and_gets_all_back(
    steps: list[SetQuota | tuple[str, float | None]], asked: str
) -> None:
    with tempfile.TemporaryDirectory(dir=IN_MEMORY) as folder:
        node = ActingNode(Path(folder), "v1")
        for uid, qos in (("a", "besteffort"), ("s", "burstable")):
            pod = node.tree.make_pod(uid, qos, "main", "pause")  # type: ignore[arg-type]  # literals
            for group in (pod, f"{pod}/main"):
                node.tree.file("cpu", group, "cpu.cfs_quota_us").write_text(f"{asked}\n")
        node.knows(a_pod("a"), a_pod("s"))
        before = node.everything()
        for step in steps:
            if isinstance(step, SetQuota):
                outcome = node.actuator.apply(step, node.now_s)
            else:
                standing = Standing(quota_cores=step[1])
                outcome = node.actuator.apply_standing(step[0], standing, node.now_s)
            assert outcome == "", node.said
        assert node.actuator.restore().refused == ()
        assert node.everything() == before
        node.close()


@given(st.floats(0.0, 64.0), st.dictionaries(st.text(), st.floats(0.0, 8.0), min_size=1))
def test_parts_add_up(total: float, weights: dict[str, float]) -> None:
    assert sum(split(total, weights).values()) == pytest.approx(total)
