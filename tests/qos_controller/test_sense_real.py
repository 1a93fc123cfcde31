"""The senses on this machine's own kernel: groups, sockets and disks of a test's own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from qos_controller.adapters.cgroups.layout import Layout, find_layout
from qos_controller.adapters.sense.bpf import KernelHistograms
from qos_controller.adapters.sense.dirtying import Dirtying
from qos_controller.adapters.sense.namespaces import _step_into, namespace_of, socket_in
from qos_controller.adapters.sense.network import FLOOD_BYTES_PER_S, Network
from qos_controller.adapters.sense.processes import processes_of, threads_of
from qos_controller.adapters.sense.run_delay import RunDelay
from qos_controller.adapters.sense.senses import Senses
from qos_controller.adapters.sense.sockets import Round, Sockets
from qos_controller.adapters.sense.traffic import Sent, TcpTroubles
from qos_controller.core.pods import Pod, Slo
from qos_controller.core.sample import PodUse, Sample

ROOT = Path("/sys/fs/cgroup")
real = pytest.mark.skipif(
    "CI" not in os.environ and (os.geteuid() != 0 or not os.access(ROOT, os.W_OK)),
    reason="needs root and writable cgroups",
)
pytestmark = real

SPIN = "while True: pass"
READ = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_RDONLY)
while True:
    os.pread(fd, 4096, 0)
    time.sleep(0.01)
"""
WRITE = """
import os, sys, time
fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY | os.O_APPEND)
while True:
    os.write(fd, b'x' * 65536)
    time.sleep(0.01)
"""


class Node:
    """A tree of pods of this test's own in every hierarchy."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack
        self.top = f"slacktide-test-{os.getpid()}"
        self.layout = find_layout(str(ROOT), self.top)
        # A cpuset must be filled before it takes a process, and is not looked at here.
        read = ("cpu", "cpuacct", "memory", "blkio", "pids")
        mounts = [self.layout.mount_of(name) for name in read]
        self.mounts = {*mounts, self.layout.unified} - {""}
        stack.callback(self._remove)

    def pod(self, uid: str, qos: str) -> str:
        group = self.layout.directory_of_pod(qos, uid)  # type: ignore[arg-type]  # a test's word
        for mount in self.mounts:
            Path(mount, group, "c1").mkdir(parents=True)
        return group

    def run(self, group: str, program: str, *arguments: str) -> int:
        """Starts it in the group; it ends with the test."""
        command = [sys.executable, "-c", program, *arguments]
        process = subprocess.Popen(command)  # ended below
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        for mount in self.mounts:
            Path(mount, group, "c1", "cgroup.procs").write_text(str(process.pid))
        return process.pid

    def _remove(self) -> None:
        for mount in self.mounts:
            for directory, _, _ in os.walk(Path(mount, self.top), topdown=False):
                Path(directory).rmdir()


@pytest.fixture
def node() -> Iterator[Node]:
    with ExitStack() as stack:
        yield Node(stack)


def looked(senses: Senses, seen: Callable[[Sample], bool], *, pressed: bool = False) -> Sample:
    """Looks each 25 ms until something is seen."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        sample = senses.read(time.monotonic(), pressed=pressed)
        if seen(sample):
            return sample
        time.sleep(0.025)
    raise AssertionError(f"not seen in 20 s: {sample}")


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def book(node: Node) -> tuple[list[Pod], dict[str, str]]:
    groups = {"web": node.pod("web", "burstable"), "job": node.pod("job", "besteffort")}
    pods = [
        Pod(uid="web", namespace="d", name="web", batch=False, slo=Slo(bound_s=0.1)),
        Pod(uid="job", namespace="d", name="job", batch=True, batch_cpu_cores=1.5),
    ]
    return pods, groups


@pytest.fixture
def senses(node: Node) -> Iterator[Senses]:
    made = Senses(node.layout)
    yield made
    made.close()


