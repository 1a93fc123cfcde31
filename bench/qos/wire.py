"""An uplink of the bench's own: pods, a node and the world outside in four network namespaces.

    online 10.77.1.2 --+
                        node --- uplink, RATE --- outside 10.77.3.2
    batch  10.77.2.2 --+

The rate is the far port's (a token bucket behind `outside`'s ingress), so that the node's own
uplink is free for an agent to shape, as on a real node behind a switch.
Always holds: nothing of the machine's own network is touched but namespaces with the bench's name.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.qos.groups import PREFIX

RATE_MBIT = 400
QUEUE_MS = 100
_PROGRAM = """
import socket, sys, threading
def send():
    while True:
        try:
            with socket.create_connection(("10.77.3.2", 9)) as to:
                while True: to.sendall(b"x" * 262144)
        except OSError: pass
def take(server):
    while True:
        c, _ = server.accept()
        threading.Thread(target=drain, args=(c,), daemon=True).start()
def drain(c):
    try:
        while c.recv(1 << 20): pass
    except OSError: pass
if sys.argv[1] == "sink":
    server = socket.create_server(("10.77.3.2", 9)); take(server)
for _ in range(8): threading.Thread(target=send, daemon=True).start()
threading.Event().wait()
"""


class Wire:
    """The namespaces NAME-node, -online, -batch and -outside."""

    online_ips = ("10.77.1.2",)
    batch_ips = ("10.77.2.2",)

    def __init__(self, name: str) -> None:
        self.name = name
        self._sink: subprocess.Popen[bytes] | None = None

    @property
    def online(self) -> list[str]:
        """Prefix of a command that runs in the online pod's network."""
        return self._inside("online")

    @property
    def node(self) -> list[str]:
        """Prefix of a command that runs in the node's network: the agent."""
        return self._inside("node")

    @property
    def outside(self) -> list[str]:
        """Prefix of a command that runs behind the uplink: the client."""
        return self._inside("outside")

    @property
    def batch(self) -> list[str]:
        """Prefix of a command that runs in the batch pod's network."""
        return self._inside("batch")

    @staticmethod
    def flood() -> Sequence[str]:
        """Eight connections, sending all they can."""
        return ["python3", "-I", "-S", "-c", _PROGRAM, "flood"]

    def make(self) -> None:
        """Namespaces, links, addresses, routes, the rate and the sink."""
        for part in ("node", "online", "batch", "outside"):
            _run("ip", "netns", "add", f"{self.name}-{part}")
            self._in(part, "ip", "link", "set", "lo", "up")
        for part, net in (("online", 1), ("batch", 2), ("outside", 3)):
            self._link(part, net, "uplink" if part == "outside" else f"veth-{part}")
        _run(*self.node, "sysctl", "-qw", "net.ipv4.ip_forward=1")
        self._in("node", "ip", "route", "add", "default", "via", "10.77.3.2")
        self._limit()
        self._sink = subprocess.Popen(  # noqa: S603 -- the bench's own command
            [*self.outside, sys.executable, "-I", "-S", "-c", _PROGRAM, "sink"]
        )

    def close(self) -> None:
        """Takes the namespaces away, and the links in them."""
        if self._sink:
            self._sink.kill()
            self._sink.wait()
        for part in ("node", "online", "batch", "outside"):
            with contextlib.suppress(subprocess.CalledProcessError):
                _run("ip", "netns", "del", f"{self.name}-{part}")

    def enter_node(self) -> None:
        """Moves the calling thread alone into the node's network."""
        fd = os.open(f"/run/netns/{self.name}-node", os.O_RDONLY)
        try:
            if ctypes.CDLL(None, use_errno=True).setns(fd, 0):
                raise OSError(ctypes.get_errno(), "setns")
        finally:
            os.close(fd)

    @staticmethod
    def sent_bytes() -> int:
        """What the batch pod has sent; asked from a thread that entered the node's network."""
        told = Path("/proc/thread-self/net/dev").read_text()
        line = next(part for part in told.splitlines() if "veth-batch:" in part)
        return int(line.split(":")[1].split()[0])

    @staticmethod
    def left_behind() -> list[str]:
        """Names of wires whose bench is dead."""
        listed = subprocess.run(
            ["ip", "netns", "list"],  # noqa: S607 -- found on PATH, as tc is
            capture_output=True,
            check=False,
            text=True,
        ).stdout
        names = {
            line.split()[0].rsplit("-", 1)[0]
            for line in listed.splitlines()
            if line.startswith(PREFIX)
        }
        return sorted(n for n in names if not _alive(n.removeprefix(PREFIX)))

    def _link(self, part: str, net: int, at_node: str) -> None:
        here, there = f"{self.name}-node", f"{self.name}-{part}"
        ends = ("peer", "name", "eth0", "netns", there)
        _run("ip", "-n", here, "link", "add", at_node, "type", "veth", *ends)
        _run("ip", "-n", here, "addr", "add", f"10.77.{net}.1/24", "dev", at_node)
        _run("ip", "-n", here, "link", "set", at_node, "up")
        _run("ip", "-n", there, "addr", "add", f"10.77.{net}.2/24", "dev", "eth0")
        _run("ip", "-n", there, "link", "set", "eth0", "up")
        _run("ip", "-n", there, "route", "add", "default", "via", f"10.77.{net}.1")

    def _limit(self) -> None:
        self._in("outside", "ip", "link", "add", "port", "type", "ifb")
        self._in("outside", "ip", "link", "set", "port", "up")
        self._in("outside", "tc", "qdisc", "add", "dev", "eth0", "ingress")
        redirect = ["mirred", "egress", "redirect", "dev", "port"]
        match = ["protocol", "all", "u32", "match", "u32", "0", "0", "action"]
        parent = ("parent", "ffff:")
        self._in("outside", "tc", "filter", "add", "dev", "eth0", *parent, *match, *redirect)
        shape = f"tbf rate {RATE_MBIT}mbit burst 256kb latency {QUEUE_MS}ms".split()
        self._in("outside", "tc", "qdisc", "add", "dev", "port", "root", *shape)

    def _in(self, part: str, *command: str) -> None:
        _run(*self._inside(part), *command)

    def _inside(self, part: str) -> list[str]:
        # `ip netns exec` would mount a /sys of its own, without control groups.
        return ["nsenter", f"--net=/run/netns/{self.name}-{part}"]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 -- ip and tc


def _alive(pid: str) -> bool:
    return subprocess.run(["kill", "-0", pid], capture_output=True, check=False).returncode == 0  # noqa: S603, S607
