"""The loop's hands: the actuator over the node's groups, and what each pod holds all the time.

Always holds: a pod that leaves the agent's care (its owner switched the agent off for it, or it is
batch no more) has everything put back before it is forgotten; the safe quota of the ledger is a
tenth of the node: enough for batch to let go of its locks, too little to hurt online.
"""

from __future__ import annotations

import math
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from qos_controller.adapters.cgroups.actuator import BATCH, Actuator
from qos_controller.adapters.cgroups.files import DONE, KeptFiles
from qos_controller.adapters.cgroups.layout import Layout
from qos_controller.adapters.cgroups.machine import find_machine
from qos_controller.adapters.cgroups.owned import Ledger, Restored, restore_from
from qos_controller.adapters.cgroups.pods_in_tree import PodGroup
from qos_controller.app.faults import Faults, say
from qos_controller.app.sending import Sending
from qos_controller.app.settings import AgentSettings
from qos_controller.core.decision import (
    Action,
    Freeze,
    SetCpus,
    SetDisk,
    SetEgress,
    SetMemory,
    SetQuota,
)
from qos_controller.core.node_settings import StandingSettings
from qos_controller.core.pods import Book, Pod
from qos_controller.core.standing import NOTHING, NodeFacts, Standing, standing
from qos_controller.core.whole_cores import places

SAFE_SHARE: Final = 0.10
TOGETHER: Final = Standing(cpu_shares=2)
"""The group that holds batch alone: kubelet's own value for BestEffort."""


class NodeHands:
    """All that the loop writes to the node."""

    def __init__(self, settings: AgentSettings, layout: Layout, faults: Faults) -> None:
        self._run_dir = settings.run_dir
        self._layout = layout
        self._machine = find_machine(layout)
        self._faults = faults
        self._standing = StandingSettings()
        self._cores = float(len(os.sched_getaffinity(0)))
        self._facts = NodeFacts(
            capacity_cores=self._cores,
            capacity_bytes=float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")),
        )
        self._pods: dict[str, Pod] = {}
        self._outcomes: Counter[str] = Counter()
        self._drifts = 0
        self._sending = Sending(settings.run, layout, say)
        self._actuator = self._made()

    def put_back_former(self) -> Restored:
        """What an agent that was killed left: thawed first, then all as it was."""
        restored = restore_from(self._run_dir, KeptFiles(say=say))
        self._sending.restore()
        return restored

    def know(self, book: Book, tree: Mapping[str, PodGroup], now_s: float) -> None:
        """These are the pods from now on."""
        pods = {pod.uid: pod for pod in book.pods}
        for uid, pod in self._pods.items():
            if is_ours(pod) and not is_ours(pods.get(uid)):
                self._let_go(uid, now_s)
        self._pods = pods
        self._actuator.see(book.pods, tree, now_s)
        self._sending.know({uid: tree[uid].path for uid in tree if is_ours(pods.get(uid))})
        self._actuator.apply_standing(BATCH, TOGETHER, now_s)
        where = places(book.pods, self._machine.cpus)
        facts = replace(self._facts, bound=where.bound, online_cpus=where.online)
        self._count(SetCpus(where.batch), self._actuator.keep_batch_on(where.batch, now_s))
        for uid in tree:
            found = pods.get(uid)
            if found is not None and found.managed:
                holds = standing(found, facts, self._standing)
                self._actuator.apply_standing(uid, holds, now_s)

    def tend(self, now_s: float) -> None:
        """Thaws in time, takes up newcomers, reads back."""
        self._drifts += len(self._actuator.tick(now_s))
        self._sending.tend(now_s)

    def apply(self, action: Action, now_s: float) -> None:
        """Does it; what the kernel refused is counted by its word."""
        if isinstance(action, SetEgress):
            self._count(action, self._sending.set_ceiling(action.bytes_per_s, now_s))
        else:
            self._count(action, self._actuator.apply(action, now_s))

    def kill(self, pod: str) -> None:
        """Ends all processes of a batch pod; raises OSError where it could not."""
        outcome = self._actuator.kill(pod)
        if outcome != DONE:
            raise OSError(outcome)

    def restore(self) -> None:
        """All as it was; the hands that come after it are new ones."""
        restored = self._actuator.restore()
        for refusal in restored.refused:
            say(f"could not be put back: {refusal}")
        self._sending.restore()
        self._actuator.close()
        self._pods = {}
        self._actuator = self._made()

    def frozen_share(self, now_s: float) -> float:
        """Share of batch pods that stand still now."""
        del now_s
        frozen = self._actuator.frozen
        if not frozen:
            return 0.0
        targets = self._actuator.targets
        if targets.root in frozen:
            return 1.0
        return min(1.0, len(frozen) / max(1, len(targets.pods)))

    def counts(self) -> dict[str, float]:
        """Refusals by their word, and what others wrote."""
        return {**self._outcomes, "drift": self._drifts, "files": len(self._actuator.hand.stands)}

    def _made(self) -> Actuator:
        return Actuator(
            self._layout,
            self._machine,
            KeptFiles(say=say),
            Ledger(self._run_dir),
            safe_cores=SAFE_SHARE * self._cores,
        )

    def _let_go(self, uid: str, now_s: float) -> None:
        lifts = (
            Freeze(-math.inf, uid),
            SetQuota(math.inf, uid),
            SetDisk(None, None, uid),
            SetMemory(None, uid),
        )
        for action in lifts:
            self._actuator.apply(action, now_s)
        self._actuator.apply_standing(uid, NOTHING, now_s)

    def _count(self, action: Action, outcome: str) -> None:
        if outcome != DONE:
            self._outcomes[f"{type(action).__name__} {outcome}"] += 1


def is_ours(pod: Pod | None) -> bool:
    """Whether the agent holds it back when it must."""
    return pod is not None and pod.batch and pod.managed
