"""Gives LSE and LSR pods whole cores: into the book for the loop, and onto the pod for its runtime.

    pods ─Keeping─> Binding.with_cpus ──> pods.json ──> the loop writes cpusets
                    Binding.run ──> annotation slacktide.io/cpus, an Event on the pod

Always holds: where the agent writes nothing (it observes, or the node is off) nobody is bound; what
a pod has is kept over restarts, by the stored book and else by the pod's annotation; the annotation
says what the book says, or is gone; it is written only where the operator granted that.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final

import structlog

from qos_controller.adapters.cgroups.cpusets import DEFAULT_STATE, shared_cpus
from qos_controller.adapters.cgroups.formats import cpu_list, cpus_in
from qos_controller.adapters.node_pods import NodePod
from qos_controller.app.neighbour.telling import Telling
from qos_controller.core.pods import Book, Pod
from qos_controller.core.topology import Cpu
from qos_controller.core.whole_cores import Choice, choose
from slacktide.contract import ANNOTATION_CPUS
from slacktide.kube.cache import Cache
from slacktide.kube.writing import Writer

AGAIN_S: Final = 30.0
"""After the API server refused an annotation."""
_LIST: Final = re.compile(r"\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?){0,255}", re.ASCII)
"""Anybody may write an annotation: no more numbers than a node may have CPUs."""

log = structlog.get_logger()


@dataclass(slots=True)
class Binding:
    """One node's cores and who has them."""

    cpus: Sequence[Cpu]
    telling: Telling
    writer: Writer
    acts: bool = True
    notes: bool = False
    """Whether annotations may be written."""
    cpu_manager_state: str = DEFAULT_STATE
    choices: Mapping[str, Choice] = field(default_factory=dict)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def with_cpus(
        self, pods: tuple[Pod, ...], watched: Cache[NodePod], before: Book | None, *, off: bool
    ) -> tuple[Pod, ...]:
        """The pods with the CPUs that they have for their own."""
        held = _held(watched, before)
        chosen: dict[str, Choice] = {}
        if self.acts and not off:
            shared = shared_cpus(self.cpu_manager_state)
            chosen = choose(pods, self.cpus, held=held, shared=shared)
        for pod in pods:
            choice, former = chosen.get(pod.uid), self.choices.get(pod.uid)
            if choice is not None and (former is None or former.cpus != choice.cpus):
                self._tell(watched.get(pod.uid), choice, held.get(pod.uid, ()))
        self.choices = chosen
        if self.notes and any(_differs(pod, chosen) for pod in watched):
            self._changed.set()
        return tuple(
            replace(pod, cpus=chosen[pod.uid].cpus) if pod.uid in chosen else pod for pod in pods
        )

    async def run(self, watched: Cache[NodePod]) -> None:
        """Keeps the annotations as the choices are, until it is cancelled."""
        while True:
            self._changed.clear()
            due = [pod for pod in watched if _differs(pod, self.choices)]
            done = [await self._note(pod) for pod in due]
            with suppress(TimeoutError):
                async with asyncio.timeout(None if all(done) else AGAIN_S):
                    await self._changed.wait()

    async def _note(self, pod: NodePod) -> bool:
        meta = pod.metadata
        says = _says(pod, self.choices)
        # The UID makes it this very pod, not one that has taken its name.
        body = {"metadata": {"uid": meta.uid, "annotations": {ANNOTATION_CPUS: says or None}}}
        path = f"/api/v1/namespaces/{meta.namespace}/pods/{meta.name}"
        written = await self.writer.patch(path, body)
        if not written.done:
            log.warning("cpus not noted", pod=meta.name, status=written.status, why=written.said)
        return written.done

    def _tell(self, pod: NodePod | None, choice: Choice, held: Collection[int]) -> None:
        log.info("cores", pod=pod.metadata.name if pod else "", why=choice.reason)
        if pod is None or set(choice.cpus) == set(held) != set():
            return
        if choice.cpus:
            self.telling.of_pod(pod, "Normal", "CoresBound", choice.reason)
        else:
            self.telling.of_pod(pod, "Warning", "CoresNotBound", choice.reason)


def _held(watched: Iterable[NodePod], before: Book | None) -> dict[str, tuple[int, ...]]:
    """What pods had so far: as the book says, else as was noted on them before a reboot."""
    held = {pod.uid: _noted(pod) for pod in watched if ANNOTATION_CPUS in pod.notes}
    held |= {pod.uid: pod.cpus for pod in before.pods if pod.cpus} if before is not None else {}
    return held


def _noted(pod: NodePod) -> tuple[int, ...]:
    text = pod.notes[ANNOTATION_CPUS]
    return cpus_in(text) if _LIST.fullmatch(text) else ()


def _says(pod: NodePod, choices: Mapping[str, Choice]) -> str:
    choice = choices.get(pod.uid)
    return cpu_list(choice.cpus) if choice is not None else ""


def _differs(pod: NodePod, choices: Mapping[str, Choice]) -> bool:
    """Whether its annotation is not what it should be; a static pod's is kubelet's."""
    ended = pod.is_static or pod.has_ended
    return not ended and pod.notes.get(ANNOTATION_CPUS, "") != _says(pod, choices)
