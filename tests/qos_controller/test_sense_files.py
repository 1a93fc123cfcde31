"""Each signal on files of a test's own, laid out as the kernel's, in both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.sense.cpu_use import CpuUse
from qos_controller.adapters.sense.devices import devices_of
from qos_controller.adapters.sense.dirtying import Dirtying
from qos_controller.adapters.sense.disk import Device
from qos_controller.adapters.sense.group_io import GroupIo
from qos_controller.adapters.sense.kept import KeptFile
from qos_controller.adapters.sense.memory import MemoryOfGroup, MemoryOfNode
from qos_controller.adapters.sense.online import StallOf
from qos_controller.adapters.sense.pressure import Pressure
from qos_controller.adapters.sense.run_delay import RunDelay
from qos_controller.adapters.sense.threads import Threads
from qos_controller.adapters.sense.throttling import Throttling
from qos_controller.adapters.sense.traffic import Sent, TcpTroubles

POD = "kubepods/pod1"


@pytest.fixture
def v1(tmp_path: Path) -> Layout:
    names = ("cpu", "cpuacct", "memory", "blkio", "pids")
    v1 = {name: str(tmp_path / name) for name in names}
    return Layout(root=str(tmp_path), v1=v1, unified=str(tmp_path / "unified"), kubepods="kubepods")


@pytest.fixture
def v2(tmp_path: Path) -> Layout:
    return Layout(root=str(tmp_path), unified=str(tmp_path), kubepods="kubepods")


def put(directory: str, name: str, text: str) -> Path:
    path = Path(directory, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def psi(some_us: int, full_us: int) -> str:
    means = "avg10=0.00 avg60=1.20 avg300=0.00"
    return f"some {means} total={some_us}\nfull {means} total={full_us}\n"


def test_a_file_that_is_not_yet_there_is_found_later_and_asked_for_ever_more_rarely(
    tmp_path: Path,
) -> None:
    file = KeptFile(str(tmp_path / "x"))
    assert [file.read() for _ in range(10)] == [None] * 10
    put(str(tmp_path), "x", "1\n")
    readings = [file.read() for _ in range(20)]
    assert readings[-1] == b"1\n"
    assert None in readings
    file.close()
    assert file.read() is None
    assert not file.there


def test_a_stall_is_the_growth_of_its_total(v1: Layout) -> None:
    path = put(v1.unified, f"{POD}/cpu.pressure", psi(0, 0))
    stall = Pressure(v1, POD, "cpu")
    stall.read(10.0)
    assert stall.full_share is None
    path.write_text(psi(50_000, 25_000))
    stall.read(10.1)
    assert stall.full_share == pytest.approx(0.25)
    assert stall.some_share == pytest.approx(0.5)


def test_a_stall_is_not_read_faster_than_the_kernel_can_count(v1: Layout) -> None:
    path = put(v1.unified, f"{POD}/cpu.pressure", psi(0, 0))
    stall = Pressure(v1, POD, "cpu")
    stall.read(10.0)
    path.write_text(psi(9_000, 9_000))
    stall.read(10.01)
    assert stall.full_share is None
    stall.read(10.02)
    assert stall.full_share == pytest.approx(0.45)


def test_an_old_kernel_without_full_for_cpu_tells_only_some(v1: Layout) -> None:
    path = put(v1.unified, f"{POD}/cpu.pressure", "some avg10=0.00 total=0\n")
    stall = Pressure(v1, POD, "cpu")
    stall.read(1.0)
    path.write_text("some avg10=0.00 total=100000\n")
    stall.read(2.0)
    assert stall.some_share == pytest.approx(0.1)
    assert stall.full_share is None


def online_stall(layout: Layout, pods: list[str]) -> tuple[StallOf, Path, list[Path]]:
    every = put(layout.unified, "kubepods/cpu.pressure", psi(0, 0))
    each = [put(layout.unified, f"{pod}/cpu.pressure", psi(0, 0)) for pod in pods]
    stall = StallOf(layout, pods, "cpu")
    return stall, every, each


def test_the_worst_of_onlines_groups_is_told_less_its_own_throttling(v1: Layout) -> None:
    pods = ["kubepods/poda", "kubepods/podb"]
    stall, every, (a, b) = online_stall(v1, pods)
    for now_s in (1.0, 2.0):
        every.write_text(psi(int(now_s * 1e6), 0))
        stall.read(now_s)
    a.write_text(psi(300_000, 300_000))
    b.write_text(psi(500_000, 500_000))
    every.write_text(psi(3_000_000, 0))
    stall.read(3.0, {"kubepods/podb": 0.4})
    assert stall.full_share == pytest.approx(0.3)
    assert stall.some_share == pytest.approx(0.5)


def test_while_nobody_waits_no_pod_is_asked_and_what_comes_later_counts_whole(v1: Layout) -> None:
    stall, every, (pod,) = online_stall(v1, ["kubepods/poda"])
    every.write_text(psi(1_000, 0))
    stall.read(0.0)
    every.write_text(psi(500_000, 0))
    stall.read(1.0)
    for now_s in (2.0, 50.0):
        stall.read(now_s)
        assert stall.full_share == 0.0
    every.write_text(psi(600_000, 0))
    pod.write_text(psi(50_000, 50_000))
    stall.read(50.1)
    assert stall.full_share == pytest.approx(0.5)


def test_many_groups_take_turns_and_the_worst_is_read_each_time(v1: Layout) -> None:
    pods = [f"kubepods/pod{n}" for n in range(12)]
    stall, every, each = online_stall(v1, pods)
    for tick in range(8):
        every.write_text(psi(tick * 25_000, 0))
        stall.read(tick * 0.025)
    seen = []
    for tick in range(8, 20):
        every.write_text(psi(tick * 25_000, 0))
        each[7].write_text(psi(tick * 10_000, tick * 10_000))
        stall.read(tick * 0.025)
        seen.append(stall.full_share or 0.0)
    # After its turn has come it is never lost again.
    assert all(share > 0.1 for share in seen[3:])


def test_a_node_without_psi_tells_no_stall(v1: Layout) -> None:
    stall = StallOf(v1, [POD], "cpu")
    stall.read(1.0)
    stall.read(2.0)
    assert stall.full_share is None


@pytest.mark.parametrize(
    ("name", "unit"), [("cpuacct/{}/cpuacct.usage", 1_000_000_000), ("{}/cpu.stat", 1_000_000)]
)
def test_cpu_use_is_the_mean_over_its_window(
    name: str, unit: int, request: pytest.FixtureRequest
) -> None:
    layout: Layout = request.getfixturevalue("v2" if name.startswith("{") else "v1")
    line = "usage_usec {}\nuser_usec 1\n" if name.startswith("{") else "{}\n"
    path = put(layout.root, name.format(POD), line.format(0))
    use = CpuUse(layout, POD)
    seen = []
    for tick, used_s in enumerate((0.0, 0.05, 0.10, 0.10, 0.10, 0.10)):
        path.write_text(line.format(int(used_s * unit)))
        seen.append(use.read(tick * 0.05))
    assert seen[0] is None
    assert seen[1:] == pytest.approx([1.0, 1.0, 0.5, 0.0, 0.0])


def test_a_group_made_anew_begins_anew(v1: Layout) -> None:
    path = put(v1.v1["cpuacct"], f"{POD}/cpuacct.usage", "5000000000\n")
    use = CpuUse(v1, POD)
    use.read(1.0)
    path.write_text("1000\n")
    assert use.read(2.0) is None
    path.write_text("500001000\n")
    assert use.read(3.0) == pytest.approx(0.5)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_throttling_is_a_share_of_the_time(version: str, request: pytest.FixtureRequest) -> None:
    layout: Layout = request.getfixturevalue(version)
    line = {
        "v1": "nr_throttled 3\nthrottled_time {}000\n",
        "v2": "usage_usec 1\nthrottled_usec {}\n",
    }
    path = put(layout.v1.get("cpu", layout.unified), f"{POD}/cpu.stat", line[version].format(0))
    throttling = Throttling(layout, POD)
    assert throttling.read(1.0) is None
    path.write_text(line[version].format(200_000))
    assert throttling.read(2.0) == pytest.approx(0.2)


def test_memory_in_v1_counts_whole_trees(v1: Layout) -> None:
    put(v1.v1["memory"], f"{POD}/memory.usage_in_bytes", "1000\n")
    put(v1.v1["memory"], f"{POD}/memory.limit_in_bytes", "5000\n")
    stat = "inactive_file 1\ndirty 1\ntotal_inactive_file 300\ntotal_dirty 20\ntotal_writeback 5\n"
    put(v1.v1["memory"], f"{POD}/memory.stat", stat)
    memory = MemoryOfGroup(v1, POD)
    look = memory.read()
    assert look is not None
    assert (look.working_set_bytes, look.dirty_bytes) == (700.0, 25.0)
    assert memory.limit_bytes() == 5000.0


def test_memory_in_v2_has_other_names_and_may_have_no_limit(v2: Layout) -> None:
    put(v2.root, f"{POD}/memory.current", "1000\n")
    put(v2.root, f"{POD}/memory.max", "max\n")
    put(v2.root, f"{POD}/memory.stat", "inactive_file 400\nfile_dirty 7\nfile_writeback 1\n")
    memory = MemoryOfGroup(v2, POD)
    look = memory.read()
    assert look is not None
    assert (look.working_set_bytes, look.dirty_bytes) == (600.0, 8.0)
    assert memory.limit_bytes() is None
    assert MemoryOfGroup(v2, "kubepods/gone").read() is None


def test_the_nodes_memory_is_read_in_bytes(tmp_path: Path) -> None:
    put(
        str(tmp_path),
        "meminfo",
        "MemTotal:  100 kB\nMemAvailable:   40 kB\nDirty: 3 kB\nWriteback: 2 kB\n",
    )
    node = MemoryOfNode(str(tmp_path)).read()
    assert node is not None
    assert (node.total_bytes, node.available_bytes) == (102_400.0, 40_960.0)
    assert (node.dirty_bytes, node.writeback_bytes) == (3072.0, 2048.0)
    put(str(tmp_path), "meminfo", "nothing")
    assert MemoryOfNode(str(tmp_path)).read() is None


def test_a_device_tells_how_busy_it_was_and_how_long_requests_took(tmp_path: Path) -> None:
    line = "{} 0 {} {} {} 0 {} {} 3 {} 0 0 0 0 0 0 0\n"
    path = put(str(tmp_path), "dev/block/254:0/stat", line.format(0, 0, 0, 0, 0, 0, 0))
    device = Device("254:0", str(tmp_path))
    assert device.read(1.0) is None
    path.write_text(line.format(10, 80, 20, 4, 2048, 400, 250))
    use = device.read(1.5)
    assert use is not None
    assert (use.busy_share, use.in_flight) == (0.5, 3.0)
    assert use.read_latency_s == pytest.approx(0.002)
    assert use.write_latency_s == pytest.approx(0.1)
    assert (use.read_bytes_per_s, use.written_bytes_per_s) == (81_920.0, 2_097_152.0)
    path.write_text(line.format(0, 0, 0, 0, 0, 0, 0))
    assert device.read(2.0) is None


def test_a_partition_counts_as_its_disk_and_no_device_as_all_real_ones(tmp_path: Path) -> None:
    sda = tmp_path / "devices/sda"
    (sda / "sda1").mkdir(parents=True)
    put(str(sda), "dev", "8:0\n")
    put(str(sda / "sda1"), "dev", "8:1\n")
    put(str(sda / "sda1"), "partition", "1\n")
    (sda / "device").mkdir()
    (tmp_path / "block").mkdir()
    (tmp_path / "block/sda").symlink_to(sda)
    (tmp_path / "block/loop0").mkdir()
    number = tmp_path.stat().st_dev
    (tmp_path / "dev/block").mkdir(parents=True)
    assert devices_of([str(tmp_path)], str(tmp_path)) == ("8:0",)
    here = tmp_path / f"dev/block/{number >> 8 & 0xFFF}:{number & 0xFF}"
    here.symlink_to(sda / "sda1")
    assert devices_of([str(tmp_path), "/nowhere"], str(tmp_path)) == ("8:0",)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_what_a_group_moves_is_added_up_over_devices(
    version: str, request: pytest.FixtureRequest
) -> None:
    layout: Layout = request.getfixturevalue(version)
    texts = {
        "v1": "8:0 Read {0}\n8:0 Write {1}\n8:0 Total 9\n8:16 Read 1\n8:16 Write 2\nTotal 9\n",
        "v2": "8:0 rbytes={0} wbytes={1} rios=5 wios=5\n8:16 rbytes=1 wbytes=2 rios=1 wios=1\n",
    }
    name = "io.stat" if version == "v2" else "blkio.throttle.io_service_bytes_recursive"
    path = put(layout.v1.get("blkio", layout.unified), f"{POD}/{name}", texts[version].format(0, 0))
    io = GroupIo(layout, POD)
    io.read(1.0)
    path.write_text(texts[version].format(1000, 4000))
    io.read(3.0)
    assert (io.read_bytes_per_s, io.written_bytes_per_s) == (500.0, 2000.0)


def test_who_dirties_pages_is_asked_process_by_process(v1: Layout, tmp_path: Path) -> None:
    put(v1.v1["cpu"], f"{POD}/c1/cgroup.procs", "7\n8\n")
    io = "rchar: 5\nwrite_bytes: {}\ncancelled_write_bytes: {}\n"
    seven = put(str(tmp_path), "proc/7/io", io.format(0, 0))
    put(str(tmp_path), "proc/8/io", io.format(0, 0))
    dirtying = Dirtying(v1, POD, str(tmp_path / "proc"))
    assert dirtying.read(1.0) is None
    seven.write_text(io.format(5000, 1000))
    assert dirtying.read(3.0) == 2000.0


def test_threads_are_counted_and_their_states_told(v1: Layout, tmp_path: Path) -> None:
    put(v1.v1["cpu"], f"{POD}/c1/tasks", "".join(f"{tid}\n" for tid in (1, 2, 3, 4)))
    for tid, state in enumerate("RSD", start=1):
        put(str(tmp_path), f"proc/{tid}/stat", f"{tid} (a) b) c) {state} 1 1\n")
    put(v1.v1["pids"], f"{POD}/pids.current", "30\n")
    states = Threads(v1, POD, str(tmp_path / "proc")).read()
    assert states is not None
    assert states.threads == 30
    assert states.ready_share == pytest.approx(1 / 3)
    assert states.blocked_share == pytest.approx(1 / 3)
    assert states.load(5.0) == pytest.approx(2.0)


def test_run_delay_is_the_mean_over_threads_that_stayed(tmp_path: Path) -> None:
    first = put(str(tmp_path), "1/schedstat", "5 0 1\n")
    put(str(tmp_path), "2/schedstat", "5 0 1\n")
    delay = RunDelay(str(tmp_path))
    assert delay.read(1.0, [1, 2]) is None
    first.write_text("5 1000000000 2\n")
    assert delay.read(3.0, [1, 2, 9]) == pytest.approx(0.25)


def test_what_a_namespace_sends_leaves_its_own_loop_out(tmp_path: Path) -> None:
    text = "Inter-|\n face |\n    lo: 9 9 9 9 9 9 9 9 99 9\n  eth0:1 2 3 4 5 6 7 8 {} 10 11\n"
    path = put(str(tmp_path), "5/net/dev", text.format(1000))
    sent = Sent(5, str(tmp_path))
    assert sent.read(1.0) is None
    path.write_text(text.format(3000))
    assert sent.read(2.0) == 2000.0


def test_tcps_troubles_are_found_by_their_names(tmp_path: Path) -> None:
    snmp = put(str(tmp_path), "5/net/snmp", "Tcp: A RetransSegs\nTcp: 1 10\n")
    netstat = put(str(tmp_path), "5/net/netstat", "TcpExt: ListenOverflows B\nTcpExt: 0 1\n")
    troubles = TcpTroubles(5, str(tmp_path))
    assert troubles.read(1.0) == (None, None)
    snmp.write_text("Tcp: A RetransSegs\nTcp: 1 30\n")
    netstat.write_text("TcpExt: ListenOverflows B\nTcpExt: 4 1\n")
    assert troubles.read(3.0) == (10.0, 2.0)
