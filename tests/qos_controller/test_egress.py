"""The ceiling on what batch sends, in real network namespaces: two pods, a node, a world."""

import ctypes
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.egress import DEVICE, LEDGER, Egress, restore_egress
from qos_controller.adapters.pod_links import links_of
from qos_controller.adapters.rtnetlink import Link, Netlink
from qos_controller.app.sending import Sending

T = TypeVar("T")
needs_root = pytest.mark.skipif(
    os.geteuid() != 0 and "CI" not in os.environ, reason="makes network namespaces, as root only"
)
NIC_BYTES_PER_S = 5e6
CEILING_BYTES_PER_S = 2e6
TAKEN_AWAY = f"{DEVICE}: taken away"
FLOOD = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.99.0.2", 9))
end = time.monotonic() + 30
said = False
while time.monotonic() < end:
    for _ in range(20):
        try: s.send(b"x" * 1400)
        except OSError: pass
    time.sleep(0.001)
    if not said and time.monotonic() > end - 29.7:
        print("full", flush=True)
        said = True
"""
ECHO = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("10.99.0.2", 7))
print("up", flush=True)
while True:
    data, who = s.recvfrom(2048)
    s.sendto(data, who)
"""
ROUND_TRIPS = """
import socket, statistics, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.99.0.2", 7)); s.settimeout(0.5)
took = []
for _ in range(8):
    began = time.monotonic()
    try:
        s.send(b"hello"); s.recv(64)
    except TimeoutError: pass
    took.append(time.monotonic() - began)
    time.sleep(0.005)
print(statistics.median(took), min(took))
"""


def run(command: str) -> None:
    subprocess.run(command.split(), check=True, capture_output=True, text=True)


def inside(pid: int, make: Callable[[], T]) -> T:
    """What `make` makes in the network namespace of a process; sockets stay there."""
    made: list[T] = []

    def work() -> None:
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        try:
            assert ctypes.CDLL(None, use_errno=True).setns(fd, 0x40000000) == 0
            made.append(make())
        finally:
            os.close(fd)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return made[0]


@dataclass
class Net:
    """A node with a slow NIC, a batch and an online pod, and the world."""

    node: int
    batch: int
    online: int
    world: int

    def python(self, pid: int, code: str) -> subprocess.Popen[str]:
        command = ["nsenter", "-t", str(pid), "-n", sys.executable, "-c", code]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def sent_bytes(self) -> int:
        """By the node's uplink, since it was made."""
        for line in Path(f"/proc/{self.node}/net/dev").read_text().splitlines():
            name, _, numbers = line.partition(":")
            if name.strip() == "uplink":
                return int(numbers.split()[8])
        raise AssertionError

    def round_trips_s(self) -> tuple[float, float]:
        """Median and least; the least is what a busy machine does not lengthen."""
        with self.python(self.online, ROUND_TRIPS) as asked:
            median_s, least_s = asked.communicate(timeout=60)[0].split()
        return float(median_s), float(least_s)


@contextmanager
def namespace() -> Iterator[int]:
    """A process that holds a network namespace of its own."""
    with subprocess.Popen(["unshare", "-n", "cat"], stdin=subprocess.PIPE) as process:
        mine = Path("/proc/self/ns/net").stat().st_ino
        while Path(f"/proc/{process.pid}/ns/net").stat().st_ino == mine:
            os.sched_yield()
        try:
            yield process.pid
        finally:
            process.kill()


def ip(pid: int, commands: str) -> None:
    entered = ["nsenter", "-t", str(pid), "-n", "ip", "-batch", "-"]
    subprocess.run(entered, check=True, input=commands, text=True)


def connect(node: int, other: int, *, name: str, subnet: str) -> None:
    ip(
        node,
        f"link add {name} type veth peer name eth0 netns {other}\n"
        f"addr add {subnet}.1/24 dev {name}\nlink set {name} up\n",
    )
    ip(
        other,
        f"addr add {subnet}.2/24 dev eth0\nlink set eth0 up\nroute add default via {subnet}.1\n",
    )


@pytest.fixture
def net() -> Iterator[Net]:
    with ExitStack() as stack:
        node, batch, online, world = (stack.enter_context(namespace()) for _ in range(4))
        connect(node, world, name="uplink", subnet="10.99.0")
        connect(node, batch, name="batch", subnet="10.99.1")
        connect(node, online, name="online", subnet="10.99.2")
        run(f"nsenter -t {node} -n sysctl -qw net.ipv4.ip_forward=1")
        tc = f"nsenter -t {node} -n tc"
        run(f"{tc} qdisc add dev uplink root handle 1: htb default 1")
        run(f"{tc} class add dev uplink parent 1: classid 1:1 htb rate {NIC_BYTES_PER_S * 8:.0f}")
        yield Net(node, batch, online, world)