def test_cpu_time_is_laid_at_the_right_door(node: Node, senses: Senses) -> None:
    pods, groups = book(node)
    senses.follow(pods, groups)
    node.run(groups["job"], SPIN)
    sample = looked(senses, lambda it: it.signals.offline_used_cores > 0.1)
    assert sample.signals.online_used_cores < 0.1
    assert sample.signals.offline_held_cores == 1.5
    sample = looked(senses, lambda it: any((use.cpu_cores or 0) > 0.1 for use in it.offline))
    (use,) = sample.offline
    assert use.uid == "job"
    assert use.memory_bytes is not None


def test_online_that_waits_for_batch_is_stalled(node: Node, senses: Senses) -> None:
    if not Path(node.layout.unified, "cpu.pressure").exists():
        pytest.skip("this kernel has no PSI")
    pods, groups = book(node)
    senses.follow(pods, groups)
    for group in groups.values():
        pid = node.run(group, SPIN)
        os.sched_setaffinity(pid, {0})
    looked(senses, lambda it: (it.signals.online_full_share or 0) > 0.1)


def test_pods_that_come_and_go_are_taken_up_and_let_go(node: Node, senses: Senses) -> None:
    pods, groups = book(node)
    after = []
    for _ in range(3):
        senses.follow(pods, groups)
        senses.read(time.monotonic(), pressed=True)
        during = open_files()
        senses.follow([], {})
        senses.read(time.monotonic(), pressed=True)
        after.append(open_files())
        assert after[-1] < during
    assert after[0] == after[1] == after[2]


def test_a_group_that_vanishes_between_two_ticks_is_no_error(node: Node, senses: Senses) -> None:
    pods, groups = book(node)
    senses.follow(pods, groups)
    senses.read(1.0)
    for mount in node.mounts:
        for directory, _, _ in os.walk(Path(mount, groups["job"]), topdown=False):
            Path(directory).rmdir()
    for tick in range(2, 8):
        (use,) = senses.read(float(tick), pressed=True).offline
    assert (use.cpu_cores, use.memory_bytes) == (None, None)


def test_the_node_has_memory_and_a_disk(senses: Senses) -> None:
    memory = looked(senses, lambda it: it.memory is not None).memory
    assert memory is not None
    assert 0 < memory.available_bytes <= memory.capacity_bytes
    disk = looked(senses, lambda it: it.disk is not None and it.disk.busy_share is not None).disk
    assert disk is not None
    assert disk.dirty_bytes is not None


