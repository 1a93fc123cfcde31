"""A kubelet as a cluster's administrator would configure it, where the machine is somebody's desk.

It evicts and swaps as its settings say, collects no images, and rules the `kubepods` groups of all
cgroup hierarchies as everywhere; nothing of it lies outside its folder.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from slacktide.testing.cluster.binaries import binary
from slacktide.testing.cluster.control_plane import ControlPlane
from slacktide.testing.cluster.processes import Process, free_ports
from slacktide.testing.node.containerd import GATEWAY, socket


def kubelet(
    plane: ControlPlane, name: str, folder: Path, config: Mapping[str, Any] | None = None
) -> Process:
    """Starts the kubelet of node `name`; `config` overrides its KubeletConfiguration."""
    folder.mkdir(parents=True, exist_ok=True)
    port, health_port = free_ports(2)
    whole = _DEFAULTS | {
        "port": port,
        "healthzPort": health_port,
        "containerRuntimeEndpoint": f"unix://{socket(folder)}",
        "podLogsDir": str(folder / "pod-logs"),
        "volumePluginDir": str(folder / "volume-plugins"),
        **(config or {}),
    }
    file = folder / "kubelet.yaml"
    file.write_text(yaml.safe_dump(whole))
    flags = {
        "config": file,
        "kubeconfig": plane.kubeconfig(f"system:node:{name}", "system:nodes"),
        "hostname-override": name,
        "node-ip": GATEWAY,
        "root-dir": folder / "kubelet",
        "cert-dir": folder / "kubelet-keys",
    }
    command = [str(binary("kubelet")), *(f"--{flag}={value}" for flag, value in flags.items())]
    return Process("kubelet", command, folder=folder)


_DEFAULTS: Final[dict[str, Any]] = {
    "apiVersion": "kubelet.config.k8s.io/v1beta1",
    "kind": "KubeletConfiguration",
    "address": "127.0.0.1",
    "authentication": {"anonymous": {"enabled": True}, "webhook": {"enabled": False}},
    "authorization": {"mode": "AlwaysAllow"},
    "cgroupDriver": "cgroupfs",
    "failCgroupV1": False,
    "failSwapOn": False,
    "localStorageCapacityIsolation": False,
    "evictionHard": {},
    "imageGCHighThresholdPercent": 100,
    "makeIPTablesUtilChains": False,  # no services are reached from these pods
    "oomScoreAdj": 0,  # lowering it asks for CAP_SYS_RESOURCE
    "resolvConf": "",
    "shutdownGracePeriod": "0s",
}
