"""What the loop cannot do itself, it wishes: datagrams of JSON to the half that knows Kubernetes.

    {"wish": "evict", "pod": UID, "cause": "memory", "breaks_gang": false, "reason": "...", ...}
    {"wish": "open", "open": false}
    {"wish": "counts", "late_ticks": 3, "faults": {"sense: OSError 19": 2}, ...}

Always holds: a wish never makes the loop wait; where nobody listens it is counted and gone, but for
an eviction for memory: a second later, if the pod still lives, the loop kills it itself.
"""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Final

import msgspec

from qos_controller.core.decision import Evict

NAME: Final = "wishes.sock"
MEMORY_ANSWER_S: Final = 1.0
"""Memory that grows fills what is left of a node in seconds; then the kernel picks the victim."""


class Wishes:
    """The sending end, and the evictions for memory that wait for an answer."""

    def __init__(self, run_dir: Path) -> None:
        self._path = str(run_dir / NAME)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self._due: dict[str, float] = {}
        self.unheard = 0
        """Wishes that nobody took."""

    def send(self, wish: dict[str, object]) -> None:
        """Sends it, or counts that it could not."""
        try:
            self._socket.sendto(msgspec.json.encode(wish), self._path)
        except OSError:
            self.unheard += 1

    def evict(self, action: Evict, *, reason: str, now_s: float) -> None:
        """Asks for one task to go."""
        self.send(
            {
                "wish": "evict",
                "pod": action.task,
                "cause": action.cause,
                "freed_cores": action.freed_cores,
                "freed_bytes": action.freed_bytes,
                "work_lost_core_s": action.work_lost_core_s,
                "breaks_gang": action.breaks_gang,
                "reason": reason,
            }
        )
        if action.cause == "memory":
            self._due.setdefault(action.task, now_s + MEMORY_ANSWER_S)

    @property
    def waiting(self) -> bool:
        """Whether an eviction for memory is not answered yet."""
        return bool(self._due)

    def unanswered(self, now_s: float) -> list[str]:
        """Pods whose second is over; each is named once."""
        if not self._due:
            return []
        late = [pod for pod, due_s in self._due.items() if now_s >= due_s]
        for pod in late:
            del self._due[pod]
        return late

    def close(self) -> None:
        """Lets go of the socket."""
        self._socket.close()
