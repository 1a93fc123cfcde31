"""Parse at the door: the few fields of a pod that a review looks at, or the reason why not.

Webhooks that trusted a pod's shape have kept unrelated pods from being created. Always holds: any
JSON value gives either a `Pod` or `BadInput` with the place that is wrong, never another error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from slacktide.errors import BadInput
from slacktide.quantity import parse_bytes, parse_cpu_cores

Quantity = str | int | float

# Far above any machine, and far below where a 64-bit count of milli-cores or bytes ends.
_MOST_CORES = 1e6
_MOST_BYTES = 2**60
_HIGHEST_PRIORITY = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Container:
    """One container's resources, and where it stands in the pod."""

    field: str  # "containers" or "initContainers"
    index: int
    name: str
    runs_along: bool  # not an init container that ends before the pod starts
    requests: Mapping[str, Quantity]
    limits: Mapping[str, Quantity]

    @property
    def resources_path(self) -> tuple[str | int, ...]:
        """Where its resources stand in the document."""
        return ("spec", self.field, self.index, "resources")


@dataclass(frozen=True, slots=True)
class Pod:
    """What a review needs to know."""

    document: Mapping[str, object]
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    containers: tuple[Container, ...]
    priority: int | None
    priority_class: str
    scheduler: str
    node: str
    gates: tuple[str, ...]


def read_pod(document: object) -> Pod:
    """The pod in an AdmissionReview's object.

    Raises:
        BadInput: a field has another type than the API's; the message says which.
    """
    if not isinstance(document, Mapping):
        raise BadInput("the pod is no object")
    metadata = _object(document, "metadata", "")
    spec = _object(document, "spec", "")
    return Pod(
        document=document,
        labels=_texts(metadata, "labels", "metadata."),
        annotations=_texts(metadata, "annotations", "metadata."),
        containers=_containers(spec, "initContainers") + _containers(spec, "containers"),
        priority=_priority(spec),
        priority_class=_text(spec, "priorityClassName", "spec."),
        scheduler=_text(spec, "schedulerName", "spec."),
        node=_text(spec, "nodeName", "spec."),
        gates=tuple(
            _text(gate, "name", "spec.schedulingGates.")
            for gate in _objects(spec, "schedulingGates", "spec.")
        ),
    )


def _priority(spec: Mapping[str, object]) -> int | None:
    value = spec.get("priority")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _HIGHEST_PRIORITY:
        raise BadInput("spec.priority is no 32-bit integer")
    return value


def _containers(spec: Mapping[str, object], field: str) -> tuple[Container, ...]:
    return tuple(
        _container(item, field, index) for index, item in enumerate(_objects(spec, field, "spec."))
    )


def _container(item: Mapping[str, object], field: str, index: int) -> Container:
    where = f"spec.{field}[{index}]."
    resources = _object(item, "resources", where)
    sidecar = _text(item, "restartPolicy", where) == "Always"
    return Container(
        field=field,
        index=index,
        name=_text(item, "name", where),
        runs_along=field == "containers" or sidecar,
        requests=_quantities(resources, "requests", f"{where}resources."),
        limits=_quantities(resources, "limits", f"{where}resources."),
    )


def _quantities(parent: Mapping[str, object], key: str, where: str) -> dict[str, Quantity]:
    """Requests or limits; those of CPU and memory are read once, so that nobody fails later."""
    found: dict[str, Quantity] = {}
    for name, value in _object(parent, key, where).items():
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadInput(f"{where}{key}.{name} is no quantity")
        if isinstance(value, int) and abs(value) > _MOST_BYTES:
            raise BadInput(f"{where}{key}.{name} is more than any machine has")
        if name in {"cpu", "memory"}:
            _check(name, value, f"{where}{key}.{name}")
        found[name] = value
    return found


def _check(name: str, value: Quantity, where: str) -> None:
    try:
        absurd = (
            parse_cpu_cores(value) > _MOST_CORES
            if name == "cpu"
            else parse_bytes(value) > _MOST_BYTES
        )
    except BadInput as error:
        raise BadInput(f"{where}: {error}") from error
    if absurd:
        raise BadInput(f"{where} is more than any machine has")


def _object(parent: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    """The object at a key; a missing one and null are empty, as in the API."""
    value = parent.get(key)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadInput(f"{where}{key} is no object")
    return value


def _objects(
    parent: Mapping[str, object], key: str, where: str
) -> tuple[Mapping[str, object], ...]:
    value = parent.get(key)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, Mapping) for item in value):
        raise BadInput(f"{where}{key} is no list of objects")
    return tuple(value)


def _texts(parent: Mapping[str, object], key: str, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in _object(parent, key, where).items():
        if not isinstance(value, str):
            raise BadInput(f"{where}{key}.{name} is no text")
        found[name] = value
    return found


def _text(parent: Mapping[str, object], key: str, where: str) -> str:
    value = parent.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadInput(f"{where}{key} is no text")
    return value
