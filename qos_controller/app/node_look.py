"""One look at a node through what the agent left in RUN_DIR, and through the cgroup tree.

Works beside a running agent, after one that died, and without Kubernetes.
"""

from __future__ import annotations

import os
import socket
import statistics
import time
from pathlib import Path

from qos_controller.adapters.book_file import NAME as BOOK
from qos_controller.adapters.book_file import read_book
from qos_controller.adapters.cgroups.layout import find_layout
from qos_controller.adapters.core_map import read_core_map
from qos_controller.adapters.ticks import Tick, TickReader
from qos_controller.core.node_picture import (
    Agent,
    NodePicture,
    Now,
    Told,
    batch_cpus_of,
    finite,
    owners_of,
    promises_of,
    stage_name,
    worst_of,
)
from qos_controller.core.pods import Book
from slacktide.errors import BadInput

DIARY = "ticks"
DEAD_AFTER_S = 3.0
LATENCY_PARTS = 60
_TICKS = 2_400  # a minute at 25 ms
_TOLD = 8


def open_diary(run_dir: Path) -> TickReader:
    """The diary of the agent on this node.

    Raises:
        BadInput: there is none; says how to have one.
    """
    try:
        return TickReader(run_dir / DIARY)
    except (OSError, ValueError) as why:
        raise BadInput(
            f"no agent writes a diary in {run_dir} ({why}): start one with "
            "`slacktide serve agent`, or name its folder with --run-dir"
        ) from why


def look(reader: TickReader, run_dir: Path, *, cgroup_root: str, pods_root: str) -> NodePicture:
    """All that there is to see now."""
    book = _book(run_dir)
    cores = read_core_map(find_layout(cgroup_root, pods_root))
    ticks = reader.ticks(after=max(reader.counts[0] - _TICKS, 0))
    events = reader.events()
    last = ticks[-1] if ticks else None
    online = [pod for pod in book.pods if not pod.batch]
    owners = owners_of(book, cores)
    return NodePicture(
        node=book.node or socket.gethostname(),
        agent=_agent(reader, ticks),
        cpus=cores.cpus,
        owners=owners,
        floating_pods=len(online) - len(owners),
        batch_pods=len(book.pods) - len(online),
        batch_cpus=batch_cpus_of(book, cores),
        stages=_stages(last) if last else {},
        now=_now(last) if last else None,
        latencies_s=worst_of([tick.latency_s for tick in ticks], parts=LATENCY_PARTS),
        promises=promises_of(book.pods),
        evictions=sum(one.kind == "eviction" for one in events),
        told=tuple(
            Told(at_s=one.unix_s, kind=one.kind, pod=one.pod, text=one.text)
            for one in reversed(events[-_TOLD:])
        ),
    )


def _book(run_dir: Path) -> Book:
    """An agent without Kubernetes may have no book; then everybody is online."""
    try:
        return read_book(run_dir / BOOK)
    except BadInput:
        return Book(node="", written_s=0.0)


def _agent(reader: TickReader, ticks: list[Tick]) -> Agent:
    beat = reader.heartbeat_s
    heard_s = time.monotonic() - beat if beat else None
    alive = heard_s is not None and heard_s < DEAD_AFTER_S
    runs_s = max(time.time() - reader.started_s, 0.0)
    costs = [tick.tick_cost_s for tick in ticks if finite(tick.tick_cost_s) is not None]
    used_s = _cpu_time_s(reader.pid) if alive else None
    return Agent(
        pid=reader.pid,
        alive=alive,
        heard_s=heard_s,
        runs_s=runs_s,
        tick_cost_s=statistics.median(costs) if costs else None,
        core_share=used_s / runs_s if used_s is not None and runs_s > 0 else None,
    )


def _cpu_time_s(pid: int) -> float | None:
    """Of all threads of a process since it began; a tick's own cost includes waiting for a CPU."""
    try:
        # The name in brackets may hold anything, so the fields are counted from its end.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError):
        return None


def _stages(tick: Tick) -> dict[str, str]:
    return {
        "cpu": stage_name("cpu", tick.cpu_stage),
        "disk": stage_name("disk", tick.disk_stage),
        "memory": stage_name("memory", tick.memory_stage),
        "network": stage_name("network", tick.network_stage),
    }


def _now(tick: Tick) -> Now:
    return Now(
        level=finite(tick.level),
        quota_cores=finite(tick.quota_cores),
        online_used_cores=finite(tick.online_used_cores),
        offline_used_cores=finite(tick.offline_used_cores),
        system_used_cores=finite(tick.system_used_cores),
        online_full_share=finite(tick.online_full_share),
        io_full_share=finite(tick.io_full_share),
        memory_used_share=finite(tick.memory_used_share),
        requests_per_s=finite(tick.requests_per_s),
        slow_share=finite(tick.slow_share),
        latency_s=finite(tick.latency_s),
        disk_write_limit_bytes_per_s=finite(tick.disk_write_limit_bytes_per_s),
        egress_limit_bytes_per_s=finite(tick.egress_limit_bytes_per_s),
        frozen_share=finite(tick.frozen),
    )
