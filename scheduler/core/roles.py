"""A gang's members by role: pods that are the same task, and how many of them it needs.

A planner places identical tasks, so pods of one role that ask for different things become roles of
their own (`worker`, `worker-2`). Where one number is given for pods of several roles (minMember 4
over a driver and workers), any four would do: the leader and then the oldest are counted first, so
the gang never starts without its driver.

Always holds: each pod is in one role; the roles' least sum up to the gang's; roles that need nobody
who is there come with no members.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from scheduler.core.ways_in.shape import MOST_MEMBERS, Shape, WayIn
from slacktide.contract import (
    ANNOTATION_GPU_MODEL,
    GATE_GANG,
    JOBSET_ROLE,
    OPENB_GPU_MODEL,
    RAY_NODE_TYPE,
    RAY_WORKER_GROUP,
    SPARK_ROLE,
    TRAINING_REPLICA,
    TRAINING_ROLE,
    VOLCANO_TASK,
)
from slacktide.kube.objects import Pod

LEADERS: Final = frozenset({"driver", "launcher", "master", "head", "chief", "leader"})
_PIN: Final = b'"matchFields"'
_ROLE_LABELS: Final = (
    SPARK_ROLE,
    TRAINING_REPLICA,
    TRAINING_ROLE,
    RAY_WORKER_GROUP,
    RAY_NODE_TYPE,
    JOBSET_ROLE,
    VOLCANO_TASK,
)


class Member(NamedTuple):
    """A pod of a gang."""

    uid: str
    name: str
    namespace: str
    gated: bool  # by our gate
    node: str  # that it is bound to, else empty
    phase: str
    held: tuple[str, ...]  # the other gates that keep it from being scheduled

    @property
    def waits(self) -> bool:
        """Whether it wants a place, and nobody else holds it back."""
        return not self.node and self.phase in {"", "Pending"} and not self.held

    @property
    def counts(self) -> bool:
        """Whether the gang may count on it: it waits, runs, or has done its part."""
        return (
            self.waits or (self.phase != "Failed" and bool(self.node)) or self.phase == "Succeeded"
        )


@dataclass(frozen=True, slots=True)
class Role:
    """Pods of a gang that are the same task."""

    name: str
    least: int  # fewer and the gang does not start
    most: int
    task: Pod | None  # one of them, preferably one that waits: what all of them ask for
    members: tuple[Member, ...]

    @property
    def waiting(self) -> tuple[Member, ...]:
        """Those that want a place; also those that have one in a plan and are not bound yet."""
        return tuple(member for member in self.members if member.waits)

    @property
    def started(self) -> int:
        """Those that have their place, or had it and are done."""
        return sum(member.counts and not member.waits for member in self.members)

    @property
    def needs(self) -> int:
        """How many of those that wait must be placed together; the rest may follow."""
        return max(self.least - self.started, 0)

    @property
    def have(self) -> int:
        """Those that the gang may count on."""
        return sum(member.counts for member in self.members)


def role_name(pod: Pod, way: WayIn) -> str:
    """What the pod is in its gang: as its way in says, else as its framework's labels say."""
    found = way.membership(pod)
    if found is not None and found.role:
        return found.role
    labels = pod.metadata.labels or {}
    named = next((labels[name] for name in _ROLE_LABELS if labels.get(name)), "")
    return (named or (pod.metadata.annotations or {}).get(VOLCANO_TASK, "")).lower()


def roles_of(pods: Sequence[Pod], shape: Shape, way: WayIn) -> tuple[Role, ...]:
    """The roles of a gang's pods, which come the oldest first."""
    blocks = _blocks(pods, way)
    wanted = {role.role: role for role in shape.wanted}
    found: list[Role] = []
    for name in [*wanted, *(name for name in blocks if name not in wanted)]:
        role = wanted.get(name)
        least = role.least if role is not None else 0
        most = role.most if role is not None else MOST_MEMBERS
        found += _shared(name, blocks.get(name, []), least=least, most=most)
    extra = shape.least - sum(role.least for role in found)
    return _with_more(tuple(found), extra, most=shape.most)


def _blocks(pods: Sequence[Pod], way: WayIn) -> dict[str, list[list[Pod]]]:
    """Pods by role and, within a role, by task; leading roles first."""
    named = [(role_name(pod, way), pod) for pod in pods]
    found: dict[str, dict[Hashable, list[Pod]]] = {}
    last: tuple[Pod, Hashable] | None = None
    for name, pod in sorted(named, key=lambda one: one[0] not in LEADERS):
        task = last[1] if last is not None and _looks_like(pod, last[0]) else _task(pod)
        last = pod, task
        found.setdefault(name, {}).setdefault(task, []).append(pod)
    return {name: _joined(tasks) for name, tasks in found.items()}


