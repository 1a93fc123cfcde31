"""Explanations of one pod, gang or Job: found by name, told in sentences, with the facts behind."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, NamedTuple

import httpx
import msgspec
import numpy as np

from scheduler.adapters.copying import unpinned
from scheduler.adapters.pods import is_batch, member_of
from scheduler.adapters.told_events import OURS, PodEvent, events_of
from scheduler.app.cluster_options import no_such
from scheduler.app.view import View, Wish
from scheduler.core.compiling import RunningPods, compile_constraints
from scheduler.core.constraints import rules_of
from scheduler.core.gang_facts import HELPS, GangFact
from scheduler.core.member import Member
from scheduler.core.picture import Picture
from scheduler.core.telling import Told, gang_told, happened, pod_told
from scheduler.core.ways_in.job import JOB
from scheduler.core.ways_in.shape import Key
from scheduler.core.why_here import WhyHere, why_here
from slacktide.errors import BadInput
from slacktide.kube.objects import Pod


class Name(NamedTuple):
    """What the user typed; the namespace is empty where any will do."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Explained:
    """An answer: sentences for people, facts for programs."""

    sentences: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    unseen: tuple[str, ...] = ()


def parsed(text: str, namespace: str) -> Name:
    """`NAMESPACE/NAME`, or a name with the namespace beside it. Raises `BadInput`."""
    before, slash, after = text.rpartition("/")
    if not after or "/" in before or (slash and not before):
        raise BadInput(f"{text!r} is no name: write NAMESPACE/NAME, or NAME with -n NAMESPACE")
    if before and namespace and before != namespace:
        raise BadInput(f"{text} is not in namespace {namespace}: leave -n out")
    return Name(before or namespace, after)


class Explaining:
    """Explains from one view."""

    def __init__(self, view: View, client: httpx.AsyncClient, *, now_s: float) -> None:
        self._view, self._client, self._now_s = view, client, now_s

    async def gang(self, name: Name) -> Explained:
        """A gang. Raises `BadInput` where there is none of that name."""
        keys = [key for key in self._view.gangs(now_s=self._now_s) if key.name == name.name]
        return await self._of(self._only("gang", name, keys))

    async def job(self, name: Name) -> Explained:
        """A Job's gang. Raises `BadInput` where there is no such Job, or it is no offline one."""
        owned = {
            Key(JOB.source, pod.metadata.namespace, owner.name): pod.metadata.uid
            for pod in self._view.pods
            for owner in pod.metadata.owner_references
            if owner.kind == "Job" and owner.name == name.name
        }
        known = [Key(JOB.source, *named) for named in self._view.groups.jobs]
        job = self._only("job", name, [key for key in {*owned, *known} if key.name == name.name])
        member = self._view.board.member(owned.get(job, ""))
        key = job if member is None else member.gang
        if key not in self._view.gangs(now_s=self._now_s):
            raise BadInput(
                f"Job {job.namespace}/{job.name} has no batch pods: it is placed by kube-scheduler "
                "like any other, and kubectl describe tells of it"
            )
        return await self._of(key)

    async def pod(self, name: Name) -> Explained:
        """A pod. Raises `BadInput` where there is none, nor Events about one that was."""
        found = [
            pod
            for pod in self._view.pods
            if pod.metadata.name == name.name
            and (not name.namespace or pod.metadata.namespace == name.namespace)
        ]
        if not found:
            return await self._gone(name)
        if len(found) > 1:
            raise _several("pod", [pod.metadata.namespace for pod in found], name.name)
        pod = found[0]
        member = self._view.board.member(pod.metadata.uid)
        if member is None:
            return Explained((_not_ours(pod),), {"pod": name.name, "batch": is_batch(pod)})
        return await self._member(pod, member)

    async def _of(self, key: Key) -> Explained:
        picture = self._picture(key)
        fact = _fact(picture, key)
        uids = {one.uid for one in self._view.board.members(key)}
        uids |= {one.replaces for one in self._view.board.members(key)} - {""}
        events, unread = await self._events(key, uids)
        queue = next((one for one in picture.queues if one.queue == fact.queue), None)
        told = gang_told(fact, queue, events, picture.planner, now_s=self._now_s)
        facts = {
            "gang": asdict(fact),
            "help": HELPS.get(fact.cause, ""),
            "queue": asdict(queue) if queue is not None else None,
            "events": [asdict(one) for one in events],
        }
        return Explained(told, facts, (*picture.unseen, *unread))

    async def _member(self, pod: Pod, one: Member) -> Explained:
        whole = await self._of(one.gang)
        fact = _fact(self._picture(one.gang), one.gang)
        why = self._why_here(pod, one)
        found, unread = await events_of(
            self._client, one.namespace, f"involvedObject.uid={one.uid}"
        )
        own = [event.told() for event in found]
        told = pod_told(one, fact, why, own, now_s=self._now_s)
        rest = [line for line in whole.sentences if line not in happened(own)]
        facts = {
            "pod": {
                "namespace": one.namespace,
                "name": one.name,
                "stage": one.stage.value,
                "node": one.node,
                "decision": msgspec.to_builtins(one.decision),
                "why_here": asdict(why) if why is not None else None,
                "events": [asdict(event) for event in own],
            },
            **whole.facts,
        }
        unseen = (*whole.unseen, *filter(None, [unread]))
        return Explained((*told, *rest), facts, tuple(dict.fromkeys(unseen)))

    async def _gone(self, name: Name) -> Explained:
        """A pod that is not there: what Events say became of it."""
        events: Sequence[Told] = ()
        if name.namespace:
            found, _ = await events_of(
                self._client, name.namespace, f"involvedObject.name={name.name}"
            )
            events = [event.told() for event in found]
        if not events:
            known = [one for one in self._view.pods if _within(one, name.namespace)]
            raise _unknown("pod", name, [one.metadata.name for one in known])
        first = f"There is no pod {name.namespace}/{name.name} any more. Its Events:"
        return Explained((first, *happened(events)), {"events": [asdict(one) for one in events]})

    async def _events(self, key: Key, uids: set[str]) -> tuple[list[Told], tuple[str, ...]]:
        """What slacktide said of a gang's pods, and of pods of it that are gone."""
        namespace = key.namespace or next(
            (one.namespace for one in self._view.board.members(key)), ""
        )
        found, unread = await events_of(self._client, namespace, OURS)
        own = [event.told() for event in found if self._is_about(event, key, uids)]
        return own, tuple(filter(None, [unread]))

    def _is_about(self, event: PodEvent, key: Key, uids: set[str]) -> bool:
        about = event.involved_object
        if about.uid in uids:
            return True
        gone = self._view.pods.get(about.uid) is None
        return gone and (about.name == key.name or about.name.startswith(f"{key.name}-"))

    def _picture(self, key: Key) -> Picture:
        wish = Wish(most_reasons=1, about=lambda other: other == key)
        return self._view.picture(wish, now_s=self._now_s)

    def _why_here(self, pod: Pod, one: Member) -> WhyHere | None:
        """How its node compares with others; None where it has none, or nodes are not seen."""
        nodes = self._view.board.nodes
        row = nodes.row_of.get(one.node)
        if not one.holds or row is None or one.node not in nodes:
            return None
        try:
            rules = rules_of(_unpinned(pod, one.node))
        except BadInput:
            return None
        constraints, kind = compile_constraints(nodes.table(), [rules], RunningPods.none())
        return why_here(
            self._view.board.node_columns(constraints, now_s=self._now_s),
            row,
            cpu_cores=one.cpu_milli / 1_000,
            memory_bytes=float(one.memory_bytes),
            duration_s=(one.decision.for_s if one.decision else 0) or one.duration_s,
            kind=int(np.asarray(kind)[0]),
        )

    def _only(self, kind: str, name: Name, keys: Iterable[Key]) -> Key:
        found = [key for key in keys if name.namespace in ("", key.namespace)]
        if not found:
            everything = self._view.gangs(now_s=self._now_s)
            known = [key for key in everything if name.namespace in ("", key.namespace)]
            raise _unknown(kind, name, [key.name for key in known])
        namespaces = sorted({key.namespace for key in found})
        if len(namespaces) > 1:
            raise _several(kind, namespaces, name.name)
        return found[0]


