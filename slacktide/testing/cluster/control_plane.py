"""One control plane: etcd, an API server, and the controllers and schedulers asked for.

    with control_plane(folder) as plane:
        plane.scheduler(config)          # kube-scheduler, with the given KubeSchedulerConfiguration
        httpx.get(plane.url, verify=plane.tls())

Ports are free ones of this machine; nothing is written outside `folder`; all that was started is
stopped at the end. Several side by side make a federation.
"""

from __future__ import annotations

import shutil
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.credentials import ADMINS, Credentials, credentials
from slacktide.testing.cluster.processes import Process, free_ports

READY_S: Final = 90.0
GANG_GATES: Final = "GenericWorkload=true,GangScheduling=true"
AUDIT: Final = {  # who asked for what, and what the answer was; once an answer begins, and ends
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}
FAST_CLIENT: Final = {"qps": 5_000, "burst": 10_000}  # its default of 50 a second hides everything


@dataclass(slots=True)
class ControlPlane:
    """A running one."""

    folder: Path
    url: str
    keys: Credentials
    etcd_port: int
    gangs: bool
    audited: bool = False
    running: dict[str, Process] = field(default_factory=dict)

    @property
    def audit_log(self) -> Path:
        """Every request of everybody, a JSON object a line."""
        return self.folder / "audit.log"

    def tls(self, user: str = "admin", group: str | None = ADMINS) -> ssl.SSLContext:
        """What a client of that user needs to connect."""
        context = ssl.create_default_context(cafile=str(self.keys.ca_file))
        context.load_cert_chain(self.keys.client_file(user, group))
        return context

    def kubeconfig(self, user: str = "admin", group: str | None = ADMINS) -> Path:
        """For `kubectl --kubeconfig` and everything else that reads one."""
        return self.keys.kubeconfig(self.url, user, group)

    def client(self) -> httpx.Client:
        """As admin, with the API server's address as its base."""
        return httpx.Client(base_url=self.url, verify=self.tls(), timeout=30, trust_env=False)

    def api_server(self) -> None:
        """Starts the API server, also again after it was killed."""
        self._run("kube-apiserver", _api_server_flags(self))
        self.running["kube-apiserver"].wait_until(self._is_ready, within_s=READY_S)

    def controllers(self) -> None:
        """Starts the controller manager: Jobs, service accounts, garbage."""
        flags = {
            "kubeconfig": self.kubeconfig(),
            "service-account-private-key-file": self.keys.tokens_file,
            "root-ca-file": self.keys.ca_file,
            "use-service-account-credentials": "true",
            "leader-elect": "false",
            "secure-port": "0",
            "controllers": "*,-nodelifecycle,-node-ipam-controller,-taint-eviction-controller",
        }
        self._run("kube-controller-manager", flags)

    def scheduler(self, config: Mapping[str, Any], *, name: str = "kube-scheduler") -> Process:
        """Starts a kube-scheduler with profiles and extenders as configured, and fast clients."""
        connection = {"kubeconfig": str(self.kubeconfig()), **FAST_CLIENT}
        whole = {
            "apiVersion": "kubescheduler.config.k8s.io/v1",
            "kind": "KubeSchedulerConfiguration",
            "leaderElection": {"leaderElect": False},
            "clientConnection": connection,
            **config,
        }
        file = self.folder / f"{name}.yaml"
        file.write_text(yaml.safe_dump(whole))
        flags: dict[str, object] = {"config": file, "secure-port": "0"}
        if self.gangs:
            flags["feature-gates"] = GANG_GATES
        return self._run(name, flags, program="kube-scheduler")

    def stop(self, name: str) -> None:
        """Stops one of them."""
        self.running.pop(name).stop()

    def _run(self, name: str, flags: Mapping[str, object], *, program: str = "") -> Process:
        command = [str(binary(program or name))]
        command += [f"--{flag}={value}" for flag, value in flags.items()]
        self.running[name] = Process(name, command, folder=self.folder)
        return self.running[name]

    def _is_ready(self) -> bool:
        try:
            with self.client() as client:
                return client.get("/readyz", timeout=2).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


@contextmanager
def control_plane(
    folder: Path, *, gangs: bool = False, audited: bool = False
) -> Iterator[ControlPlane]:
    """A control plane with its data under `folder`.

    Args:
        folder: made where it is missing.
        gangs: turns Kubernetes' own PodGroups on.
        audited: writes `ControlPlane.audit_log`.

    Raises:
        BadInput: when a program cannot be built or does not come up.
    """
    folder.mkdir(parents=True, exist_ok=True)
    etcd_port, peer_port, port = free_ports(3)
    plane = ControlPlane(
        folder=folder,
        url=f"https://127.0.0.1:{port}",
        keys=credentials(folder / "keys"),
        etcd_port=etcd_port,
        gangs=gangs,
        audited=audited,
    )
    try:
        _start_etcd(plane, peer_port)
        plane.api_server()
        yield plane
    finally:
        for process in reversed(plane.running.values()):
            process.stop()
        shutil.rmtree(folder / "etcd", ignore_errors=True)


def _start_etcd(plane: ControlPlane, peer_port: int) -> None:
    client, peer = f"http://127.0.0.1:{plane.etcd_port}", f"http://127.0.0.1:{peer_port}"
    flags = {
        "name": "test",
        "data-dir": plane.folder / "etcd",
        "listen-client-urls": client,
        "advertise-client-urls": client,
        "listen-peer-urls": peer,
        "initial-advertise-peer-urls": peer,
        "initial-cluster": f"test={peer}",
        "quota-backend-bytes": 4 << 30,
        "unsafe-no-fsync": "true",  # a test's data need not outlive a power cut
        "log-level": "error",
    }
    started = plane._run("etcd", flags)  # noqa: SLF001  one module
    started.wait_until(lambda: _healthy(f"{client}/health"), within_s=READY_S)


def _healthy(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


def _api_server_flags(plane: ControlPlane) -> dict[str, object]:
    flags: dict[str, object] = {
        "etcd-servers": f"http://127.0.0.1:{plane.etcd_port}",
        "bind-address": "127.0.0.1",
        "secure-port": plane.url.rpartition(":")[2],
        "tls-cert-file": plane.keys.server_file,
        "tls-private-key-file": plane.keys.server_file,
        "client-ca-file": plane.keys.ca_file,
        "service-account-key-file": plane.keys.tokens_file,
        "service-account-signing-key-file": plane.keys.tokens_file,
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-cluster-ip-range": "10.0.0.0/16",
        "authorization-mode": "Node,RBAC",
        "allow-privileged": "true",  # as everywhere: node agents are
        # Else a node made by hand keeps its not-ready taint until a controller looks at it.
        "disable-admission-plugins": "TaintNodesByCondition,ServiceAccount",
        "max-requests-inflight": 2_000,
        "max-mutating-requests-inflight": 1_000,
    }
    if plane.gangs:
        flags |= {
            "feature-gates": GANG_GATES,
            "runtime-config": "scheduling.k8s.io/v1alpha2=true",
        }
    if plane.audited:
        policy = plane.folder / "audit-policy.yaml"
        policy.write_text(yaml.safe_dump(AUDIT))
        flags |= {"audit-policy-file": policy, "audit-log-path": plane.audit_log}
    return flags
