"""A ceiling for what all batch pods of the node send together.

    batch pod's eth0 = host's veth --ingress, redirect--> slacktide-out (ifb) --HTB 1:1--> onwards

What is made is written down first, in RUN_DIR/egress.json, so that whoever comes later can take it
away. Nothing is made until the first ceiling is set; from then on a change is one message. Always
holds: a link that somebody else already directs (the bandwidth plugin, Cilium) is left alone and
named in `refused`; online's links are never touched.

Source of the scheme: tc-mirred(8), ifb; HTB: linux/pkt_sched.h (a tick of its buffers is 64 ns).
"""

from __future__ import annotations

import contextlib
import errno
import json
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from qos_controller.adapters.rtnetlink import (
    CREATE_NEW,
    REPLACE,
    Link,
    Netlink,
    attribute,
)

DEVICE: Final = "slacktide-out"
LEDGER: Final = "egress.json"

_NEW_QDISC, _DEL_QDISC = 36, 37
_NEW_CLASS = 40
_NEW_FILTER, _DEL_FILTER, _GET_FILTER = 44, 45, 46
_CREATE = 0x400

_TC: Final = struct.Struct("=BxxxiIII")  # family, interface, handle, parent, info
_INGRESS, _INGRESS_HANDLE, _ROOT = 0xFFFFFFF1, 0xFFFF0000, 0xFFFFFFFF
_TREE, _CLASS = 0x10000, 0x10001
_KIND, _OPTIONS = 1, 2
_PRIORITY: Final = 0xC1DE
"""The filter's, by which it is known as ours."""
_ALL_PROTOCOLS: Final = 0x0300  # ETH_P_ALL in network order
_FILTER_INFO: Final = _PRIORITY << 16 | _ALL_PROTOCOLS

_QUEUE_PACKETS: Final = 256
_UNLIMITED_BYTES_PER_S: Final = 125e9  # a terabit a second: no ceiling
_LEAST_BYTES_PER_S: Final = 1_000.0
_BURST_S: Final = 0.002
_BURST_BYTES: Final = 16_384
_TICK_S: Final = 64e-9


@dataclass(frozen=True, slots=True)
class _Made:
    """What was made, as the ledger keeps it."""

    device: str
    links: tuple[tuple[int, str], ...] = ()
    """Interface number and name, of each link that was redirected."""


class Egress:
    """The ceiling; one for a node. Errors of the kernel end up in `refused`, never in the loop."""

    def __init__(self, run_dir: Path, netlink: Netlink, *, device: str = DEVICE) -> None:
        """`netlink` must be open in the node's own network namespace."""
        self._run_dir = run_dir
        self._netlink = netlink
        self._device = device
        self._index: int | None = None
        self._wanted: dict[str, Link] = {}
        self._made = _Made(device)
        self._ceiling: float | None = None
        self.refused: dict[str, str] = {}
        """Pod, or "" for the whole, -> why it sends without a ceiling."""

    @property
    def ceiling_bytes_per_s(self) -> float | None:
        """In force now; None where there is none."""
        return self._ceiling if self._index is not None else None

    def follow(self, links: Mapping[str, Link]) -> None:
        """These are the batch pods' links now, by UID; who is gone took its link along."""
        self._wanted = dict(links)
        self.refused = {pod: why for pod, why in self.refused.items() if pod in links or not pod}
        if self._index is not None:
            self._redirect()

    def set_ceiling(self, bytes_per_s: float | None) -> bool:
        """All followed pods together may send this much; None lifts it. True: it is in force."""
        if self._index is None and bytes_per_s is None:
            return True
        try:
            if self._index is None:
                self._index = self._make()
            self._netlink.tell(_NEW_CLASS, *_class_of(self._index, bytes_per_s))
        except OSError as error:
            self.refused[""] = f"the kernel refuses a ceiling: {error.strerror or error}"
            return False
        self.refused.pop("", None)
        self._ceiling = bytes_per_s
        self._redirect()
        return True

    def restore(self) -> list[str]:
        """Takes everything away again; says what it did."""
        self._index = self._ceiling = None
        self._made = _Made(self._device)
        return restore_egress(self._run_dir, self._netlink)

    def _make(self) -> int:
        self._remember(_Made(self._device))
        try:
            self._netlink.add_link(self._device, "ifb", queue_packets=_QUEUE_PACKETS)
        except OSError as error:
            if error.errno != errno.EEXIST:
                raise
        found = next(one for one in self._netlink.links() if one.name == self._device)
        if found.kind != "ifb":
            raise OSError(errno.EEXIST, f"{self._device} is somebody else's {found.kind or 'link'}")
        self._netlink.tell(_NEW_QDISC, _tree(found.index), _CREATE | REPLACE)
        return found.index

    def _redirect(self) -> None:
        """Sends the packets of every link not yet redirected through the device."""
        made = {one.index: one.name for one in self._wanted.values()}
        kept = tuple(one for one in self._made.links if made.get(one[0]) == one[1])
        if kept != self._made.links:
            self._release({*self._made.links} - {*kept})
            self._remember(_Made(self._device, kept))
        known = {index for index, _ in kept}
        for pod, link in self._wanted.items():
            if link.index not in known and pod not in self.refused:
                self._redirect_one(pod, link)

    def _release(self, left: set[tuple[int, str]]) -> None:
        """A link that outlives its pod goes its own way again; most go with it."""
        there = {(one.index, one.name) for one in self._netlink.links()}
        for index, _ in left & there:
            with contextlib.suppress(OSError):  # it leaves just now
                _release(self._netlink, index)

    def _redirect_one(self, pod: str, link: Link) -> None:
        before = self._made
        self._remember(_Made(self._device, (*before.links, (link.index, link.name))))
        try:
            self._netlink.tell(_NEW_QDISC, _ingress(link.index), CREATE_NEW)
            self._netlink.tell(_NEW_FILTER, _redirection(link.index, self._index or 0), CREATE_NEW)
        except OSError as error:
            self._remember(before)
            if error.errno == errno.ENODEV:
                return  # it left meanwhile
            other = "somebody else directs its packets" if error.errno == errno.EEXIST else ""
            self.refused[pod] = f"{link.name}: {other or error.strerror or error}"

    def _remember(self, made: _Made) -> None:
        _write(self._run_dir / LEDGER, made)
        self._made = made