def _joined(tasks: Mapping[Hashable, list[Pod]]) -> list[list[Pod]]:
    """Pods that have their place joined to those that wait for the same amounts."""
    found = {task: pods for task, pods in tasks.items() if not isinstance(task, _Placed)}
    for task, pods in tasks.items():
        if isinstance(task, _Placed):
            same = next((one for one in found.values() if _requests(one[0]) == task.requests), None)
            if same is None:
                found[task] = pods
            else:
                same.extend(pods)
    return list(found.values())


def _looks_like(pod: Pod, other: Pod) -> bool:
    """Whether they surely ask for the same: cheaper to see than what exactly that is."""
    one, two = pod.spec, other.spec
    if _models(pod) != _models(other):
        return False
    return (
        one.containers == two.containers
        and one.node_name == two.node_name
        and one.node_selector == two.node_selector
        and one.init_containers == two.init_containers
        and bytes(one.affinity) == bytes(two.affinity)
        and bytes(one.tolerations) == bytes(two.tolerations)
        and bytes(one.topology_spread_constraints) == bytes(two.topology_spread_constraints)
        and pod.metadata.owner_references == other.metadata.owner_references
    )


class _Placed(NamedTuple):
    requests: Hashable


def _task(pod: Pod) -> Hashable:
    """Equal for pods that ask for the same; an owner makes all its pods from one template."""
    owner = next((one.uid for one in pod.metadata.owner_references if one.controller), "")
    if owner:
        return owner, _requests(pod)
    if _has_place(pod):
        return _Placed(_requests(pod))
    spec = pod.spec
    raw = (spec.affinity, spec.tolerations, spec.topology_spread_constraints)
    wishes = tuple(bytes(one) for one in raw)
    return _requests(pod), _frozen(pod.spec.node_selector), wishes


def _has_place(pod: Pod) -> bool:
    """Whether it is bound, or carries what pins it to its node."""
    return bool(pod.spec.node_name) or _PIN in bytes(pod.spec.affinity)


def _models(pod: Pod) -> Hashable:
    notes = pod.metadata.annotations or {}
    return notes.get(ANNOTATION_GPU_MODEL, ""), notes.get(OPENB_GPU_MODEL, "")


def _requests(pod: Pod) -> Hashable:
    return _models(pod), tuple(
        (container.name, _frozen(container.resources.requests), _frozen(container.resources.limits))
        for container in pod.spec.containers + pod.spec.init_containers
    )


def _frozen(values: Mapping[str, object] | None) -> Hashable:
    return tuple(sorted((name, str(value)) for name, value in (values or {}).items()))


def _shared(name: str, tasks: Sequence[list[Pod]], *, least: int, most: int) -> list[Role]:
    """A role's numbers over its tasks, the oldest first; a role without pods has no task."""
    if not tasks:
        return [Role(name, least, most, None, ())] if least else []
    found = []
    for index, pods in enumerate(tasks):
        called = name if index == 0 else f"{name}-{index + 1}"
        role = _role(called, pods, most=most)
        part = least if index == len(tasks) - 1 else min(least, role.have)
        found.append(replace(role, least=part))
        least -= part
    return found


def _with_more(roles: tuple[Role, ...], extra: int, *, most: int | None) -> tuple[Role, ...]:
    """The gang's own number beyond what the roles need, given to the roles in their order."""
    found = []
    for index, role in enumerate(roles):
        spare = role.have - role.least
        part = max(extra if index == len(roles) - 1 else min(extra, spare), 0)
        extra -= part
        ceiling = role.most if most is None else min(role.most, most)
        least = role.least + part
        found.append(replace(role, least=least, most=max(ceiling, least)))
    return tuple(found) or (Role("", max(extra, 0), most or MOST_MEMBERS, None, ()),)


def _role(name: str, pods: Sequence[Pod], *, most: int) -> Role:
    task = next((pod for pod in pods if not _has_place(pod)), pods[0])
    return Role(name, 0, most, task, tuple(member(pod) for pod in pods))


def member(pod: Pod) -> Member:
    """The pod as its gang sees it."""
    gates = tuple(gate.name for gate in pod.spec.scheduling_gates)
    return Member(
        uid=pod.metadata.uid,
        name=pod.metadata.name,
        namespace=pod.metadata.namespace,
        gated=GATE_GANG in gates,
        node=pod.spec.node_name,
        phase=pod.status.phase,
        held=tuple(gate for gate in gates if gate != GATE_GANG),
    )
