"""What the loop cannot do itself arrives here: datagrams of JSON on RUN_DIR/wishes.sock.

    {"wish": "evict", "pod": UID, "cause": "memory", "breaks_gang": false, "reason": "...", ...}
    {"wish": "open", "open": false}
    {"wish": "counts", "late_ticks": 3, "faults": {"sense: OSError 19": 2}, ...}

Always holds: only root may write there; nonsense is counted and gone.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog

from slacktide.clock import Clock

NAME: Final = "wishes.sock"
MOST_BYTES: Final = 64 << 10
MOST_WAITING: Final = 16  # the law asks for one and then waits 20 s
MOST_COUNTS: Final = 200  # kinds of faults that are shown

log = structlog.get_logger()


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """One datagram; what its kind does not use is as it is here."""

    wish: str
    pod: str = ""
    cause: str = ""
    reason: str = ""
    breaks_gang: bool = False
    freed_cores: float = 0.0
    freed_bytes: float = 0.0
    work_lost_core_s: float = 0.0
    open: bool = True


_WISHES: Final = msgspec.json.Decoder(Wish)


@dataclass(slots=True)
class Wishing(asyncio.DatagramProtocol):
    """The listening end."""

    clock: Clock  # steady
    evictions: asyncio.Queue[tuple[float, Wish]] = field(
        default_factory=lambda: asyncio.Queue(MOST_WAITING)
    )
    """When it was heard, and the wish."""
    open: bool = True
    """Whether new batch pods may come, as the loop last said."""
    counts: dict[str, float] = field(default_factory=dict)
    nonsense: int = 0

    def datagram_received(self, data: bytes, _addr: object) -> None:
        """From the event loop."""
        try:
            wish = _WISHES.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.nonsense += 1
            return
        if wish.wish == "evict" and wish.pod:
            with suppress(asyncio.QueueFull):  # the loop asks again while it still hurts
                self.evictions.put_nowait((self.clock.now_s(), wish))
        elif wish.wish == "open":
            self.open = wish.open
        elif wish.wish == "counts":
            self.counts = flat(msgspec.json.decode(data))
        else:
            self.nonsense += 1

    def error_received(self, exc: Exception) -> None:
        """From the event loop; the next datagram is as welcome."""
        log.warning("wishes", why=f"{type(exc).__name__} {exc}")


def flat(told: dict[str, Any], above: str = "") -> dict[str, float]:
    """Every number of a tree by its path, `faults/sense: OSError 19`."""
    found: dict[str, float] = {}
    for name, value in told.items():
        path = f"{above}{name[:100]}"
        if isinstance(value, dict):
            found |= flat(value, f"{path}/")
        elif isinstance(value, int | float):
            found[path] = float(value)
        if len(found) > MOST_COUNTS:
            break
    return found


@asynccontextmanager
async def listening(run_dir: Path, wishing: Wishing) -> AsyncIterator[None]:
    """Listens until the end; the socket of one that was killed is replaced."""
    path = run_dir / NAME
    path.unlink(missing_ok=True)
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    opened.bind(str(path))
    path.chmod(0o600)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: wishing, sock=opened)
    try:
        yield
    finally:
        transport.close()
        path.unlink(missing_ok=True)
