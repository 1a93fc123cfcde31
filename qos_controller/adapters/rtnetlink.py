"""The kernel's network configuration, asked and told over one netlink socket.

Only the few messages that the egress ceiling needs. pyroute2 knows them all, but it brings asyncio
and 24 MB into the fast loop's process, which has neither to spare; `tc` costs a process a change.
Always holds: one request, one answer; an answer that is an error is raised as OSError with the
kernel's own words. Formats: netlink(7), rtnetlink(7), linux/{rtnetlink,if_link,net_namespace}.h.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self

NEWLINK: Final = 16
DELLINK: Final = 17
GETLINK: Final = 18
GETNSID: Final = 90

REQUEST: Final = 0x1
ACK: Final = 0x4
DUMP: Final = 0x300
REPLACE: Final = 0x100
CREATE_NEW: Final = 0x600
"""Make it; an error where there is one already."""

_ERROR, _DONE = 2, 3
_EXTENDED_ACK = 11
_SOL_NETLINK = 270
_ACK_CAPPED, _ACK_HAS_WORDS = 0x100, 0x200
_WORDS = 1
_RECEIVE_BYTES = 1 << 18
_TYPE_MASK = 0x3FFF  # the upper bits say nested and byte order

_HEADER: Final = struct.Struct("=IHHII")
_ATTRIBUTE: Final = struct.Struct("=HH")
_LINK: Final = struct.Struct("=BxHiII")

_IFNAME, _TXQLEN, _LINKINFO, _NETNSID = 3, 13, 18, 37
_INFO_KIND = 1
_NSID, _NSID_FD = 1, 3
_UP = 1


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface."""

    index: int
    name: str
    kind: str = ""
    """veth, ifb, bridge...; empty for hardware."""
    peer_namespace: int | None = None
    """The kernel's number of the namespace in which its other end is."""


def attribute(number: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    return _ATTRIBUTE.pack(4 + len(payload), number) + payload + bytes(-len(payload) % 4)


def attributes(raw: bytes | memoryview) -> dict[int, bytes]:
    """Number -> payload of all attributes in a message's rest."""
    found = {}
    at = 0
    while at + 4 <= len(raw):
        length, number = _ATTRIBUTE.unpack_from(raw, at)
        if length < 4:
            break
        found[number & _TYPE_MASK] = bytes(raw[at + 4 : at + length])
        at += (length + 3) & ~3
    return found


class Netlink:
    """A socket into the network namespace in which it was made, whoever uses it later."""

    def __init__(self) -> None:
        """Raises OSError where the kernel gives none."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
        self._socket.setsockopt(_SOL_NETLINK, _EXTENDED_ACK, 1)
        self._socket.settimeout(1.0)  # the kernel answers within the call; never wait for ever
        self._socket.bind((0, 0))
        self._number = 0

    def __enter__(self) -> Self:
        """The socket itself."""
        return self

    def __exit__(self, *raised: object) -> None:
        """Closes it."""
        self.close()

    def close(self) -> None:
        """Lets go of the socket."""
        self._socket.close()

    def tell(self, message: int, body: bytes, flags: int = 0) -> None:
        """A change; raises OSError where the kernel refuses it."""
        for _ in self._ask(message, body, flags | ACK):
            pass

    def dump(self, message: int, body: bytes) -> Iterator[bytes]:
        """Bodies of all answers."""
        return self._ask(message, body, DUMP)

    def links(self) -> list[Link]:
        """All interfaces."""
        return [_link(body) for body in self.dump(GETLINK, _LINK.pack(0, 0, 0, 0, 0))]

    def add_link(self, name: str, kind: str, *, queue_packets: int) -> None:
        """Makes a virtual interface and switches it on."""
        body = _LINK.pack(0, 0, 0, _UP, _UP) + attribute(_IFNAME, name.encode() + b"\0")
        body += attribute(_TXQLEN, struct.pack("=I", queue_packets))
        body += attribute(_LINKINFO, attribute(_INFO_KIND, kind.encode()))
        self.tell(NEWLINK, body, CREATE_NEW)

    def delete_link(self, index: int) -> None:
        """Takes a virtual interface away, with all that hangs on it."""
        self.tell(DELLINK, _LINK.pack(0, 0, index, 0, 0))

    def namespace_of(self, pid: int) -> int | None:
        """The kernel's number of a process's network namespace; None where it has given none.

        Numbers are given when links are listed, so list them first.
        """
        fd = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            body = bytes(4) + attribute(_NSID_FD, struct.pack("=I", fd))
            for answer in self._ask(GETNSID, body, 0):
                number: int = struct.unpack("=i", attributes(answer[4:])[_NSID])[0]
                return None if number < 0 else number
        finally:
            os.close(fd)
        return None

    def _ask(self, message: int, body: bytes, flags: int) -> Iterator[bytes]:
        """Collected before it is handed out, so that no answer is left for the next question."""
        self._number += 1
        size = _HEADER.size + len(body)
        self._socket.send(_HEADER.pack(size, message, REQUEST | flags, self._number, 0) + body)
        found: list[bytes] = []
        more = True
        while more:
            more = self._collect(self._socket.recv(_RECEIVE_BYTES), found, many=bool(flags))
        return iter(found)

    def _collect(self, raw: bytes, found: list[bytes], *, many: bool) -> bool:
        """Takes what one reading brought; True while more is to come."""
        at = 0
        while at + _HEADER.size <= len(raw):
            length, kind, flags, number, _ = _HEADER.unpack_from(raw, at)
            body = raw[at + _HEADER.size : at + length]
            at += (length + 3) & ~3
            if number != self._number:
                continue  # late, of a question that was given up
            if kind == _ERROR:
                _raise(body, flags)
            if kind in {_ERROR, _DONE}:
                return False
            found.append(body)
            if not many:
                return False
        return True


def _link(body: bytes) -> Link:
    _, _, index, _, _ = _LINK.unpack_from(body)
    told = attributes(memoryview(body)[_LINK.size :])
    kind = attributes(told.get(_LINKINFO, b"")).get(_INFO_KIND, b"")
    peer = told.get(_NETNSID)
    return Link(
        index=index,
        name=told[_IFNAME].rstrip(b"\0").decode(errors="replace"),
        kind=kind.rstrip(b"\0").decode(errors="replace"),
        peer_namespace=None if peer is None else struct.unpack("=i", peer)[0],
    )


def _raise(body: bytes, flags: int) -> None:
    number: int = -struct.unpack_from("=i", body)[0]
    if number == 0:
        return
    words = ""
    if flags & _ACK_HAS_WORDS:
        asked: int = struct.unpack_from("=I", body, 4)[0]
        rest = 4 + (_HEADER.size if flags & _ACK_CAPPED else (asked + 3) & ~3)
        words = attributes(body[rest:]).get(_WORDS, b"").rstrip(b"\0").decode(errors="replace")
    raise OSError(number, words or os.strerror(number))
