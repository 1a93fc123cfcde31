"""Debian's containerd with files, socket and network of its own: it meets no other one.

The native snapshotter copies layers, which works on any file system; images are ours, so no
registry is asked. Network namespaces are mounted under its state, so one place is unmounted.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Final

from slacktide.errors import BadInput
from slacktide.testing.cluster.processes import Process
from slacktide.testing.node.images import BUSYBOX, IMAGES, write_archive

BRIDGE: Final = "slacktide0"
GATEWAY: Final = "198.18.0.1"  # of the range for benchmarks, RFC 2544: nobody routes it
SUBNET: Final = "198.18.0.0/24"
NETWORK_PROGRAMS: Final = Path("/usr/lib/cni")  # where Debian puts them
READY_S: Final = 60.0

_NETWORK: Final = {
    "cniVersion": "0.4.0",
    "name": "slacktide",
    "plugins": [
        {
            "type": "bridge",
            "bridge": BRIDGE,
            "isDefaultGateway": True,
            "ipam": {"type": "host-local", "ranges": [[{"subnet": SUBNET}]]},
        },
        {"type": "loopback"},
    ],
}
_CONFIG: Final = """\
version = 2
root = "{folder}/root"
state = "{folder}/state"
oom_score = 0
imports = []
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs"]
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{sandbox}"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "native"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{programs}"
    conf_dir = "{folder}/network"
"""


def missing_programs() -> str:
    """Names of what the machine lacks, empty where it has all."""
    wanted = ("containerd", "ctr", "runc", "busybox", "ip")
    missing = [name for name in wanted if not shutil.which(name)]
    if not (NETWORK_PROGRAMS / "bridge").exists():
        missing.append("containernetworking-plugins")
    return ", ".join(missing)


def socket(folder: Path) -> Path:
    """Where kubelet and `ctr` find it."""
    return folder / "containerd.sock"


def containerd(folder: Path) -> Process:
    """Starts it, with the images and the bridge that pods need.

    Raises:
        BadInput: when it does not come up.
    """
    (folder / "network").mkdir(parents=True, exist_ok=True)
    (folder / "network/slacktide.conflist").write_text(json.dumps(_NETWORK))
    config = folder / "containerd.toml"
    config.write_text(
        _CONFIG.format(folder=folder, sandbox=BUSYBOX.name, programs=NETWORK_PROGRAMS)
    )
    _run("ip", "link", "add", BRIDGE, "type", "bridge")
    _run("ip", "address", "add", f"{GATEWAY}/24", "dev", BRIDGE)
    _run("ip", "link", "set", BRIDGE, "up")
    process = Process("containerd", ["containerd", "--config", config], folder=folder)
    process.wait_until(lambda: _answers(folder), within_s=READY_S)
    for image in IMAGES:
        archive = folder / f"{image.tag}.tar"
        write_archive(image, archive)
        _run(*_ctr(folder), "images", "import", "--snapshotter", "native", str(archive))
        archive.unlink()
    return process


def _answers(folder: Path) -> bool:
    asked = subprocess.run([*_ctr(folder), "version"], capture_output=True, check=False)
    return asked.returncode == 0


def _ctr(folder: Path) -> list[str]:
    return ["ctr", "--address", str(socket(folder)), "--namespace", "k8s.io"]


def _run(*command: str) -> None:
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise BadInput(f"{' '.join(command)}: {ran.stderr.strip()}")
