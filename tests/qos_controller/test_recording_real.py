"""`--record` on the agent's real processes."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest

from bench._agent_node import OwnNode, has_real_groups, wait_until
from qos_controller.adapters.recording import recorded, replayed
from qos_controller.core.node_settings import NodeSettings

pytestmark = pytest.mark.skipif(
    not has_real_groups() and "CI" not in os.environ, reason="needs root and version 1 groups"
)


def test_an_agent_told_to_end_leaves_a_recording_that_can_be_decided_again(tmp_path: Path) -> None:
    node = OwnNode(f"slacktide-test-{os.getpid()}", tmp_path)
    file = tmp_path / "recording"
    try:
        node.add(0, batch=False)
        node.add(1, batch=True)
        node.tell()
        node.settings = msgspec.structs.replace(node.settings, record=str(file))
        agent = node.start()
        # Written in pieces of 8 KiB; what is still in memory at the end is written then.
        wait_until(lambda: file.exists() and file.stat().st_size > 0, within_s=15)
        written = file.stat().st_size
        agent.terminate()
        assert agent.wait(timeout=5) == 0
        content = file.read_bytes()
        assert content.endswith(b"\n")
        assert len(content) > written
        decided = list(replayed(recorded(content.splitlines(keepends=True)), NodeSettings()))
    finally:
        node.close()
    times = [tick.now_s for tick, _ in decided]
    assert len(times) >= 4
    assert times == sorted(times)
    assert decided[-1][0].sample.signals.offline_tasks
