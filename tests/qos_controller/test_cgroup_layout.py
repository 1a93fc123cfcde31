"""What the node has is found by looking, whichever version and naming it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qos_controller.adapters.cgroups.formats import (
    cores_of,
    cpu_list,
    cpus_in,
    quota_us,
    weight_of,
)
from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.cgroups.machine import find_cpus
from qos_controller.adapters.cgroups.naming import container_id, pod_directory, pod_uid
from qos_controller.core.topology import Cpu, whole_cores
from slacktide.errors import BadInput
from slacktide.testing.cgroup_tree import CgroupTree, Mode, Style

UID = "6f6d3b1e-8a55-4d6e-9b1f-0c3c5f2a7e11"


@pytest.mark.parametrize("mode", ["v1", "v2", "hybrid"])
@pytest.mark.parametrize("style", ["cgroupfs", "systemd"])
def test_version_and_naming_are_seen(mode: Mode, style: Style, tmp_path: Path) -> None:
    tree = CgroupTree(tmp_path, mode, style)
    layout = find_layout(str(tmp_path))
    assert (layout.mode, layout.style, layout.kubepods) == (mode, style, tree.kubepods)
    for qos in ("guaranteed", "burstable", "besteffort"):
        assert layout.directory_of(qos) == tree.of_class(qos)
        assert layout.directory_of_pod(qos, UID) == tree.of_pod(UID, qos)


def test_a_hybrid_speaks_version_1_to_controllers_and_2_to_nobody(tmp_path: Path) -> None:
    CgroupTree(tmp_path, "hybrid")
    layout = find_layout(str(tmp_path))
    assert layout.is_v1("memory")
    assert layout.mount_of("memory") == f"{tmp_path}/memory"
    assert layout.mount_of("io") == ""
    assert layout.unified == f"{tmp_path}/unified"


def test_a_controller_that_version_2_does_not_hand_down_is_not_there(tmp_path: Path) -> None:
    tree = CgroupTree(tmp_path, "v2")
    tree.file("", "kubepods", "cgroup.subtree_control").write_text("cpu memory\n")
    layout = find_layout(str(tmp_path))
    assert layout.mount_of("cpu") == str(tmp_path)
    assert layout.mount_of("io") == ""


def test_two_controllers_on_one_mount_are_both_there(tmp_path: Path) -> None:
    for name in ("cpu,cpuacct", "memory"):
        (tmp_path / name).mkdir()
    assert find_layout(str(tmp_path)).mount_of("cpuacct") == f"{tmp_path}/cpu,cpuacct"


def test_kubepods_below_another_root_is_found(tmp_path: Path) -> None:
    tree = CgroupTree(tmp_path, "hybrid")
    tree.make("kubelet/kubepods")
    tree.make("bench-1/kubepods")
    tree.remove("kubepods")
    assert find_layout(str(tmp_path)).kubepods == "kubelet/kubepods"
    assert find_layout(str(tmp_path), "bench-1").kubepods == "bench-1/kubepods"


def test_no_control_groups_is_a_bad_input_that_says_what_to_mount(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="hostPath"):
        find_layout(str(tmp_path / "none"))


@pytest.mark.parametrize(
    "kubepods", ["kubepods", "kubepods.slice", "kubelet.slice/kubelet-kubepods.slice"]
)
@pytest.mark.parametrize("qos", ["guaranteed", "burstable", "besteffort"])
@pytest.mark.parametrize("uid", [UID, "c9a1f0e6b1b24bd0a2b3fbd5c1f0a111"])
def test_a_pods_name_leads_back_to_its_uid(kubepods: str, qos: str, uid: str) -> None:
    directory = pod_directory(kubepods, qos, uid)  # type: ignore[arg-type]  # a literal each
    assert pod_uid(directory.rpartition("/")[2]) == uid


@pytest.mark.parametrize(
    "name", ["besteffort", "kubepods-besteffort.slice", "user.slice", "cri-containerd-12.scope"]
)
def test_a_group_that_is_no_pods_has_no_uid(name: str) -> None:
    assert pod_uid(name) == ""


def test_a_containers_identifier_is_found_in_either_naming() -> None:
    assert container_id("cri-containerd-0a1b.scope") == container_id("0a1b") == "0a1b"


@given(st.sets(st.integers(0, 255)))
def test_a_list_of_cpus_survives_being_spelled(cpus: set[int]) -> None:
    assert set(cpus_in(cpu_list(cpus))) == cpus


@given(st.floats(0.0, 256.0), st.integers(1_000, 1_000_000))
def test_a_quota_is_never_below_a_millisecond_nor_above_what_was_asked(
    cores: float, period_us: int
) -> None:
    quota = quota_us(cores, period_us)
    assert quota >= 1_000
    assert quota == 1_000 or cores_of(quota, period_us) <= cores


@pytest.mark.parametrize(("shares", "weight"), [(0, 1), (2, 1), (1024, 39), (262_144, 10_000)])
def test_weights_are_kubelets(shares: int, weight: int) -> None:
    assert weight_of(shares) == weight


def _sys(root: Path, siblings: dict[int, str], nodes: dict[int, str]) -> str:
    system = root / "devices/system"
    for cpu, listed in siblings.items():
        (system / f"cpu/cpu{cpu}/topology").mkdir(parents=True)
        (system / f"cpu/cpu{cpu}/topology/thread_siblings_list").write_text(listed)
    (system / "cpu/online").write_text(cpu_list(siblings))
    for node, listed in nodes.items():
        (system / f"node/node{node}").mkdir(parents=True)
        (system / f"node/node{node}/cpulist").write_text(listed)
    return str(root)


def test_siblings_and_nodes_are_read(tmp_path: Path) -> None:
    root = _sys(tmp_path, {0: "0,2", 1: "1,3", 2: "0,2", 3: "1,3"}, {0: "0,2", 1: "1,3"})
    assert find_cpus(root) == (Cpu(0, 0, 0), Cpu(1, 1, 1), Cpu(2, 0, 0), Cpu(3, 1, 1))


EIGHT = [Cpu(cpu, cpu % 4, cpu % 4 // 2) for cpu in range(8)]  # cores {0,4} {1,5} | {2,6} {3,7}


@pytest.mark.parametrize(
    ("wanted", "taken", "chosen"),
    [
        (2, (), (0, 4)),
        (3, (), (0, 1, 4, 5)),
        (2, (0,), (1, 5)),  # the fuller node first: the other stays whole
        (4, (0,), (2, 3, 6, 7)),
        (6, (0,), (1, 2, 3, 5, 6, 7)),  # no node alone has so many
        (8, (0,), None),
    ],
)
def test_whole_cores_of_one_node_are_preferred(
    wanted: int, taken: tuple[int, ...], chosen: tuple[int, ...] | None
) -> None:
    assert whole_cores(EIGHT, wanted_cpus=wanted, taken=taken) == chosen