def restore_egress(run_dir: Path, netlink: Netlink) -> list[str]:
    """Takes away what RUN_DIR/egress.json names, and the ledger with it; says what it did."""
    path = run_dir / LEDGER
    made = _read(path)
    if made is None:
        return []
    names = {one.index: one for one in netlink.links()}
    said = []
    for index, name in made.links:
        if index in names and names[index].name == name and _release(netlink, index):
            said.append(f"{name}: packets go their own way again")
    for link in names.values():
        if link.name == made.device and link.kind == "ifb":
            netlink.delete_link(link.index)
            said.append(f"{link.name}: taken away")
    path.unlink(missing_ok=True)
    return said


def _release(netlink: Netlink, index: int) -> bool:
    """Takes our filter from a link, and the ingress qdisc where nobody else uses it."""
    ours, others = _filters(netlink, index)
    if not ours:
        return False
    if others:
        netlink.tell(_DEL_FILTER, _TC.pack(0, index, 0, _INGRESS_HANDLE, _FILTER_INFO))
    else:
        netlink.tell(_DEL_QDISC, _TC.pack(0, index, _INGRESS_HANDLE, _INGRESS, 0))
    return True


def _filters(netlink: Netlink, index: int) -> tuple[bool, bool]:
    """Whether our filter, and whether another's, is on the link's ingress."""
    asked = _TC.pack(0, index, 0, _INGRESS_HANDLE, 0)
    priorities = {_TC.unpack_from(body)[4] >> 16 for body in netlink.dump(_GET_FILTER, asked)}
    return _PRIORITY in priorities, bool(priorities - {_PRIORITY})


def _ingress(index: int) -> bytes:
    return _TC.pack(0, index, _INGRESS_HANDLE, _INGRESS, 0) + attribute(_KIND, b"ingress\0")


def _tree(index: int) -> bytes:
    """HTB version 3 whose default, and only, class is 1:1."""
    start = attribute(2, struct.pack("=5I", 3, 10, 1, 0, 0))
    body = _TC.pack(0, index, _TREE, _ROOT, 0) + attribute(_KIND, b"htb\0")
    return body + attribute(_OPTIONS, start)


def _class_of(index: int, bytes_per_s: float | None) -> tuple[bytes, int]:
    """The class with its rate, in one message that makes or changes it."""
    rate = max(bytes_per_s if bytes_per_s is not None else _UNLIMITED_BYTES_PER_S, 1.0)
    rate = min(max(rate, _LEAST_BYTES_PER_S), _UNLIMITED_BYTES_PER_S)
    burst_s = max(_BURST_S, _BURST_BYTES / rate)
    ticks = min(round(burst_s / _TICK_S), 0xFFFFFFFF)
    spec = struct.pack("=BBHhHI", 0, 1, 0, -1, 0, min(int(rate), 0xFFFFFFFF))
    told = attribute(1, spec + spec + struct.pack("=5I", ticks, ticks, _BURST_BYTES, 0, 0))
    wide = struct.pack("=Q", int(rate))
    told += attribute(6, wide) + attribute(7, wide)
    body = _TC.pack(0, index, _CLASS, _TREE, 0) + attribute(_KIND, b"htb\0")
    return body + attribute(_OPTIONS, told), _CREATE


def _redirection(index: int, device: int) -> bytes:
    """A u32 filter that fits every packet and redirects it (mirred, stolen, egress redirect)."""
    every = struct.pack("=BBBxHHhhI", 1, 0, 1, 0, 0, 0, 0, 0) + bytes(16)
    mirred = attribute(2, struct.pack("=IIiiiiI", 0, 0, 4, 0, 0, 1, device))
    action = attribute(1, b"mirred\0") + attribute(2, mirred)
    options = attribute(5, every) + attribute(7, attribute(1, action))
    body = _TC.pack(0, index, 0, _INGRESS_HANDLE, _FILTER_INFO) + attribute(_KIND, b"u32\0")
    return body + attribute(_OPTIONS, options)


def _write(path: Path, made: _Made) -> None:
    fresh = path.with_name(path.name + ".new")
    fresh.write_text(json.dumps(asdict(made)))
    fresh.replace(path)


def _read(path: Path) -> _Made | None:
    """None where there is nothing to take away, or nothing that can be understood."""
    try:
        told = json.loads(path.read_text())
        links = tuple((int(index), str(name)) for index, name in told["links"])
        return _Made(str(told["device"]), links)
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a ledger of links: {error}") from error
