"""The pages docs/gangs/*.md: the gang that each says it makes, its objects, and their pods."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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
        return [made for one in self.objects for made in _pods(one)]


def pages() -> list[Page]:
    """All of them, by name."""
    return [_page(file) for file in sorted(FOLDER.glob("*.md"))]


def _page(file: Path) -> Page:
    text = file.read_text(encoding="utf-8")
    said, manifest = _SAID.search(text), _YAML.search(text)
    assert said is not None, f"{file}: no comment says which gang it makes"
    assert manifest is not None, f"{file}: no manifest"
    return Page(file.stem, said[1], int(said[2]), said[3], manifest[1])


def _pods(one: dict[str, Any]) -> Iterator[Pod]:
    makers = {
        "Pod": lambda name, _spec: iter([_pod(name, one)]),
        "Job": _of_job,
        "JobSet": _of_job_set,
        "RayCluster": _of_ray_cluster,
        "SparkApplication": _of_spark_application,
        "MPIJob": _of_mpi_job,
    }
    if one["kind"] in makers:
        yield from makers[one["kind"]](one["metadata"]["name"], one["spec"])


def _of_job_set(name: str, spec: Mapping[str, Any]) -> Iterator[Pod]:
    for job in spec["replicatedJobs"]:
        labels = {"jobset-name": name, "replicatedjob-name": job["name"]}
        for k in range(job["replicas"]):
            of_set = prefixed("jobset.sigs.k8s.io/", labels)
            yield from _of_job(f"{name}-{job['name']}-{k}", job["template"]["spec"], of_set)


def _of_ray_cluster(name: str, spec: Mapping[str, Any]) -> Iterator[Pod]:
    head = prefixed("ray.io/", {"cluster": name, "node-type": "head", "group": "headgroup"})
    yield _pod(f"{name}-head", spec["headGroupSpec"]["template"], head)
    for group in spec["workerGroupSpecs"]:
        labels = {"cluster": name, "node-type": "worker", "group": group["groupName"]}
        for k in range(group["replicas"]):
            yield _pod(f"{name}-{k}", group["template"], prefixed("ray.io/", labels))


def _of_spark_application(name: str, spec: Mapping[str, Any]) -> Iterator[Pod]:
    of_driver = {"spark-app-selector": name, "spark-role": "driver"}
    labels = spec["driver"]["labels"] | of_driver
    yield _pod(f"{name}-driver", {"metadata": {"labels": labels}})


def _of_mpi_job(name: str, spec: Mapping[str, Any]) -> Iterator[Pod]:
    for role, replica in spec["mpiReplicaSpecs"].items():
        labels = {"job-name": name, "job-role": role.lower()}
        for k in range(replica["replicas"]):
            of_job = prefixed("training.kubeflow.org/", labels)
            yield _pod(f"{name}-{role}-{k}", replica["template"], of_job)


def _of_job(
    name: str, spec: Mapping[str, Any], labels: Mapping[str, str] | None = None
) -> Iterator[Pod]:
    for k in range(spec["parallelism"]):
        yield _pod(f"{name}-{k}", spec["template"], labels, job=name)


def _pod(
    name: str,
    template: Mapping[str, Any],
    labels: Mapping[str, str] | None = None,
    *,
    job: str = "",
) -> Pod:
    meta = dict(template.get("metadata", {}))
    meta |= {"name": name, "namespace": "team", "uid": name, "creationTimestamp": stamp(0)}
    meta["labels"] = meta.get("labels", {}) | dict(labels or {})
    if job:
        owner = {"kind": "Job", "name": job, "uid": job, "apiVersion": "batch/v1"}
        meta["ownerReferences"] = [owner | {"controller": True}]
    body = {"metadata": meta, "spec": template.get("spec", {}), "status": {"phase": "Pending"}}
    return msgspec.json.decode(msgspec.json.encode(body), type=Pod)


def prefixed(prefix: str, values: Mapping[str, str]) -> dict[str, str]:
    """The same values under longer names."""
    return {prefix + name: value for name, value in values.items()}
