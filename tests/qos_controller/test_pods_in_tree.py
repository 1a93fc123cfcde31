"""Pods are known by their groups within milliseconds, and forgotten as fast."""

from __future__ import annotations

import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.cgroups.pods_in_tree import PodsInTree
from slacktide.testing.cgroup_tree import CgroupTree, Mode, Style


@pytest.fixture
def tree(tmp_path: Path) -> CgroupTree:
    return CgroupTree(tmp_path)


@pytest.fixture
def pods(tree: CgroupTree) -> Iterator[PodsInTree]:
    pods = PodsInTree(find_layout(str(tree.root)))
    pods.look(0.0)
    yield pods
    pods.close()


def told(pods: PodsInTree, now_s: float = 1.0) -> bool:
    """Waits for the kernel's news; False where none comes."""
    ready, _, _ = select.select([pods.fd], [], [], 2.0)
    return bool(ready) and pods.look(now_s)


@pytest.mark.parametrize("mode", ["v1", "v2", "hybrid"])
@pytest.mark.parametrize("style", ["cgroupfs", "systemd"])
def test_pods_that_were_there_before_are_found(mode: Mode, style: Style, tmp_path: Path) -> None:
    tree = CgroupTree(tmp_path, mode, style)
    paths = {
        qos: tree.make_pod(f"{qos}-1", qos, "aa", "bb")
        for qos in ("guaranteed", "burstable", "besteffort")
    }
    pods = PodsInTree(find_layout(str(tmp_path)))
    assert pods.look(0.0)
    assert {pod.uid: (pod.qos, pod.path) for pod in pods.pods.values()} == {
        f"{qos}-1": (qos, path) for qos, path in paths.items()
    }
    assert [len(pod.containers) for pod in pods.pods.values()] == [2, 2, 2]
    pods.close()


def test_a_new_pod_and_its_containers_are_told_at_once(tree: CgroupTree, pods: PodsInTree) -> None:
    pod = tree.make_pod("new", "besteffort")
    assert told(pods)
    assert pods.pods["new"].leaves == (pod,)
    tree.make(f"{pod}/aa")
    assert told(pods)
    assert pods.pods["new"].leaves == (f"{pod}/aa",)


def test_a_container_made_before_its_pod_was_watched_is_seen_too(
    tree: CgroupTree, pods: PodsInTree
) -> None:
    pod = tree.make_pod("new", "burstable", "aa")
    assert told(pods)
    assert pods.pods["new"].containers == (f"{pod}/aa",)


def test_a_pod_that_left_is_gone_and_named(tree: CgroupTree, pods: PodsInTree) -> None:
    pod = tree.make_pod("old", "guaranteed", "aa")
    assert told(pods)
    tree.remove(pod)
    assert told(pods)
    assert pods.pods == {}
    assert [gone.uid for gone in pods.gone] == ["old"]


def test_a_class_that_kubelet_makes_later_is_watched_from_then_on(tmp_path: Path) -> None:
    tree = CgroupTree(tmp_path)
    tree.remove("kubepods")
    pods = PodsInTree(find_layout(str(tmp_path)))
    assert not pods.look(0.0)
    tree.make_pod("early", "besteffort")
    assert told(pods)
    assert list(pods.pods) == ["early"]
    tree.make_pod("late", "besteffort")
    assert told(pods)
    assert set(pods.pods) == {"early", "late"}
    pods.close()


def test_without_news_nothing_is_read(tree: CgroupTree, pods: PodsInTree) -> None:
    assert not pods.look(1.0)
    tree.make(f"{tree.kubepods}/not-a-pod")
    assert not told(pods)


def test_what_was_never_told_is_found_by_the_next_rescan(
    tree: CgroupTree, pods: PodsInTree
) -> None:
    pod = tree.make_pod("quiet", "besteffort")
    pods._watch.changed()  # the news is lost
    assert not pods.look(1.0)
    assert pods.look(6.0)
    tree.make(f"{pod}/aa")
    pods._watch.changed()
    assert pods.look(12.0)
    assert pods.pods["quiet"].containers == (f"{pod}/aa",)


def test_a_watch_survives_a_pod_that_comes_back_under_its_name(
    tree: CgroupTree, pods: PodsInTree
) -> None:
    for _ in range(2):
        pod = tree.make_pod("same", "besteffort")
        assert told(pods)
        tree.make(f"{pod}/aa")
        assert told(pods)
        assert pods.pods["same"].containers == (f"{pod}/aa",)
        tree.remove(pod)
        assert told(pods)
        assert not pods.pods
