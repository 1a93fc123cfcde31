"""The online services.

python -m bench.qos.servers KIND --port N --uid UID [--file F] [...]

cpu: 2-5 ms of hashing a request. disk, cached: a random 4 KiB of its own file, past or through the
page cache. memory: touches a working set, reads a cached file, allocates and frees as it answers.
Each is a few processes on one socket; a request's latency *as the service sees it* (from the
kernel's stamp of its arrival, so with its queueing) is told to the agent in datagrams, as a real
service would. Always holds: the answer goes out before anything is told.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import mmap
import os
import random
import socket
import struct
import time
from collections.abc import Callable

from bench.qos.exchange import stamp_s, stamped_socket

BLOCK = 4096
ITERATIONS_PER_MS = 4_200
"""Of PBKDF2-HMAC-SHA256; only its order matters, since the bench measures what a request costs."""
TOLD_EVERY_S = 0.010
_WAIT = struct.pack("ll", 0, 20_000)


def hashing(least_ms: float, most_ms: float) -> Callable[[], None]:
    """CPU alone, in C, evenly between the bounds."""
    source = random.Random(os.getpid())  # noqa: S311 -- a load, not a secret

    def work() -> None:
        rounds = int(source.uniform(least_ms, most_ms) * ITERATIONS_PER_MS)
        hashlib.pbkdf2_hmac("sha256", b"online", b"first", rounds)

    return work


def reading(file: str, *, direct: bool) -> Callable[[], None]:
    """One random block of the file."""
    fd = os.open(file, os.O_RDONLY | (os.O_DIRECT if direct else 0))
    blocks = os.fstat(fd).st_size // BLOCK
    page = mmap.mmap(-1, BLOCK)
    source = random.Random(os.getpid())  # noqa: S311 -- a load, not a secret

    def work() -> None:
        os.preadv(fd, [page], source.randrange(blocks) * BLOCK)

    return work


def remembering(file: str, held: mmap.mmap) -> Callable[[], None]:
    """A working set touched, a cached file read, a buffer allocated and freed, a little CPU."""
    source = random.Random(os.getpid())  # noqa: S311 -- a load, not a secret
    pages = len(held) // BLOCK
    read, think = reading(file, direct=False), hashing(0.5, 1.5)

    def work() -> None:
        for _ in range(64):
            held[source.randrange(pages) * BLOCK] = 1
        for _ in range(8):
            read()
        buffer = mmap.mmap(-1, 64 * BLOCK)
        for page in range(64):
            buffer[page * BLOCK] = 1
        buffer.close()
        think()

    return work


class Teller:
    """Tells the agent what each request took; an agent that is not there is not missed."""

    def __init__(self, uid: str, path: str, host: str, port: int) -> None:
        self._head = f"slacktide {uid} "
        self._told_s = 0.0
        self._waiting: list[str] = []
        self._to: str | tuple[str, int] = path or (host, port)
        self._socket = socket.socket(
            socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK
        )

    def took(self, seconds: float) -> None:
        """Notes one; a bunch goes at most every 10 ms."""
        self._waiting.append(f"{seconds * 1e3:.2f}")
        if time.monotonic() - self._told_s >= TOLD_EVERY_S:
            self.flush()

    def flush(self) -> None:
        """Sends what waits."""
        if self._waiting:
            with contextlib.suppress(OSError):
                self._socket.sendto((self._head + ",".join(self._waiting)).encode(), self._to)
            self._waiting.clear()
            self._told_s = time.monotonic()


def serve(listening: socket.socket, work: Callable[[], None], teller: Teller) -> None:
    """Answers for ever, one request at a time."""
    # The kernel's own timeout wakes one process a packet; Python's would poll, and wake them all.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _WAIT)
    while True:
        try:
            data, ancillary, _, peer = listening.recvmsg(64, 64)
        except BlockingIOError:
            teller.flush()
            continue
        work()
        listening.sendto(data, peer)
        teller.took(time.time() - stamp_s(ancillary))


def main() -> None:
    """Forks the workers; the first process is one of them."""
    options = _options()
    listening = stamped_socket()
    listening.bind((options.host, options.port))
    held = mmap.mmap(-1, max(options.held_mib, 1) << 20)
    if options.kind == "memory":
        for at in range(0, len(held), BLOCK):
            held[at] = 1
    for _ in range(options.workers - 1):
        if os.fork() == 0:
            break
    work = {
        "cpu": lambda: hashing(2, 5),
        "disk": lambda: reading(options.file, direct=True),
        "cached": lambda: reading(options.file, direct=False),
        "memory": lambda: remembering(options.file, held),
    }[options.kind]()
    serve(listening, work, Teller(options.uid, options.tell, "127.0.0.1", 9125))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("cpu", "disk", "cached", "memory"))
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--uid", required=True)
    parser.add_argument("--tell", default="", help="the agent's datagram socket")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--file", default="")
    parser.add_argument("--held-mib", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()