@pytest.fixture
def netlink(net: Net) -> Iterator[Netlink]:
    with inside(net.node, Netlink) as opened:
        yield opened


def by_name(netlink: Netlink) -> dict[str, Link]:
    return {one.name: one for one in netlink.links()}


@needs_root
def test_a_pods_link_is_found_by_one_of_its_processes(net: Net, netlink: Netlink) -> None:
    found = links_of(netlink, {"b": net.batch, "o": net.online, "host": net.node, "gone": 2**22})
    assert {pod: link.name for pod, link in found.items()} == {"b": "batch", "o": "online"}


@needs_root
def test_a_flood_is_held_and_online_answers_as_before(
    net: Net, netlink: Netlink, tmp_path: Path
) -> None:
    batch = links_of(netlink, {"b": net.batch})
    egress = Egress(tmp_path, netlink)
    egress.follow(batch)
    with net.python(net.world, ECHO) as echo, net.python(net.batch, FLOOD) as flood:
        try:
            assert echo.stdout is not None
            assert flood.stdout is not None
            assert echo.stdout.readline() == "up\n"
            assert flood.stdout.readline() == "full\n"
            flooded_s, _ = net.round_trips_s()
            assert egress.set_ceiling(CEILING_BYTES_PER_S)
            net.round_trips_s()  # the NIC's queue drains in the meantime
            _, held_s = net.round_trips_s()
            began_s, before = time.monotonic(), net.sent_bytes()
            time.sleep(0.5)  # what is measured is a rate: it needs time to be one
            sent_bytes_per_s = (net.sent_bytes() - before) / (time.monotonic() - began_s)
        finally:
            flood.kill()
            echo.kill()
    assert not egress.refused
    assert 0 < sent_bytes_per_s < 1.15 * CEILING_BYTES_PER_S
    assert held_s < flooded_s / 5


