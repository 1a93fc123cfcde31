"""A view of a cluster that a test holds: no server behind it, the same code above it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import httpx

from scheduler.app.view import View
from scheduler.core.gang_facts import GangFact
from scheduler.core.picture import Picture
from slacktide.kube.cache import Change
from slacktide.kube.objects import Meta, Node, Pod
from slacktide.kube.queues import Amounts, Queue, QueueSpec
from tests.scheduler.boards import NOW_S, batch_pod


def view_of(nodes: Iterable[Node], pods: Iterable[Pod], queues: Iterable[Queue] = ()) -> View:
    """As if everything had been listed once."""
    view = View(httpx.AsyncClient(base_url="http://nowhere"))
    view.nodes_changed([Change(None, node) for node in nodes])
    for pod in pods:
        view.pods.put(pod)
    view.pods_changed([Change(None, pod) for pod in view.pods])
    view.rounds.queues_changed(queues)
    return view


def facts(picture: Picture) -> dict[str, GangFact]:
    """The gangs by name."""
    return {one.gang: one for one in picture.gangs}


def gang(name: str, size: int, **each: Any) -> list[Pod]:
    """Its pods; `each` as of `batch_pod`."""
    return [batch_pod(f"{name}-{k}", gang=name, least=size, **each) for k in range(size)]


def running(name: str, size: int, node: str, **each: Any) -> list[Pod]:
    """The pods of a gang that is bound to one node."""
    return gang(name, size, node=node, phase="Running", **each)


def queue(
    name: str, *, parent: str = "", own: str = "0", most: str | None = None, weight: int = 1
) -> Queue:
    """A Queue object."""
    guaranteed, ceiling = Amounts(cpu=own), Amounts(cpu=most)
    return Queue(
        Meta(name=name), QueueSpec(parent=parent, guaranteed=guaranteed, max=ceiling, weight=weight)
    )


__all__ = ["NOW_S", "facts", "gang", "queue", "running", "view_of"]
