"""What a node offers, judged; and the command that puts a node back as it was."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.node_costs import measure
from qos_controller.adapters.node_facts import read_facts, try_egress
from qos_controller.adapters.ticks import TickWriter
from qos_controller.app.doctor_command import doctor_node
from qos_controller.core.node_checks import NodeFacts, fit, judge
from slacktide.errors import BadInput

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ, reason="control groups are root's"
)
WHOLE = NodeFacts(
    kernel="6.12",
    mode="v2",
    kubepods="kubepods.slice",
    style="systemd",
    pods_there=True,
    root=True,
    capabilities=frozenset(
        {"CAP_SYS_RESOURCE", "CAP_NET_ADMIN", "CAP_SYS_NICE", "CAP_IPC_LOCK", "CAP_SYS_PTRACE"}
    ),
    controllers=frozenset({"cpu", "cpuset", "memory", "io"}),
    cpu_writable=True,
    psi=True,
    freezer="v2",
    cpu_idle=True,
    cpu_burst=True,
    cpu_manager="static",
    egress="",
    schedstat=True,
    btf=True,
    resctrl=True,
    disk_schedulers={"vda": "none"},
    other_agents=(),
    run_dir_writable=True,
)


def test_a_whole_node_lacks_nothing() -> None:
    assert {one.state for one in judge(WHOLE)} == {"ok"}


@pytest.mark.parametrize(
    ("lack", "name", "state"),
    [
        ({"mode": ""}, "control groups", "missing"),
        ({"cpu_writable": False}, "right to write", "missing"),
        ({"other_agents": ("koordlet (Koordinator)",)}, "nobody else's groups", "conflict"),
        ({"run_dir_writable": False}, "run directory", "missing"),
        ({"freezer": ""}, "freezer", "missing"),
        ({"controllers": frozenset({"memory"})}, "CPU quota and weight", "missing"),
        ({"psi": False}, "pressure (PSI)", "less"),
        ({"freezer": "v1"}, "freezer", "less"),
        ({"cpu_burst": False}, "CPU quota and weight", "less"),
        ({"controllers": frozenset({"cpu"})}, "cpuset", "less"),
        ({"controllers": frozenset({"cpu"})}, "memory", "less"),
        ({"controllers": frozenset({"cpu"})}, "disk", "less"),
        ({"egress": "No such file or directory"}, "egress ceiling", "less"),
        ({"capabilities": frozenset({"CAP_NET_ADMIN"})}, "capabilities", "less"),
        ({"pods_there": False}, "kubelet's groups", "less"),
        ({"resctrl": False}, "cache partitions", "less"),
    ],
)
def test_each_lack_is_named_with_its_price_and_its_remedy(
    lack: dict[str, object], name: str, state: str
) -> None:
    checks = judge(replace(WHOLE, **lack))  # type: ignore[arg-type]  # one field of any type
    found = next(one for one in checks if one.name == name)
    assert found.state == state
    assert found.costs
    assert found.do
    assert fit(checks) == (state == "less")


def facts_of(tmp_path: Path, cgroup_root: Path) -> NodeFacts:
    return read_facts(
        cgroup_root=str(cgroup_root),
        run_dir=tmp_path / "run",
        proc=tmp_path / "proc",
        sys_dir=tmp_path / "sys",
        kubelet=tmp_path / "kubelet",
    )


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_node_is_read_by_looking(tmp_path: Path) -> None:
    root = tmp_path / "cgroup"
    write(root / "cpu/kubepods/cpu.idle", "0\n")
    write(root / "freezer/kubepods/freezer.state", "THAWED\n")
    write(tmp_path / "proc/7/comm", "koordlet\n")
    write(tmp_path / "proc/8/comm", "katalyst-agent\n")
    write(tmp_path / "proc/self/status", "Name:\tx\nCapEff:\t0000000000001000\n")
    write(tmp_path / "sys/block/vda/queue/scheduler", "none [mq-deadline]\n")
    (tmp_path / "sys/block/vda/device").mkdir()
    write(tmp_path / "kubelet/cpu_manager_state", '{"policyName": "static"}')
    facts = facts_of(tmp_path, root)
    assert (facts.mode, facts.style, facts.freezer) == ("v1", "cgroupfs", "v1")
    assert facts.pods_there
    assert (facts.cpu_idle, facts.cpu_burst, facts.psi) == (True, False, False)
    assert facts.capabilities == {"CAP_NET_ADMIN"}
    assert facts.disk_schedulers == {"vda": "mq-deadline"}
    assert facts.cpu_manager == "static"
    assert facts.other_agents == ("katalyst-agent (Katalyst)", "koordlet (Koordinator)")


def test_a_machine_without_control_groups_is_not_fit(tmp_path: Path) -> None:
    facts = facts_of(tmp_path, tmp_path / "nothing")
    assert facts.mode == ""
    assert not fit(judge(facts))


@needs_root
def test_the_networks_parts_are_tried_and_leave_nothing() -> None:
    before = set(Path("/sys/class/net").iterdir())
    said = try_egress()
    assert said == "" or "refuse" in said or "no network namespace" in said
    assert set(Path("/sys/class/net").iterdir()) == before


@needs_root
def test_costs_are_measured_in_a_group_that_is_gone_afterwards() -> None:
    layout = find_layout()
    names = {one.name for one in measure(layout)}
    assert "write a quota" in names
    left = list(Path(layout.mount_of("cpu")).glob(f"slacktide-doctor-{os.getpid()}"))
    assert left == []


@needs_root
def test_the_command_says_it_as_json_and_by_its_exit_code(tmp_path: Path) -> None:
    asked = ["--run-dir", str(tmp_path), "--no-measure", "-o", "json"]
    answer = CliRunner().invoke(doctor_node, asked)
    told = json.loads(answer.output)
    assert answer.exit_code == (0 if told["fit"] else 1)
    assert {"control groups", "freezer"} <= {one["name"] for one in told["checks"]}
    assert told["costs"] == []


def test_where_something_necessary_is_missing_the_exit_code_says_so(tmp_path: Path) -> None:
    asked = ["--run-dir", str(tmp_path), "--cgroup-root", str(tmp_path)]
    answer = CliRunner().invoke(doctor_node, asked)
    assert answer.exit_code == 1
    assert "NOT fit for the agent" in answer.output


def restored(run_dir: Path, *more: str) -> Result:
    asked = ["--restore", "--run-dir", str(run_dir), *more]
    return CliRunner().invoke(doctor_node, asked, catch_exceptions=False)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two files as an agent left them, and its ledger."""
    files = [
        (tmp_path / "batch/cpu.shares", "weight", "2", "1024"),
        (tmp_path / "batch/cgroup.freeze", "freeze", "1", "0"),
        (tmp_path / "gone/cgroup.freeze", "freeze", "", "0"),
    ]
    rows = []
    for path, kind, now, was in files:
        if now:
            write(path, now)
        rows.append({"path": str(path), "kind": kind, "was": [was], "safe": "", "born": 0})
    write(tmp_path / "owned.json", json.dumps({"version": 1, "files": rows}))
    return tmp_path


