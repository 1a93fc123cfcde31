"""What the agent's processes are told at their start: one value, one JSON argument.

Always holds: the loop reads no environment and no file for its settings, so what a process was told
can be seen with `ps`. No secret is among them (a kubeconfig is a path).
"""

from __future__ import annotations

from pathlib import Path

import msgspec

TICK_S = 0.025
"""Below 20 ms the kernel's pressure counters lose time (HZ = 250); 25 ms see a stall in two."""


class AgentSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All settings of one node's agent."""

    node: str
    run_dir: str = "/run/slacktide"
    cgroup_root: str = "/sys/fs/cgroup"
    pods_root: str = ""
    """Below each hierarchy; empty: kubepods, as kubelet names it, at the top."""
    own_group: str = "slacktide-agent"
    """The agent's own group in each hierarchy: its siblings' load cannot starve it, and who kills
    the container's group does not kill the watchdog."""
    observe: bool = False
    """Sense, decide and write the diary, and nothing else."""
    alone: bool = False
    """Without Kubernetes: the book is what somebody else wrote."""
    kubeconfig: str = ""
    context: str = ""
    link_mbps: float | None = None
    disk: str = ""
    """A path on the disk of online's files; empty: where kubelet and containerd keep theirs."""
    host: str = "127.0.0.1"
    port: int = 8087
    latency_host: str = "127.0.0.1"
    latency_port: int = 9125
    """UDP, for pushed latencies; 0: the Unix socket alone."""
    beside_others: bool = False
    """Start though another agent limits batch on this node."""
    evict: bool = True
    """False: evictions are refused, and said."""
    note_cpus: bool = False
    """Note on LSE and LSR pods which cores are theirs."""
    record: str = ""
    """A file for what the senses tell, each tick; empty: nothing is recorded."""
    log_level: str = "info"
    tick_s: float = TICK_S

    @property
    def run(self) -> Path:
        """The folder that the agent's parts meet in."""
        return Path(self.run_dir)


def to_argument(settings: AgentSettings) -> str:
    """For a command line."""
    return msgspec.json.encode(settings).decode()


def from_argument(text: str) -> AgentSettings:
    """Raises msgspec.ValidationError where it is none."""
    return msgspec.json.decode(text, type=AgentSettings)
