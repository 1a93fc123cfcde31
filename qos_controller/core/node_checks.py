"""What a node offers the agent, what it lacks, what each lack costs, and what to do about it.

Always holds: judged from facts alone; a node is fit exactly when nothing necessary is missing and
nobody else writes the same control groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "less", "missing", "conflict"]
"""less: the agent works without it; missing: it does not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What was found by looking."""

    kernel: str
    mode: str
    """v1, v2 or hybrid; empty where there are no control groups."""
    kubepods: str
    style: str
    pods_there: bool
    root: bool
    capabilities: frozenset[str]
    controllers: frozenset[str]
    cpu_writable: bool
    psi: bool
    freezer: str
    """v2, v1 or empty."""
    cpu_idle: bool
    cpu_burst: bool
    cpu_manager: str
    """kubelet's policy: none, static, or empty where its file cannot be read."""
    egress: str
    """Empty where batch's sending can be limited, else why not."""
    schedstat: bool
    btf: bool
    resctrl: bool
    disk_schedulers: Mapping[str, str]
    other_agents: tuple[str, ...]
    run_dir_writable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing, judged."""

    name: str
    state: State
    found: str
    costs: str = ""
    """What its absence costs."""
    do: str = ""
    """What to do about it."""


def judge(facts: NodeFacts) -> tuple[Check, ...]:
    """All checks, in the order in which a person should read them."""
    return (
        _groups(facts),
        _rights(facts),
        _others(facts),
        _run_dir(facts),
        _psi(facts),
        _freezer(facts),
        _cpu(facts),
        _cpuset(facts),
        _memory(facts),
        _disk(facts),
        _egress(facts),
        _capabilities(facts),
        _pods(facts),
        *_extras(facts),
    )


def fit(checks: tuple[Check, ...]) -> bool:
    """Whether the agent can do its work here."""
    return all(one.state in {"ok", "less"} for one in checks)


def _groups(facts: NodeFacts) -> Check:
    if not facts.mode:
        return Check(
            name="control groups",
            state="missing",
            found="none",
            costs="nothing can be measured or held back",
            do="mount the node's /sys/fs/cgroup (hostPath), or name its place with --cgroup-root",
        )
    found = f"{facts.mode}; {', '.join(sorted(facts.controllers)) or 'no controllers'}"
    return Check(name="control groups", state="ok", found=found)


def _rights(facts: NodeFacts) -> Check:
    if facts.cpu_writable:
        return Check(name="right to write", state="ok", found="CPU files of groups can be written")
    why = "not root" if not facts.root else "read-only"
    return Check(
        name="right to write",
        state="missing",
        found=why,
        costs="the agent could only watch",
        do="run as root, privileged, with /sys/fs/cgroup mounted writable",
    )


def _others(facts: NodeFacts) -> Check:
    if not facts.other_agents:
        return Check(name="nobody else's groups", state="ok", found="no other node agent is here")
    names = ", ".join(facts.other_agents)
    return Check(
        name="nobody else's groups",
        state="conflict",
        found=f"{names} is at work",
        costs="two agents overwrite one another's quotas",
        do="remove it from this node (its nodeSelector), or leave slacktide's agent off here",
    )


def _run_dir(facts: NodeFacts) -> Check:
    if facts.run_dir_writable:
        return Check(name="run directory", state="ok", found="can be written")
    return Check(
        name="run directory",
        state="missing",
        found="cannot be written",
        costs="no ledger, and without a ledger nothing is written to the node",
        do="mount a writable hostPath on tmpfs there, or name another with --run-dir",
    )


def _psi(facts: NodeFacts) -> Check:
    if facts.psi:
        return Check(name="pressure (PSI)", state="ok", found="each group has cpu.pressure")
    return Check(
        name="pressure (PSI)",
        state="less",
        found="no group has cpu.pressure",
        costs="harm is seen only where a service tells its latency (slacktide.io/latency-from)",
        do="boot with psi=1 (and CONFIG_PSI); on pure cgroup v1, mount the unified tree too",
    )


def _freezer(facts: NodeFacts) -> Check:
    said = {
        "v2": Check(name="freezer", state="ok", found="cgroup.freeze: stops batch in about 0.1 ms"),
        "v1": Check(
            name="freezer",
            state="less",
            found="freezer.state of version 1",
            costs="stopping takes about three times as long",
            do="mount the unified tree at /sys/fs/cgroup/unified",
        ),
    }
    missing = Check(
        name="freezer",
        state="missing",
        found="none",
        costs="batch could only be throttled: a quota acts at the end of a period",
        do="a kernel since 5.2 with the unified tree mounted, or the v1 freezer",
    )
    return said.get(facts.freezer, missing)


def _cpu(facts: NodeFacts) -> Check:
    if "cpu" not in facts.controllers:
        return Check(
            name="CPU quota and weight",
            state="missing",
            found="no cpu controller",
            costs="batch takes whatever CPU it wants",
            do="enable the cpu controller (cgroup_no_v1 or subtree_control)",
        )
    lacks = [
        name
        for name, there in (("cpu.idle", facts.cpu_idle), ("burst", facts.cpu_burst))
        if not there
    ]
    if not lacks:
        return Check(name="CPU quota and weight", state="ok", found="with cpu.idle and burst")
    return Check(
        name="CPU quota and weight",
        state="less",
        found=f"without {' and '.join(lacks)}",
        costs="online's short peaks are throttled sooner" if "burst" in lacks else "little",
        do="a kernel since 5.15",
    )


def _cpuset(facts: NodeFacts) -> Check:
    manager = f"; kubelet's CPU manager: {facts.cpu_manager}" if facts.cpu_manager else ""
    if "cpuset" in facts.controllers:
        return Check(name="cpuset", state="ok", found=f"there{manager}")
    return Check(
        name="cpuset",
        state="less",
        found="no cpuset controller",
        costs="nobody is bound to cores; siblings and caches are shared",
        do="enable the cpuset controller",
    )


def _memory(facts: NodeFacts) -> Check:
    if "memory" in facts.controllers:
        return Check(name="memory", state="ok", found="limits and reclaim")
    return Check(
        name="memory",
        state="less",
        found="no memory controller",
        costs="memory pressure leads straight to eviction",
        do="boot with cgroup_enable=memory",
    )


def _disk(facts: NodeFacts) -> Check:
    drives = ", ".join(f"{name} {kind}" for name, kind in sorted(facts.disk_schedulers.items()))
    if facts.controllers & {"io", "blkio"}:
        found = f"throttles; scheduler: {drives or 'no disk seen'}"
        return Check(name="disk", state="ok", found=found)
    return Check(
        name="disk",
        state="less",
        found="no io or blkio controller",
        costs="a batch writer is frozen instead of slowed",
        do="enable the io controller",
    )


def _egress(facts: NodeFacts) -> Check:
    if not facts.egress:
        return Check(name="egress ceiling", state="ok", found="HTB, IFB, ingress, u32 and mirred")
    return Check(
        name="egress ceiling",
        state="less",
        found=facts.egress,
        costs="a batch pod may fill the uplink",
        do="load sch_htb, ifb, sch_ingress, cls_u32 and act_mirred, with CAP_NET_ADMIN",
    )


_WANTED = {
    "CAP_SYS_RESOURCE": "pressure is polled each tick and cannot wake the agent",
    "CAP_NET_ADMIN": "no egress ceiling",
    "CAP_SYS_NICE": "the loop cannot put itself before others, so a busy node delays it",
    "CAP_IPC_LOCK": "the loop's memory may be swapped out",
    "CAP_SYS_PTRACE": "waiting threads of others are not seen",
}


def _capabilities(facts: NodeFacts) -> Check:
    lacks = [name for name in _WANTED if name not in facts.capabilities]
    if not lacks:
        return Check(name="capabilities", state="ok", found="all that help")
    return Check(
        name="capabilities",
        state="less",
        found=f"without {', '.join(lacks)}",
        costs="; ".join(_WANTED[name] for name in lacks),
        do="run privileged, as the chart's DaemonSet does",
    )


def _pods(facts: NodeFacts) -> Check:
    if facts.pods_there:
        found = f"{facts.kubepods} ({facts.style})"
        return Check(name="kubelet's groups", state="ok", found=found)
    return Check(
        name="kubelet's groups",
        state="less",
        found=f"no {facts.kubepods or 'kubepods'} yet",
        costs="nobody to protect until kubelet has made it",
        do="start kubelet, or name its folder with --pods-root",
    )


def _extras(facts: NodeFacts) -> tuple[Check, ...]:
    """Detected and used where there, and nothing to act on where not."""
    wanted = (
        ("run-queue delay", facts.schedstat, "/proc/PID/schedstat", "one signal fewer"),
        ("BPF types", facts.btf, "/sys/kernel/btf/vmlinux", "no run-queue histogram"),
        ("cache partitions", facts.resctrl, "/sys/fs/resctrl", "caches are shared by all"),
    )
    return tuple(
        Check(name=name, state="ok", found=where)
        if there
        else Check(name=name, state="less", found=f"no {where}", costs=costs, do="nothing")
        for name, there, where, costs in wanted
    )
