"""How the agent's processes are told, paced, placed, and started from the command line."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from bench._agent_node import OwnNode, has_real_groups, wait_until
from qos_controller.adapters.ticks import TickReader
from qos_controller.app.agent_process import hold_alone, protects
from qos_controller.app.law import NodeLaw
from qos_controller.app.loop import blank_tick, see
from qos_controller.app.own_process import cpu_trees, join, leave, trees
from qos_controller.app.pace import Pace
from qos_controller.app.serve_command import agent
from qos_controller.app.settings import AgentSettings, from_argument, to_argument
from qos_controller.core.sample import Sample
from qos_controller.core.signals import Signals

COMMAND = (sys.executable, "-c", "from qos_controller.app.serve_command import agent; agent()")


def test_settings_travel_as_one_argument() -> None:
    settings = AgentSettings(node="n", observe=True, link_mbps=1000.0)
    assert from_argument(to_argument(settings)) == settings


@pytest.mark.parametrize("text", ["", "{}", '{"node": 1}', '{"node": "n", "no_such": 1}'])
def test_settings_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(msgspec.DecodeError):
        from_argument(text)


def test_the_pace_neither_drifts_nor_makes_up_for_what_was_missed() -> None:
    pace = Pace(0.01)
    began_s = time.monotonic()
    for _ in range(20):
        pace.wait()
    # Late ones are skipped, so each of the 20 came on one of the deadlines.
    due_s = (20 + pace.late) * 0.01
    assert due_s <= time.monotonic() - began_s + 0.001
    late = pace.late
    time.sleep(0.055)  # five deadlines pass
    began_s = time.monotonic()
    pace.wait()
    assert pace.late >= late + 5
    assert time.monotonic() - began_s < 0.5


def test_an_early_look_moves_no_deadline() -> None:
    pace = Pace(0.2)
    began_s = time.monotonic()
    pace.wait(began_s + 0.05)
    assert 0.05 <= time.monotonic() - began_s < 0.2
    pace.wait(began_s + 0.05)  # long past: the next deadline is what is left
    assert time.monotonic() - began_s >= 0.199


@pytest.fixture
def hybrid(tmp_path: Path) -> Path:
    """A folder like a hybrid node's."""
    for name in ("cpu", "memory", "unified", "systemd"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "cgroup.procs").write_text("")
    (tmp_path / "cpu" / "cpu.shares").write_text("1024")
    (tmp_path / "not-a-tree").mkdir()
    return tmp_path


def test_trees_are_found_by_looking_and_systemds_is_left_alone(hybrid: Path) -> None:
    assert [tree.name for tree in trees(hybrid)] == ["cpu", "memory", "unified"]
    assert [tree.name for tree in cpu_trees(hybrid)] == ["cpu"]
    assert trees(hybrid / "unified") == [hybrid / "unified"]
    assert trees(hybrid / "nowhere") == []


def test_a_group_that_cannot_be_joined_is_a_sentence_and_no_fault(hybrid: Path) -> None:
    (hybrid / "cpu" / "mine").write_text("a file where the group should be")
    said = join(os.getpid(), "mine", [hybrid / "cpu"])
    assert said is not None
    assert "no group of its own" in said
    assert join(os.getpid(), "", [hybrid / "cpu"]) is None
    leave("mine", [hybrid / "cpu"])


def test_one_folder_has_one_agent(tmp_path: Path) -> None:
    first = hold_alone(tmp_path)
    assert first is not None
    assert hold_alone(tmp_path) is None
    os.close(first)
    second = hold_alone(tmp_path)
    assert second is not None
    os.close(second)


def test_its_one_line_says_what_it_protects_and_how_it_ends() -> None:
    said = protects(AgentSettings(node="n1", run_dir="/run/x", alone=True))
    assert said.startswith("node n1: keeps online pods' latency safe from batch pods")
    assert "SIGTERM puts everything back" in said
    assert "writes nothing" in protects(AgentSettings(node="n1", observe=True))


