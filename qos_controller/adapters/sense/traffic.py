"""Bytes that a pod sends, the node's uplink, and what its namespace says of TCP.

/proc/<pid>/net/dev, snmp and netstat show the namespace of that process, and a kept descriptor
keeps showing it. A pod in the host's network has no traffic of its own: None. `RetransSegs` and
`ListenOverflows` count the whole namespace, at a cost that no number of connections changes.
Cost: net/dev 6 us, snmp 14 us, netstat 36 us; a pod's turn comes every second (the first) or every
few seconds (the others).
Source: Linux Documentation/networking/snmp_counter.rst; RFC 4022 (tcpRetransSegs).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from qos_controller.adapters.sense.growth import Growth
from qos_controller.adapters.sense.kept import KeptFile
from qos_controller.adapters.sense.numbers import only_number

_SENT: Final = 8
"""Transmitted bytes: the ninth number behind an interface's name."""


class Sent:
    """What one namespace sends on all interfaces but its own loop."""

    __slots__ = ("_file", "_growth", "bytes_per_s")

    def __init__(self, pid: int | str, proc: str = "/proc") -> None:
        self._file = KeptFile(f"{proc}/{pid}/net/dev", size_bytes=8192)
        self._growth = Growth()
        self.bytes_per_s: float | None = None

    def read(self, now_s: float) -> float | None:
        """Bytes a second since the last look."""
        self.bytes_per_s = self._growth.see(sent_bytes(self._file.read()), now_s)
        return self.bytes_per_s

    def close(self) -> None:
        """Lets go of the file."""
        self._file.close()


class TcpTroubles:
    """Retransmits and full listen queues of one namespace."""

    __slots__ = ("_netstat", "_overflows", "_resent", "_snmp")

    def __init__(self, pid: int | str, proc: str = "/proc") -> None:
        self._snmp = KeptFile(f"{proc}/{pid}/net/snmp", size_bytes=8192)
        self._netstat = KeptFile(f"{proc}/{pid}/net/netstat", size_bytes=16384)
        self._resent, self._overflows = Growth(), Growth()

    def read(self, now_s: float) -> tuple[float | None, float | None]:
        """Retransmitted segments and overflows of a listen queue, each a second."""
        resent = counter_of(self._snmp.read(), b"Tcp:", b"RetransSegs")
        overflows = counter_of(self._netstat.read(), b"TcpExt:", b"ListenOverflows")
        return self._resent.see(resent, now_s), self._overflows.see(overflows, now_s)

    def close(self) -> None:
        """Lets go of the files."""
        self._snmp.close()
        self._netstat.close()


def sent_bytes(text: bytes | None) -> int | None:
    """The sum of transmitted bytes in a net/dev text; None where it is none."""
    if text is None:
        return None
    total: int | None = None
    for line in text.split(b"\n")[2:]:
        name, colon, numbers = line.partition(b":")
        words = numbers.split(None, _SENT + 1)
        if not colon or len(words) <= _SENT or name.strip() == b"lo":
            continue
        sent = only_number(words[_SENT])
        total = (total or 0) + (sent or 0)
    return total


def counter_of(text: bytes | None, table: bytes, name: bytes) -> int | None:
    """One counter of /proc/net/snmp's kind of text: a line of names, then one of numbers."""
    rows = [row.split() for row in (text or b"").split(b"\n") if row.startswith(table)]
    if len(rows) < 2 or name not in rows[0]:
        return None
    at = rows[0].index(name)
    return only_number(rows[1][at]) if at < len(rows[1]) else None


def link_bytes_per_s(sys: str = "/sys", proc: str = "/proc") -> float | None:
    """What the interface of the default route carries; None where its driver does not say."""
    try:
        routes = Path(proc, "net", "route").read_text().splitlines()[1:]
        interface = next(row.split()[0] for row in routes if row.split()[1] == "00000000")
        megabits = int(Path(sys, "class", "net", interface, "speed").read_text())
    except (OSError, ValueError, IndexError, StopIteration):
        return None
    return megabits * 125_000.0 if megabits > 0 else None