def test_who_writes_is_known_before_the_disk_is(node: Node, tmp_path: Path) -> None:
    group = node.pod("job", "besteffort")
    node.run(group, WRITE, str(tmp_path / "big"))
    dirtying = Dirtying(node.layout, group)
    deadline = time.monotonic() + 20
    while not dirtying.read(time.monotonic()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_processes_and_threads_of_a_pod_are_bounded(node: Node) -> None:
    group = node.pod("job", "besteffort")
    pids = [node.run(group, SPIN) for _ in range(3)]
    assert sorted(processes_of(node.layout, group)) == sorted(pids)
    assert len(processes_of(node.layout, group, most=2)) == 2
    assert len(threads_of(node.layout, group, most=2)) == 2
    assert processes_of(node.layout, "nowhere") == []


def test_a_thread_that_shares_its_cpu_waits_for_it(node: Node) -> None:
    group = node.pod("job", "besteffort")
    pids = [node.run(group, SPIN) for _ in range(2)]
    for pid in pids:
        os.sched_setaffinity(pid, {0})
    delay = RunDelay()
    deadline = time.monotonic() + 20
    while not (delay.read(time.monotonic(), pids) or 0.0) > 0.05:
        assert time.monotonic() < deadline
        time.sleep(0.05)


def asked(sockets: Sockets) -> Round:
    sockets.ask()
    while sockets.asking:
        sockets.step()
    assert sockets.last is not None
    return sockets.last


@pytest.fixture
def own_network() -> Iterator[int]:
    """A process in a network namespace of its own, its loop up."""
    script = "ip link set lo up && echo up && exec sleep 60"
    command = ["unshare", "--net", "sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"up\n"
            yield process.pid
        finally:
            process.kill()


def listening(pid: int, backlog: int) -> tuple[socket.socket, tuple[str, int]]:
    server = socket_in(pid, socket.AF_INET, socket.SOCK_STREAM)
    server.bind(("127.0.0.1", 0))
    server.listen(backlog)
    return server, server.getsockname()


def test_round_trips_and_queues_are_seen_from_outside_the_namespace(own_network: int) -> None:
    home = namespace_of("self")
    server, address = listening(own_network, 4)
    assert namespace_of("self") == home
    clients = []
    for _ in range(2):
        client = socket_in(own_network, socket.AF_INET, socket.SOCK_STREAM)
        client.connect(address)
        clients.append(client)
    accepted, _ = server.accept()
    accepted.sendall(b"x")
    clients[0].recv(1)
    sockets = Sockets(own_network)
    seen = asked(sockets)
    assert seen.connections == 4
    assert seen.srtt_s is not None
    assert 0 < seen.srtt_s < 1
    assert seen.backlog_share == 0.25
    for it in (server, accepted, *clients):
        it.close()
    assert asked(sockets).backlog_share is None
    sockets.close()


def test_a_full_listen_queue_overflows_and_what_is_sent_is_counted(own_network: int) -> None:
    troubles, sent = TcpTroubles(own_network), Sent(own_network)
    troubles.read(1.0)
    server, address = listening(own_network, 0)
    clients = [socket_in(own_network, socket.AF_INET, socket.SOCK_STREAM) for _ in range(4)]
    for client in clients:
        client.setblocking(False)
        client.connect_ex(address)
    deadline = time.monotonic() + 20
    while not troubles.read(time.monotonic())[1]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    # Only its loop is there, so nothing leaves.
    assert sent.read(1.0) is None
    assert sent.read(2.0) in {None, 0.0}
    for it in (server, *clients):
        it.close()


@pytest.mark.parametrize(("sent", "least", "most"), [(0.0, 1, 1), (2 * FLOOD_BYTES_PER_S, 5, 25)])
def test_while_batch_floods_onlines_connections_are_looked_at_often(
    sent: float, least: int, most: int
) -> None:
    network = Network(find_layout(str(ROOT)), link_bytes_per_s=None, sent_s=60.0, sockets_s=60.0)
    network.follow({})
    flood = (PodUse(uid="batch", sent_bytes_per_s=sent),)
    seen = [network.read(0.025 * tick, flood) for tick in range(200)]
    network.close()
    # A look takes more ticks where this machine has many sockets.
    assert least <= sum(look is not None for look in seen) <= most


def test_a_process_that_is_gone_is_an_error_and_leaves_us_at_home() -> None:
    home = namespace_of("self")
    with pytest.raises(OSError, match="No such file"):
        socket_in(2**22 - 1, socket.AF_INET, socket.SOCK_DGRAM)
    assert namespace_of("self") == home


def test_our_round_trips_are_those_that_pyroute2_reads(own_network: int) -> None:
    pytest.importorskip("pyroute2", reason="pyroute2 is not installed")
    from pyroute2 import DiagSocket  # type: ignore[import-not-found,import-untyped,unused-ignore]

    server, address = listening(own_network, 4)
    client = socket_in(own_network, socket.AF_INET, socket.SOCK_STREAM)
    client.connect(address)
    found: list[int] = []

    def in_there() -> None:
        # A thread may stay in the other namespace for as long as it lives.
        with Path(f"/proc/{own_network}/ns/net").open() as namespace:
            _step_into(namespace.fileno())
        with DiagSocket() as diag:
            diag.bind()
            answers = diag.get_sock_stats(
                family=socket.AF_INET, protocol=6, states=1 << 1, extensions=2
            )
            found.extend(it.get_attr("INET_DIAG_INFO")["tcpi_rtt"] for it in answers)

    thread = threading.Thread(target=in_there)
    thread.start()
    thread.join()
    sockets = Sockets(own_network)
    asked(sockets)
    assert sorted(sockets._rtts_us) == sorted(rtt for rtt in found if rtt)
    server.close()
    client.close()
    sockets.close()


@pytest.mark.skipif(not shutil.which("bpftrace"), reason="bpftrace is not installed")
def test_the_kernel_tells_how_long_files_took_where_it_lets_us_ask(
    node: Node, tmp_path: Path
) -> None:
    group = node.pod("web", "burstable")
    (tmp_path / "file").write_bytes(b"x" * 4096)
    node.run(group, READ, str(tmp_path / "file"))
    kernel = KernelHistograms(node.layout, [f"{group}/c1"])
    try:
        deadline = time.monotonic() + 60
        while "files" not in kernel.last:
            kernel.read()
            if kernel.why_not:
                pytest.skip(kernel.why_not)
            assert time.monotonic() < deadline
            time.sleep(0.05)
        seen = kernel.last["files"]
        assert 0 < seen.count < 200
        assert 0 < seen.p50_s <= seen.p99_s
    finally:
        kernel.close()
    kernel.read()


def test_what_was_not_looked_at_in_a_tick_is_not_told_again(node: Node, senses: Senses) -> None:
    pods, groups = book(node)
    senses.follow(pods, groups)
    samples = [senses.read(1.0 + tick * 0.025) for tick in range(40)]
    for name in ("disk", "memory", "offline"):
        told = [bool(getattr(sample, name)) for sample in samples]
        assert 3 <= sum(told) <= 11, name
    assert all(len(sample.offline) in {0, 1} for sample in samples)


def test_a_glance_asks_for_a_whole_look_where_an_answer_was_late_or_nearly(
    node: Node, senses: Senses
) -> None:
    pods, groups = book(node)
    senses.follow([replace(pods[0], slo=Slo(bound_s=0.1)), pods[1]], groups)
    told = senses.services.get(pods[0].uid)
    assert told is not None
    senses.read(1.0)
    for tick, (latency_s, near) in enumerate([(0.07, False), (0.09, True), (0.11, True)]):
        told.add(latency_s)
        assert senses.stirs(2.0 + tick) is near
        assert senses.stirs(2.1 + tick) is near
        (service,) = senses.read(2.1 + tick).services
        assert service.latency_s == latency_s
    assert not senses.stirs(9.0)


def test_what_a_glance_saw_of_the_disk_is_told_with_the_next_whole_look(
    node: Node, senses: Senses
) -> None:
    pods, groups = book(node)
    senses.follow(pods, groups)
    senses.read(1.0)
    for tick in range(1, 8):
        senses.stirs(1.0 + tick * 0.025)
    assert senses.read(1.2).disk is not None
    assert senses.read(1.201).disk is None


def test_a_pod_whose_owner_said_no_is_in_no_tuple(node: Node, senses: Senses) -> None:
    pods, groups = book(node)
    senses.follow([pods[0], replace(pods[1], managed=False)], groups)
    for tick in range(12):
        sample = senses.read(1.0 + tick * 0.025)
        assert (sample.offline, sample.signals.offline_tasks) == ((), ())


def test_without_anything_the_senses_still_answer(tmp_path: Path) -> None:
    layout = Layout(root=str(tmp_path), unified=str(tmp_path), kubepods="kubepods")
    senses = Senses(layout, proc=str(tmp_path), sys=str(tmp_path), capacity_cores=4.0)
    senses.follow([Pod(uid="a", namespace="d", name="a", batch=True)], {"a": "kubepods/poda"})
    for tick in range(3):
        sample = senses.read(float(tick))
    signals = sample.signals
    assert (signals.online_full_share, signals.requests, sample.memory) == (None, None, None)
    assert (signals.capacity_cores, signals.offline_used_cores) == (4.0, 0.0)
    senses.close()