def test_the_law_tells_a_sentence_only_where_a_stage_changes_and_fills_the_tick() -> None:
    law, tick = NodeLaw(), blank_tick()
    told = []
    for number in range(200):
        now_s = 100.0 + 0.025 * number
        stalled = 0.6 if number >= 100 else 0.0
        sample = Sample(
            signals=Signals(
                sampled_s=now_s,
                covered_s=0.025,
                capacity_cores=2.0,
                online_used_cores=0.6,
                offline_used_cores=1.2,
                online_full_share=stalled,
            )
        )
        decision = law.decide(sample, now_s)
        told += law.told(decision, now_s)
        see(tick, sample, 0.025)
        law.describe(tick, decision)
    assert told
    assert len(told) <= 8
    assert {event.kind for event in told} == {"cpu"}
    assert tick.cpu_stage >= 1
    assert law.pressed
    assert tick.level > 1.0
    law.forget()
    assert not law.pressed


def test_the_help_has_examples_and_wrong_use_is_refused() -> None:
    said = CliRunner().invoke(agent, ["--help"])
    assert said.exit_code == 0
    assert "slacktide serve agent --observe" in said.output
    assert CliRunner().invoke(agent, ["--port", "99999"]).exit_code == 2
    assert CliRunner().invoke(agent, ["--cgroup-root", "/no/such/folder"]).exit_code == 2


def test_where_there_are_no_groups_it_says_so_and_ends_with_2(tmp_path: Path) -> None:
    settings = AgentSettings(
        node="n",
        run_dir=str(tmp_path / "run"),
        cgroup_root=str(tmp_path),
        own_group="",
        alone=True,
        port=0,
        latency_port=0,
    )
    ended = subprocess.run(
        [sys.executable, "-m", "qos_controller.app.agent_process", to_argument(settings)],
        capture_output=True,
        check=False,
        timeout=30,
    )
    assert ended.returncode == 2
    assert b"holds no cgroups" in ended.stderr


@pytest.fixture
def node(tmp_path: Path) -> Iterator[OwnNode]:
    if not has_real_groups() and "CI" not in os.environ:
        pytest.skip("needs root and version 1 groups")
    own = OwnNode(f"slacktide-test-{os.getpid()}", tmp_path)
    try:
        own.add(0, batch=False)
        own.add(1, batch=True)
        own.tell()
        yield own
    finally:
        own.close()


def test_the_command_becomes_the_agent_and_obeys_the_environment(node: OwnNode) -> None:
    before = node.snapshot()
    words = [*COMMAND, "--alone", "--run-dir", str(node.run_dir), "--own-group", ""]
    words += ["--port", "0", "--latency-port", "0", "--pods-root", node.settings.pods_root]
    with (node.run_dir / "agent.err").open("wb") as said:
        process = subprocess.Popen(
            words, stderr=said, stdout=said, env={**os.environ, "SLACKTIDE_OBSERVE": "1"}
        )
    node.agent = process

    def ticked() -> bool:
        path = node.run_dir / "ticks"
        if not path.exists():
            return False
        diary = TickReader(path)
        count = diary.counts[0]
        diary.close()
        return count > 5

    wait_until(ticked, within_s=30)
    assert node.snapshot() == before
    line = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    assert b"qos_controller.app.agent_process" in line
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert node.pids() == {}


def test_all_of_the_agents_processes_stay_below_eighty_megabytes(node: OwnNode) -> None:
    node.start()
    wait_until(lambda: next(iter(_batch(node))).strip() == "2", within_s=30)
    pids = node.pids()
    assert set(pids) == {"agent", "loop", "watchdog"}
    assert sum(_rss_kb(pid) for pid in pids.values()) <= 80 * 1024


def _batch(node: OwnNode) -> list[str]:
    return [group.read("cpu.shares") for uid, group in node.groups.items() if node.pods[uid].batch]


def _rss_kb(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0])
