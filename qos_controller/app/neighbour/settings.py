"""What the neighbour is told when it starts: a plain dataclass, since pydantic costs 20 MB."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from qos_controller.core.qos_report import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class NeighbourSettings:
    """Each has a reason."""

    node_name: str
    """Whose pods are watched, and the only Node that is written."""
    run_dir: Path = Path("/run/slacktide")
    """Where the parts of the agent meet; kept over restarts, so that the book is."""
    kubeconfig: Path | None = None
    """None: the pod's own account, as anywhere."""
    context: str | None = None
    host: str = "127.0.0.1"
    """Metrics name pods, so others reach them only where an operator says so."""
    port: int = 8087
    """Next to the scheduler's; 0: any free one."""
    alone: bool = False
    """Without Kubernetes: somebody else writes the book, and nobody is evicted."""
    beside_others: bool = False
    """Start though another agent limits batch on this node; off, since two would fight."""
    evict: bool = True
    """Off: wishes are refused, and said."""
    bind: bool = True
    """Off: nobody gets cores of its own, since nothing is written to the node."""
    note_cpus: bool = False
    """On: the annotation slacktide.io/cpus says which; it takes the right to patch pods."""
    memory_grace_s: float = 10.0
    """When memory runs out nobody can wait for minutes, whatever grace a pod was promised."""
    log_level: str = "info"
    pace: Pace = field(default_factory=Pace)
