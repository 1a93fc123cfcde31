"""Whole gangs on a real control plane: planner, second kube-scheduler and extender together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from slacktide.contract import RESOURCE_BATCH_CPU
from slacktide.testing.cluster.auditor import Auditor, audited, held_milli
from slacktide.testing.cluster.batch_pods import answers, extended, gang, planner
from slacktide.testing.cluster.control_plane import ControlPlane, control_plane
from slacktide.testing.cluster.fake_nodes import add, node
from slacktide.testing.cluster.processes import Process, free_ports

NODES = 10
HOLDS = {"cpu": "8", "memory": "16Gi", "pods": "110", RESOURCE_BATCH_CPU: "4000"}


class Running(NamedTuple):
    plane: ControlPlane
    port: int
    planner: Process


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A control plane of its own, since the planner counts every pod of a cluster."""
    with control_plane(tmp_path_factory.mktemp("planned")) as plane:
        plane.controllers()
        [port] = free_ports(1)
        add(plane, "/api/v1/nodes", [node(f"batch-{k}", holds=HOLDS) for k in range(NODES)])
        process = planner(plane, port=port)
        process.wait_until(lambda: answers(port), within_s=60)
        plane.scheduler(extended(port), name="offline-scheduler")
        yield Running(plane, port, process)
        process.stop()


def submit(running: Running, auditor: Auditor, pods: list[dict[str, object]]) -> None:
    add(running.plane, auditor.path, pods)


def test_a_gang_is_bound_whole(running: Running) -> None:
    with audited(running.plane, "whole") as auditor:
        submit(running, auditor, gang("ten", 10))
        auditor.wait_whole("ten")
        assert auditor.gangs["ten"].moved == []
        assert max(held_milli(auditor, {"ten": 1_000}).values()) <= 4_000