def _fact(picture: Picture, key: Key) -> GangFact:
    return next(one for one in picture.gangs if (one.way_in, one.namespace, one.gang) == tuple(key))


def _unknown(kind: str, name: Name, known: list[str]) -> BadInput:
    if kind == "pod":
        lists = f"kubectl get pods -n {name.namespace or 'NAMESPACE'}"
    else:
        lists = f"slacktide gangs -n {name.namespace}" if name.namespace else "slacktide gangs"
    where = f"{name.name} in namespace {name.namespace}" if name.namespace else name.name
    return no_such(kind, name.name, known, lists, where=where)


def _several(kind: str, namespaces: Sequence[str], name: str) -> BadInput:
    return BadInput(
        f"there is a {kind} {name} in {len(namespaces)} namespaces ({', '.join(namespaces[:5])}): "
        f"write NAMESPACE/{name}"
    )


def _within(pod: Pod, namespace: str) -> bool:
    return namespace in ("", pod.metadata.namespace)


def _not_ours(pod: Pod) -> str:
    name = f"{pod.metadata.namespace}/{pod.metadata.name}"
    if not is_batch(pod):
        return (
            f"{name} is no batch pod: it asks for neither kubernetes.io/batch-cpu nor "
            "kubernetes.io/batch-memory, so slacktide leaves it to kube-scheduler."
        )
    try:
        member_of(pod)
    except (BadInput, ValueError) as why:
        return f"{name} is left alone, because it cannot be read: {why}."
    return f"{name} came a moment ago; ask again."


def _unpinned(pod: Pod, node: str) -> Pod:
    """The pod as it asked before it was let go to that node."""
    if not bytes(pod.spec.affinity):
        return pod
    asked = unpinned(msgspec.json.decode(pod.spec.affinity, type=dict[str, Any]), node)
    raw = msgspec.Raw(msgspec.json.encode(asked) if asked else b"")
    spec = msgspec.structs.replace(pod.spec, affinity=raw)
    return msgspec.structs.replace(pod, spec=spec)