@needs_root
def test_a_ceiling_is_changed_by_one_message_and_lifted(
    net: Net, netlink: Netlink, tmp_path: Path
) -> None:
    egress = Egress(tmp_path, netlink)
    egress.follow(links_of(netlink, {"b": net.batch}))
    assert egress.set_ceiling(1e6)
    began_s = time.perf_counter()
    for step in range(100):
        assert egress.set_ceiling(1e6 + step)
    cost_s = (time.perf_counter() - began_s) / 100
    shown = subprocess.run(
        f"nsenter -t {net.node} -n tc class show dev {DEVICE}".split(),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "ceil 8Mbit" in shown
    assert cost_s < 0.005
    assert egress.set_ceiling(None)
    assert egress.ceiling_bytes_per_s is None


@needs_root
def test_everything_made_is_in_the_ledger_and_goes_by_it(
    net: Net, netlink: Netlink, tmp_path: Path
) -> None:
    egress = Egress(tmp_path, netlink)
    egress.follow(links_of(netlink, {"b": net.batch}))
    assert not (tmp_path / LEDGER).exists()
    egress.set_ceiling(1e6)
    assert json.loads((tmp_path / LEDGER).read_text())["links"][0][1] == "batch"
    assert restore_egress(tmp_path, netlink) == [
        "batch: packets go their own way again",
        TAKEN_AWAY,
    ]
    assert DEVICE not in by_name(netlink)
    assert not (tmp_path / LEDGER).exists()
    assert restore_egress(tmp_path, netlink) == []


@needs_root
def test_a_link_that_another_directs_is_left_alone(
    net: Net, netlink: Netlink, tmp_path: Path
) -> None:
    run(f"nsenter -t {net.node} -n tc qdisc add dev batch ingress")
    egress = Egress(tmp_path, netlink)
    egress.follow(links_of(netlink, {"b": net.batch, "o": net.online}))
    assert egress.set_ceiling(1e6)
    assert egress.refused == {"b": "batch: somebody else directs its packets"}
    egress.follow(links_of(netlink, {"o": net.online}))
    assert not egress.refused
    assert egress.restore() == [
        "online: packets go their own way again",
        TAKEN_AWAY,
    ]


@needs_root
def test_a_link_that_outlives_its_pod_goes_its_own_way_again(
    net: Net, netlink: Netlink, tmp_path: Path
) -> None:
    egress = Egress(tmp_path, netlink)
    egress.set_ceiling(1e6)
    egress.follow(links_of(netlink, {"b": net.batch}))
    egress.follow({})
    shown = subprocess.run(
        f"nsenter -t {net.node} -n tc qdisc show dev batch".split(),
        check=True,
        capture_output=True,
        text=True,
    )
    assert "ingress" not in shown.stdout
    assert egress.restore() == [TAKEN_AWAY]


@needs_root
def test_a_pod_that_comes_later_is_held_at_once_and_one_that_left_is_forgotten(
    net: Net, netlink: Netlink, tmp_path: Path
) -> None:
    egress = Egress(tmp_path, netlink)
    egress.set_ceiling(1e6)
    egress.follow(links_of(netlink, {"b": net.batch}))
    assert [name for _, name in json.loads((tmp_path / LEDGER).read_text())["links"]] == ["batch"]
    run(f"nsenter -t {net.node} -n ip link del batch")
    egress.follow({})
    assert json.loads((tmp_path / LEDGER).read_text())["links"] == []
    assert egress.restore() == [TAKEN_AWAY]


@needs_root
def test_the_loops_hand_finds_links_by_groups_and_looks_again_for_those_that_come_up_late(
    net: Net, netlink: Netlink, tmp_path: Path
) -> None:
    procs = tmp_path / "cgroup/cpu/kubepods/besteffort/podb/cgroup.procs"
    procs.parent.mkdir(parents=True)
    procs.write_text("")
    said: list[str] = []
    layout = find_layout(str(tmp_path / "cgroup"))
    sending = Sending(tmp_path, layout, said.append)
    sending.know({"b": "kubepods/besteffort/podb"})
    assert sending.set_ceiling(None, 0.0) == ""
    assert not (tmp_path / LEDGER).exists()
    assert inside(net.node, lambda: sending.set_ceiling(1e6, 0.0)) == ""
    assert json.loads((tmp_path / LEDGER).read_text())["links"] == []
    procs.write_text(f"{net.batch}\n")
    sending.tend(0.05)
    assert json.loads((tmp_path / LEDGER).read_text())["links"] == []
    sending.tend(0.2)
    assert [name for _, name in json.loads((tmp_path / LEDGER).read_text())["links"]] == ["batch"]
    run(f"nsenter -t {net.node} -n tc qdisc add dev online ingress")
    (tmp_path / "cgroup/cpu/kubepods/podo").mkdir()
    (tmp_path / "cgroup/cpu/kubepods/podo/cgroup.procs").write_text(f"{net.online}\n")
    sending.know({"b": "kubepods/besteffort/podb", "o": "kubepods/podo"})
    for now_s in (2.0, 4.0, 6.0):
        sending.tend(now_s)
    assert said == ["egress of o: online: somebody else directs its packets"]
    assert sending.restore() == [
        "batch: packets go their own way again",
        TAKEN_AWAY,
    ]
    assert DEVICE not in by_name(netlink)


@needs_root
def test_a_device_of_that_name_that_is_not_ours_is_left_alone(
    net: Net, netlink: Netlink, tmp_path: Path
) -> None:
    ip(net.node, f"link add {DEVICE} type bridge\n")
    egress = Egress(tmp_path, netlink)
    egress.follow(links_of(netlink, {"b": net.batch}))
    assert not egress.set_ceiling(1e6)
    assert egress.refused[""].endswith(f"{DEVICE} is somebody else's bridge")
    assert egress.restore() == []
    assert by_name(netlink)[DEVICE].kind == "bridge"


@needs_root
def test_a_kernel_that_refuses_is_said_and_does_no_harm(net: Net, tmp_path: Path) -> None:
    closed = inside(net.node, Netlink)
    closed.close()
    egress = Egress(tmp_path, closed)
    assert not egress.set_ceiling(1e6)
    assert "refuses a ceiling" in egress.refused[""]
    assert egress.ceiling_bytes_per_s is None


def test_a_ledger_that_is_not_one_is_an_error_with_its_path(tmp_path: Path) -> None:
    (tmp_path / LEDGER).write_text('{"links": [1]}')
    with Netlink() as netlink, pytest.raises(ValueError, match=r"egress\.json is not a ledger"):
        restore_egress(tmp_path, netlink)
