"""Which pods have CPUs of their own, and who runs where because of it.

A pod of class LSE or LSR that asks for whole cores gets them, hyper-threads of a core together and
within one NUMA node where one has room. Nobody online runs beside it there; batch does not either
beside an LSE pod, and may, at its weight, beside an LSR pod. Sources: the classes are Koordinator's
(docs "QoS"); whole cores as kubelet's `full-pcpus-only` (KEP-2625).
Always holds: a pod keeps its CPUs as long as its request and the node's CPUs stay as they are,
whoever comes or goes; the others keep at least one whole core, and as many CPUs as they request;
without a pod of these classes nobody is moved at all.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from qos_controller.core.pods import Pod
from qos_controller.core.standing import WHOLE_CORE_CLASSES
from qos_controller.core.topology import Cpu, whole_cores


@dataclass(frozen=True, slots=True)
class Choice:
    """What became of one pod's wish for cores."""

    cpus: tuple[int, ...]
    """Empty: it runs where everybody does."""
    reason: str


@dataclass(frozen=True, slots=True)
class Places:
    """Where pods may run; an empty tuple: anywhere."""

    bound: Mapping[str, tuple[int, ...]]
    """By UID."""
    online: tuple[int, ...] = ()
    """For all other online pods."""
    batch: tuple[int, ...] = ()


NOWHERE_BOUND = Places({})


def choose(
    pods: Iterable[Pod],
    cpus: Sequence[Cpu],
    *,
    held: Mapping[str, Collection[int]],
    shared: Collection[int] | None = None,
) -> dict[str, Choice]:
    """CPUs for each pod that wants whole cores, by UID.

    `held` are the CPUs that pods had so far; `shared` those that kubelet's static CPU manager left
    for everybody, None where it is not in force. Where it is, it binds containers itself and writes
    the others' CPUs anew every ten seconds, so no pod is bound beside it.
    """
    online = [pod for pod in pods if not pod.batch]
    wanting = sorted(filter(wants_cores, online), key=_turn)
    if shared is not None:
        return {pod.uid: Choice((), _KUBELET) for pod in wanting}
    requested = sum(pod.cpu_request_cores for pod in online)
    chosen: dict[str, Choice] = {}
    keeps = [pod for pod in wanting if is_whole(held.get(pod.uid, ()), pod, cpus)]
    for pod in [*keeps, *(pod for pod in wanting if pod not in keeps)]:
        taken = {cpu for choice in chosen.values() for cpu in choice.cpus}
        own = tuple(sorted(held[pod.uid])) if pod in keeps else ()
        if own and not taken & set(own) and _spares_a_core(cpus, taken | set(own)):
            chosen[pod.uid] = Choice(own, f"keeps CPUs {_listed(own)}")
        else:
            chosen[pod.uid] = _found(pod, cpus, taken, requested - pod.cpu_request_cores)
        requested -= pod.cpu_request_cores if chosen[pod.uid].cpus else 0.0
    return chosen


def places(pods: Iterable[Pod], cpus: Sequence[Cpu]) -> Places:
    """Who runs where, with the CPUs that the book says are bound.

    A book that would leave somebody without a CPU, or names CPUs that are not there, binds nobody.
    """
    bound = {pod.uid: pod for pod in pods if pod.cpus and wants_cores(pod)}
    every = {cpu.cpu for cpu in cpus}
    owned = [cpu for pod in bound.values() for cpu in pod.cpus]
    if not bound or len(owned) != len(set(owned)) or not set(owned) < every:
        return NOWHERE_BOUND
    apart = {cpu for pod in bound.values() if pod.qos_class == "LSE" for cpu in pod.cpus}
    return Places(
        {uid: pod.cpus for uid, pod in bound.items()},
        online=tuple(sorted(every - set(owned))),
        batch=tuple(sorted(every - apart)) if apart else (),
    )


def wants_cores(pod: Pod) -> bool:
    """Whether its class and its request ask for cores of its own."""
    cores = pod.cpu_request_cores
    whole = cores >= 1.0 and float(cores).is_integer()
    return whole and pod.managed and not pod.batch and pod.qos_class in WHOLE_CORE_CLASSES


def is_whole(held: Collection[int], pod: Pod, cpus: Sequence[Cpu]) -> bool:
    """Whether these are whole cores of this node, and as many as the pod needs."""
    cores = {(cpu.numa, cpu.core) for cpu in cpus if cpu.cpu in held}
    whole = {cpu.cpu for cpu in cpus if (cpu.numa, cpu.core) in cores}
    return bool(held) and whole == set(held) and 0 <= len(held) - _wanted(pod) < _threads(cpus)


_KUBELET = "not bound: kubelet's static CPU manager binds the containers of this node itself"


def _turn(pod: Pod) -> tuple[bool, float, str]:
    return pod.qos_class != "LSE", pod.started_s, pod.uid


def _wanted(pod: Pod) -> int:
    return math.ceil(pod.cpu_request_cores)


def _found(pod: Pod, cpus: Sequence[Cpu], taken: set[int], requested: float) -> Choice:
    wanted, asks = _wanted(pod), f"asks for {_wanted(pod)} whole CPUs"
    own = whole_cores(cpus, wanted_cpus=wanted, taken=taken)
    if own is None:
        free = len(cpus) - len(taken)
        return Choice((), f"not bound: it {asks}, and {free} of {len(cpus)} have no owner")
    left = len(cpus) - len(taken) - len(own)
    if not _spares_a_core(cpus, taken | set(own)) or left < requested:
        told = f"{left} of {len(cpus)} CPUs; they request {requested:g}, and one core is the least"
        return Choice((), f"not bound: it {asks}, which leaves the others {told}")
    siblings = f"cores of {_threads(cpus)} CPUs" if _threads(cpus) > 1 else "cores of one CPU"
    nodes = len({cpu.numa for cpu in cpus if cpu.cpu in own})
    where = "one NUMA node" if nodes == 1 else f"{nodes} NUMA nodes, since none has room"
    return Choice(own, f"bound to CPUs {_listed(own)}: it {asks}; {siblings}, on {where}")


def _spares_a_core(cpus: Sequence[Cpu], taken: set[int]) -> bool:
    cores = {(cpu.numa, cpu.core) for cpu in cpus}
    return bool(cores - {(cpu.numa, cpu.core) for cpu in cpus if cpu.cpu in taken})


def _threads(cpus: Sequence[Cpu]) -> int:
    """Of the largest core."""
    counts: dict[tuple[int, int], int] = {}
    for cpu in cpus:
        counts[cpu.numa, cpu.core] = counts.get((cpu.numa, cpu.core), 0) + 1
    return max(counts.values(), default=1)


def _listed(cpus: Iterable[int]) -> str:
    return ",".join(map(str, cpus))
