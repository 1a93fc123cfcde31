"""The chart on a test cluster: installed by Helm, and what its pods would run as processes beside.

No kubelet is there to run the pods, so their programs are started here, with the arguments of the
Deployment, the configuration of the ConfigMap and a token of the chart's own service account. Only
ports and the way to the API server differ, so what works here works with those rights alone.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from slacktide.errors import BadInput
from slacktide.testing.cluster.batch_pods import answers
from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.processes import Process, free_ports

RELEASE: Final = "slacktide"  # the name of the release, its namespace and its account
TOKEN_S: Final = 24 * 3_600
READY_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Installed:
    """A release in the namespace of the same name."""

    plane: ControlPlane
    chart: Path
    extender_port: int
    health_port: int

    @property
    def account(self) -> str:
        """As the API server knows the pods' account."""
        return f"system:serviceaccount:{RELEASE}:{RELEASE}"

    def set(self, *words: str, **values: object) -> None:
        """Installs or upgrades the release with these values; `words` are further ones of Helm."""
        given = [f"--set={name.replace('__', '.')}={value}" for name, value in values.items()]
        helm(
            self.plane, "upgrade", "--install", "--create-namespace", RELEASE, str(self.chart),
            f"--namespace={RELEASE}", *given, *words,
        )  # fmt: skip

    def planner(self, *, name: str = "planner", **flags: object) -> Process:
        """The first container's program, ready to answer; `flags` over those of the Deployment."""
        container = self._container("planner")
        ports = {"extender-port": self.extender_port, "health-port": self.health_port}
        given = ports | {flag.replace("_", "-"): value for flag, value in flags.items()}
        said = [f"{one['name']}={one['value']}" for one in container["env"]]
        words = changed(container["args"], given | {"kubeconfig": self.kubeconfig()})
        command = ["env", *said, sys.executable, "-m", "slacktide.cli", *words]
        started = Process(name, command, folder=self.plane.folder)
        self.plane.running[name] = started
        started.wait_until(lambda: answers(self.health_port), within_s=READY_S)
        return started

    def kube_scheduler(self, *, name: str = "offline-scheduler") -> Process:
        """The second container's program."""
        file = self.plane.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(self._config()))
        kubeconfig, [port] = self.kubeconfig(), free_ports(1)
        given = {
            "config": file,
            "secure-port": port,
            "authentication-kubeconfig": kubeconfig,
            "authorization-kubeconfig": kubeconfig,
        }
        program, *words = self._container("kube-scheduler")["command"]
        command = [str(binary(program)), *changed(words, given)]
        self.plane.running[name] = Process(name, command, folder=self.plane.folder)
        return self.plane.running[name]

    def kubeconfig(self) -> Path:
        """Of the pods' account."""
        path = f"/api/v1/namespaces/{RELEASE}/serviceaccounts/{RELEASE}/token"
        with self.plane.client() as client:
            asked = client.post(path, json={"spec": {"expirationSeconds": TOKEN_S}})
        token = asked.raise_for_status().json()["status"]["token"]
        return self.plane.keys.token_kubeconfig(self.plane.url, self.account, token)

    def _config(self) -> dict[str, Any]:
        """The ConfigMap's, with this machine's port and kubeconfig."""
        found = self._get(f"/api/v1/namespaces/{RELEASE}/configmaps/{RELEASE}-kube-scheduler")
        config: dict[str, Any] = yaml.safe_load(found["data"]["config.yaml"])
        config["clientConnection"]["kubeconfig"] = str(self.kubeconfig())
        config["extenders"][0]["urlPrefix"] = f"http://127.0.0.1:{self.extender_port}"
        return config

    def _container(self, name: str) -> dict[str, Any]:
        found = self._get(f"/apis/apps/v1/namespaces/{RELEASE}/deployments/{RELEASE}")
        containers = found["spec"]["template"]["spec"]["containers"]
        return next(one for one in containers if one["name"] == name)

    def _get(self, path: str) -> dict[str, Any]:
        with self.plane.client() as client:
            answer: dict[str, Any] = client.get(path).raise_for_status().json()
        return answer


def installed(plane: ControlPlane, chart: Path, **values: object) -> Installed:
    """Installs the chart; `kubeScheduler__qps=9` sets `kubeScheduler.qps`."""
    extender_port, health_port = free_ports(2)
    made = Installed(plane, chart, extender_port, health_port)
    made.set(**values)
    return made


def helm(plane: ControlPlane, *words: str, given: str | None = None) -> str:
    """What Helm answers. Raises `BadInput` with what it says where it fails."""
    return told([str(binary("helm")), "--kubeconfig", str(plane.kubeconfig()), *words], given)


def kubectl(plane: ControlPlane, *words: str, given: str | None = None) -> str:
    """What kubectl answers to the admin. Raises `BadInput` with what it says where it fails."""
    return told([str(binary("kubectl")), "--kubeconfig", str(plane.kubeconfig()), *words], given)


def told(command: Sequence[str], given: str | None = None) -> str:
    """What a program says, `given` on its standard input. Raises `BadInput` where it fails."""
    ran = subprocess.run(command, input=given, text=True, capture_output=True, check=False)
    if ran.returncode:
        raise BadInput(ran.stderr or ran.stdout)
    return ran.stdout


def changed(words: Sequence[str], flags: Mapping[str, object]) -> list[str]:
    """A program's arguments, with other values of these flags."""
    kept = [one for one in words if one.partition("=")[0].removeprefix("--") not in flags]
    return [*kept, *(f"--{flag}={value}" for flag, value in flags.items())]