def test_everything_in_the_ledger_is_put_back_and_said(tree: Path) -> None:
    answer = restored(tree)
    assert answer.exit_code == 0
    assert answer.output.splitlines() == [
        "groups that may run again: 1",
        "2 files are as they were; 1 have gone with their groups",
        "no link had a ceiling",
    ]
    assert (tree / "batch/cgroup.freeze").read_text()[0] == "0"
    assert (tree / "batch/cpu.shares").read_text() == "1024"
    assert not (tree / "owned.json").exists()


def test_done_twice_the_second_time_finds_nothing(tree: Path) -> None:
    restored(tree)
    answer = restored(tree)
    assert answer.exit_code == 0
    assert "no agent has left a file written" in answer.output


def test_what_cannot_be_put_back_is_named_and_stays_recorded(tree: Path) -> None:
    (tree / "batch/cpu.shares").unlink()
    (tree / "batch/cpu.shares").mkdir()
    answer = restored(tree)
    assert answer.exit_code == 1
    assert "the kernel refuses" in answer.output
    assert "cpu.shares: EISDIR" in answer.output
    assert (tree / "owned.json").exists()


@pytest.mark.parametrize("content", ["{", '{"files": [1]}', "[]"])
def test_a_torn_ledger_is_no_success(tmp_path: Path, content: str) -> None:
    (tmp_path / "owned.json").write_text(content)
    answer = restored(tmp_path)
    assert answer.exit_code == 1
    assert "is torn" in answer.output


def test_a_ledger_of_nothing_is_a_success(tmp_path: Path) -> None:
    (tmp_path / "owned.json").write_text('{"version": 1, "files": []}')
    assert restored(tmp_path).exit_code == 0


def test_beside_a_living_agent_nothing_is_put_back(tree: Path) -> None:
    writer = TickWriter(tree / "ticks", unix_s=time.time())
    writer.beat(time.monotonic())
    with pytest.raises(BadInput, match=r"slacktide\.io/agent=off"):
        restored(tree)
    writer.beat(time.monotonic() - 10)
    writer.close()
    assert restored(tree, "-o", "json").exit_code == 0


def test_a_torn_ledger_of_links_is_said(tmp_path: Path) -> None:
    (tmp_path / "egress.json").write_text("{")
    answer = restored(tmp_path)
    assert answer.exit_code == 1
    assert "the network is not restored" in answer.output
