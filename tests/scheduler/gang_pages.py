"""The pages docs/gangs/*.md: the gang that each says it makes, its objects, and their pods."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from scheduler.core.ways_in.shape import Groups, Named
from slacktide.kube import groups as kinds
from slacktide.kube.objects import Pod
from tests.scheduler.ganged import stamp

FOLDER = Path(__file__).parents[2] / "docs/gangs"
_SAID = re.compile(r"<!-- gang: source=(\w+) least=(\d+) queue=(\w+) -->")
_YAML = re.compile(r"```yaml\n(.*?)```", re.DOTALL)
_GROUPS = {
    "scheduling.k8s.io/v1alpha2": ("native", kinds.NativePodGroup),
    "scheduling.x-k8s.io/v1alpha1": ("coscheduling", kinds.CoschedulingPodGroup),
    "scheduling.volcano.sh/v1beta1": ("volcano", kinds.VolcanoPodGroup),
    "batch/v1": ("jobs", kinds.Job),
    "jobset.x-k8s.io/v1alpha2": ("jobsets", kinds.JobSet),
    "ray.io/v1": ("ray_clusters", kinds.RayCluster),
}


@dataclass(frozen=True)
class Page:
    """One of them."""

    name: str
    source: str
    least: int
    queue: str
    manifest: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The documents of its manifest."""
        return list(yaml.safe_load_all(self.manifest))

    def groups(self) -> Groups:
        """Its group objects, as the API server would hold them."""
        found: dict[str, dict[Named, Any]] = {}
        for one in self.objects:
            field, kind = _GROUPS.get(one["apiVersion"], ("", None))
            if kind is not None:
                meta = one["metadata"] | {"namespace": "team", "creationTimestamp": stamp(0)}
                known = msgspec.convert(one | {"metadata": meta}, kind)
                found.setdefault(field, {})["team", meta["name"]] = known
        return Groups(**found)

    def pods(self) -> list[Pod]:
        """Its pods: those that it has, and those that its owner would make."""
        return [_there(made) for one in self.objects for made in pods_of(one)]


def pages() -> list[Page]:
    """All of them, by name."""
    return [_page(file) for file in sorted(FOLDER.glob("*.md"))]


def _page(file: Path) -> Page:
    text = file.read_text(encoding="utf-8")
    said, manifest = _SAID.search(text), _YAML.search(text)
    assert said is not None, f"{file}: no comment says which gang it makes"
    assert manifest is not None, f"{file}: no manifest"
    return Page(file.stem, said[1], int(said[2]), said[3], manifest[1])


def pods_of(one: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The pods of one object of a page, as its operator makes them; a pod is its own."""
    makers: Mapping[str, Callable[[str, Any], Iterator[dict[str, Any]]]] = {
        "Pod": lambda name, _spec: iter([_pod(name, one)]),
        "Job": _of_job,
        "JobSet": _of_job_set,
        "RayCluster": _of_ray_cluster,
        "SparkApplication": _of_spark_application,
        "MPIJob": _of_mpi_job,
    }
    if one["kind"] in makers:
        yield from makers[one["kind"]](one["metadata"]["name"], one["spec"])


def jobs_of(
    name: str, spec: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], dict[str, str]]]:
    """The Jobs of a JobSet: name, spec, and the labels that its operator gives to their pods."""
    for job in spec["replicatedJobs"]:
        labels = {"jobset-name": name, "replicatedjob-name": job["name"]}
        for k in range(job["replicas"]):
            of_set = prefixed("jobset.sigs.k8s.io/", labels)
            yield f"{name}-{job['name']}-{k}", job["template"]["spec"], of_set


def _of_job_set(name: str, spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for job, of_job, labels in jobs_of(name, spec):
        yield from _of_job(job, of_job, labels)


def _of_ray_cluster(name: str, spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    head = prefixed("ray.io/", {"cluster": name, "node-type": "head", "group": "headgroup"})
    yield _pod(f"{name}-head", spec["headGroupSpec"]["template"], head)
    for group in spec["workerGroupSpecs"]:
        labels = {"cluster": name, "node-type": "worker", "group": group["groupName"]}
        for k in range(group["replicas"]):
            yield _pod(f"{name}-{k}", group["template"], prefixed("ray.io/", labels))


def _of_spark_application(name: str, spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield _of_spark(name, spec, "driver", f"{name}-driver")


def executors_of(name: str, spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The pods that a SparkApplication's driver makes once it runs."""
    for k in range(spec["executor"]["instances"]):
        yield _of_spark(name, spec, "executor", f"{name}-exec-{k}")


def _of_spark(name: str, spec: Mapping[str, Any], role: str, pod: str) -> dict[str, Any]:
    asked = spec[role]
    labels = asked["labels"] | {"spark-app-selector": name, "spark-role": role}
    gib = int(asked["memory"].removesuffix("g"))
    wants = {"cpu": str(asked["cores"]), "memory": f"{gib}Gi"}
    image = f"registry.example.com/spark:{spec['sparkVersion']}"
    container = {"name": "spark", "image": image, "resources": {"requests": wants}}
    return _pod(pod, {"metadata": {"labels": labels}, "spec": {"containers": [container]}})


def _of_mpi_job(name: str, spec: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for role, replica in spec["mpiReplicaSpecs"].items():
        labels = {"job-name": name, "job-role": role.lower()}
        for k in range(replica["replicas"]):
            of_job = prefixed("training.kubeflow.org/", labels)
            yield _pod(f"{name}-{role.lower()}-{k}", replica["template"], of_job)


def _of_job(
    name: str, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> Iterator[dict[str, Any]]:
    for k in range(spec["parallelism"]):
        yield _pod(f"{name}-{k}", spec["template"], labels, job=name)


def _pod(
    name: str,
    template: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    *,
    job: str = "",
) -> dict[str, Any]:
    meta = dict(template.get("metadata", {})) | {"name": name}
    meta["labels"] = meta.get("labels", {}) | dict(labels or {})
    if job:
        owner = {"kind": "Job", "name": job, "uid": job, "apiVersion": "batch/v1"}
        meta["ownerReferences"] = [owner | {"controller": True}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template.get("spec", {})}


def _there(body: Mapping[str, Any]) -> Pod:
    """As the API server would hold it."""
    meta = dict(body["metadata"]) | {"namespace": "team", "creationTimestamp": stamp(0)}
    meta["uid"] = meta["name"]
    whole = {"metadata": meta, "spec": body["spec"], "status": {"phase": "Pending"}}
    return msgspec.json.decode(msgspec.json.encode(whole), type=Pod)


def prefixed(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    """The same values under longer names."""
    return {prefix + name: value for name, value in values.items()}
