"""A fleet behind the fake Prometheus: two namespaces whose every sample is known in advance."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from slacktide.testing.prometheus import Asked, Reply, matrix, names, vector

HOUR_S = 3_600
NOW_S = 1_700_006_400  # on the hour
PODS = {"shop": ("web-a", "web-b", "cron-7"), "other": ("web-a",)}

METRICS: tuple[str, ...] = (
    "container_cpu_usage_seconds_total",
    "container_memory_working_set_bytes",
    "kube_pod_owner",
)

Fault = Callable[[Asked], Reply | None]


def no_fault(_: Asked) -> Reply | None:
    return None


@dataclass(slots=True)
class FakeFleet:
    """Answers as a server would; `fault` may answer in its place."""

    fault: Fault = no_fault
    now_s: float = NOW_S
    value: str = "0.5"
    namespaces: dict[str, tuple[str, ...]] = field(default_factory=lambda: dict(PODS))
    metrics: tuple[str, ...] = METRICS

    def __call__(self, asked: Asked) -> Reply:
        return self.fault(asked) or self.well(asked)

    def well(self, asked: Asked) -> Reply:
        """What a server in good health says."""
        if "match[]" in asked.params:
            return names(*self.metrics)
        text = asked.params["query"]
        if "time()" in text:
            return vector(({}, self.now_s, str(self.now_s)))
        if asked.path.endswith("/query"):
            return self._facts(text, float(asked.params["time"]))
        step_s = int(asked.params["step"].rstrip("s"))
        stamps = range(int(asked.params["start"]), int(asked.params["end"]) + 1, step_s)
        if text.startswith("count by"):
            counted = [(name, str(len(pods))) for name, pods in self.namespaces.items()]
            return matrix(*(({"namespace": n}, [(t, c) for t in stamps]) for n, c in counted))
        named = [{"namespace": n, "pod": pod, "container": "app"} for n, pod in self._pods(text)]
        return matrix(*((labels, [(t, self.value) for t in stamps]) for labels in named))

    def _pods(self, text: str) -> Iterable[tuple[str, str]]:
        asked = re.search(r'namespace=~?"([^"]+)"', text)
        letters = re.search(r'pod=~"\.\*\[([^\]]+)\]"', text)
        for namespace in asked[1].split("|") if asked else ():
            for pod in self.namespaces[namespace]:
                if letters is None or pod[-1] in letters[1]:
                    yield namespace, pod

    def _facts(self, text: str, at_s: float) -> Reply:
        if "kube_pod_owner" not in text or "=~" in text:
            return vector()
        owners = [
            {"namespace": n, "pod": pod, "owner_kind": "DaemonSet", "owner_name": "all"}
            for n, pods in self.namespaces.items()
            for pod in pods
        ]
        return vector(*((labels, at_s, "1") for labels in owners))


def once(fault: Reply, *, where: str = "") -> Fault:
    """The first request whose query holds some text fails."""
    return times(1, fault, where=where)


def times(most: int, fault: Reply, *, where: str = "") -> Fault:
    """The first few requests whose query holds some text fail."""
    left = [replace(fault)] * most

    def answer(asked: Asked) -> Reply | None:
        return left.pop() if left and where in asked.params.get("query", "") else None

    return answer


def longer_than(points: int, fault: Reply, *, where: str = "") -> Fault:
    """Range queries of more points fail."""

    def answer(asked: Asked) -> Reply | None:
        if "step" not in asked.params or where not in asked.params["query"]:
            return None
        span_s = int(asked.params["end"]) - int(asked.params["start"])
        return fault if span_s // int(asked.params["step"].rstrip("s")) + 1 > points else None

    return answer
