"""Control groups on disk: real directories with the kernel's files, and the kernel's answers.

Directories are real, so scans and inotify see what they see on a node; the four calls `open`,
`pread`, `pwrite`, `close` stand in for the module `os` and answer a write as the kernel would:
they refuse with its errno, round as it rounds, and change the files that it changes. Held against
the real kernel by tests/qos_controller/test_cgroup_tree.py, which does the same on both.

Always holds: a refused write changes nothing; the tree is all there is (no process lives in it).
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final, Literal

Mode = Literal["v1", "v2", "hybrid"]
Style = Literal["cgroupfs", "systemd"]
Qos = Literal["guaranteed", "burstable", "besteffort"]

DEVICE: Final = "254:0"
_UNLIMITED: Final = "9223372036854771712"
_V1: Final[dict[str, dict[str, str]]] = {
    "cpu": {
        "cpu.shares": "1024",
        "cpu.idle": "0",
        "cpu.cfs_quota_us": "-1",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_burst_us": "0",
        "cpu.stat": "nr_periods 0\nnr_throttled 0\nthrottled_time 0",
    },
    "cpuset": {"cpuset.cpus": "", "cpuset.mems": ""},
    "memory": {
        "memory.limit_in_bytes": _UNLIMITED,
        "memory.usage_in_bytes": "0",
        "memory.force_empty": "",
    },
    "blkio": {
        "blkio.throttle.read_bps_device": "",
        "blkio.throttle.write_bps_device": "",
        "blkio.throttle.io_service_bytes": "Total 0",
        "blkio.bfq.weight": "100",
    },
    "freezer": {"freezer.state": "THAWED"},
}
_V2_CORE: Final = {
    "cgroup.freeze": "0",
    "cgroup.events": "populated 0\nfrozen 0",
    "cgroup.kill": "",
    "cgroup.controllers": "",
    "cgroup.subtree_control": "",
    "cgroup.threads": "",
    "cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    "full avg10=0.00 avg60=0.00 avg300=0.00 total=0",
}
_V2_CONTROLLERS: Final = "cpuset cpu io memory pids"
_V2: Final = {
    "cpu.weight": "100",
    "cpu.idle": "0",
    "cpu.max": "max 100000",
    "cpu.max.burst": "0",
    "cpuset.cpus": "",
    "memory.max": "max",
    "memory.high": "max",
    "memory.current": "0",
    "memory.reclaim": "",
    "io.max": "",
    "io.weight": "default 100",
    "io.bfq.weight": "default 100",
}


class CgroupTree:
    """One node's tree below a directory of a test's own."""

    def __init__(
        self, root: Path, mode: Mode = "hybrid", style: Style = "cgroupfs", *, cpus: int = 2
    ) -> None:
        self.root = root
        self.mode = mode
        self.style = style
        self._cpus = cpus
        self._paths: dict[int, Path] = {}
        self.kubepods = "kubepods" if style == "cgroupfs" else "kubepods.slice"
        self.make("")
        for group in (self.kubepods, self.of_class("burstable"), self.of_class("besteffort")):
            self.make(group)

    def of_class(self, qos: Qos) -> str:
        """A QoS class's group."""
        if qos == "guaranteed":
            return self.kubepods
        name = qos if self.style == "cgroupfs" else f"kubepods-{qos}.slice"
        return f"{self.kubepods}/{name}"

    def of_pod(self, uid: str, qos: Qos) -> str:
        """A pod's group."""
        above = self.of_class(qos)
        if self.style == "cgroupfs":
            return f"{above}/pod{uid}"
        stem = above.rpartition("/")[2].removesuffix(".slice")
        return f"{above}/{stem}-pod{uid.replace('-', '_')}.slice"

    def make_pod(self, uid: str, qos: Qos, *containers: str) -> str:
        """As kubelet and the runtime do it; answers with the pod's group."""
        pod = self.of_pod(uid, qos)
        self.make(pod)
        for container in containers:
            name = container if self.style == "cgroupfs" else f"cri-containerd-{container}.scope"
            self.make(f"{pod}/{name}")
        return pod

    def make(self, group: str) -> None:
        """One group in every hierarchy."""
        for mount, files in self._hierarchies().items():
            directory = self.root / mount / group
            directory.mkdir(parents=True, exist_ok=True)
            for name, content in files.items():
                (directory / name).write_text(f"{content}\n" if content else "")
            if "cpuset.mems" in files:
                # Empty in the kernel's hands; kubelet and runc copy the parent's at once.
                (directory / "cpuset.cpus").write_text(f"0-{self._cpus - 1}\n")
                (directory / "cpuset.mems").write_text("0\n")

    def remove(self, group: str) -> None:
        """The group and all below it, in every hierarchy."""
        for mount in self._hierarchies():
            for directory, _, files in os.walk(self.root / mount / group, topdown=False):
                for name in files:
                    Path(directory, name).unlink()
                Path(directory).rmdir()

    def file(self, controller: str, group: str, name: str) -> Path:
        """Where a file lies; `controller` "" is the unified tree."""
        if self.mode == "v2":
            return self.root / group / name
        return self.root / (controller or "unified") / group / name

    def open(self, path: str, flags: int, /) -> int:
        """As os.open."""
        fd = os.open(path, flags)
        self._paths[fd] = Path(path)
        return fd

    def pread(self, fd: int, length: int, offset: int, /) -> bytes:
        """As os.pread; a group that has gone is ENODEV."""
        self._living(fd)
        return os.pread(fd, length, offset)

    def pwrite(self, fd: int, data: bytes, offset: int, /) -> int:
        """As the kernel takes it."""
        del offset
        path = self._living(fd)
        content = _kernels_answer(path, data.decode().strip(), self._cpus)
        _say(path, content)
        return len(data)

    def close(self, fd: int, /) -> None:
        """As os.close."""
        self._paths.pop(fd, None)
        os.close(fd)

    def _living(self, fd: int) -> Path:
        path = self._paths[fd]
        if not path.exists():
            raise OSError(errno.ENODEV, "its group has gone", str(path))
        return path

    def _hierarchies(self) -> dict[str, dict[str, str]]:
        processes = {"cgroup.procs": ""}
        if self.mode == "v2":
            handed = {"cgroup.controllers": _V2_CONTROLLERS}
            return {
                "": processes
                | _V2_CORE
                | _V2
                | handed
                | {"cgroup.subtree_control": _V2_CONTROLLERS}
            }
        trees = {name: processes | {"tasks": ""} | files for name, files in _V1.items()}
        return trees | ({"unified": processes | _V2_CORE} if self.mode == "hybrid" else {})


def _kernels_answer(path: Path, value: str, cpus: int) -> str:
    """The new content, or the kernel's refusal."""
    if path.name == "cpuset.cpus":
        return _placed(path, value, cpus)
    rule = next((rule for start, rule in _RULES.items() if path.name.startswith(start)), None)
    return value if rule is None else rule(path, value)


def _weighed(path: Path, value: str) -> str:
    number = _number(value)
    beside = path.with_name("cpu.shares")
    weight, idle, usual = (
        (beside, "3", "1024") if beside.exists() else (path.with_name("cpu.weight"), "0", "100")
    )
    if path.name == "cpu.idle":
        if number not in {0, 1}:
            raise _refused(errno.EINVAL)
        if value != _says(path):
            _say(weight, idle if number else usual)
        return value
    if _says(path.with_name("cpu.idle")) == "1":
        raise _refused(errno.EINVAL)
    if path.name == "cpu.weight" and not 1 <= number <= 10_000:
        raise _refused(errno.ERANGE)
    return str(min(max(number, 2), 262_144)) if path.name == "cpu.shares" else value


def _limited(path: Path, value: str) -> str:
    """kernel/sched/core.c: 1 ms at least, burst within quota, version 1's tree of ratios."""
    if path.name.startswith("cpu.max"):
        return _limited_v2(path, value)
    group = path.parent
    now = {name: int(_says(group / f"cpu.cfs_{name}_us")) for name in ("quota", "period", "burst")}
    now[path.name.removeprefix("cpu.cfs_").removesuffix("_us")] = _number(value)
    quota, period, burst = (max(now[name], -1) for name in ("quota", "period", "burst"))
    if (0 <= quota < 1_000) or not 1_000 <= period <= 1_000_000 or burst < 0:
        raise _refused(errno.EINVAL)
    if 0 <= quota < burst:
        raise _refused(errno.EINVAL)
    above = _ratio_above(group)
    below = [ratio for child in _children(group) if (ratio := _ratio_below(child)) is not None]
    mine = None if quota < 0 else (quota << 20) // period
    ceiling = above if mine is None else mine
    if mine is not None and above is not None and mine > above:
        raise _refused(errno.EINVAL)
    if ceiling is not None and any(ratio > ceiling for ratio in below):
        raise _refused(errno.EINVAL)
    return "-1" if path.name == "cpu.cfs_quota_us" and quota < 0 else value


def _limited_v2(path: Path, value: str) -> str:
    if path.name == "cpu.max.burst":
        quota = _says(path.with_name("cpu.max")).split()[0]
        if quota != "max" and _number(value) > int(quota):
            raise _refused(errno.EINVAL)
        return value
    quota, _, period = value.partition(" ")
    period = period or _says(path).split()[1]
    if quota != "max" and _number(quota) < 1_000:
        raise _refused(errno.EINVAL)
    if not 1_000 <= _number(period) <= 1_000_000:
        raise _refused(errno.EINVAL)
    return f"{quota} {period}"


def _ratio_of(group: Path) -> int | None:
    quota = int(_says(group / "cpu.cfs_quota_us"))
    return None if quota < 0 else (quota << 20) // int(_says(group / "cpu.cfs_period_us"))


def _ratio_above(group: Path) -> int | None:
    """The nearest limit above: who has none takes its parent's."""
    above = group.parent
    while (above / "cpu.cfs_quota_us").exists():
        ratio = _ratio_of(above)
        if ratio is not None:
            return ratio
        above = above.parent
    return None


def _ratio_below(group: Path) -> int | None:
    """The highest limit here or, where there is none, below."""
    own = _ratio_of(group)
    if own is not None:
        return own
    below = [ratio for child in _children(group) if (ratio := _ratio_below(child)) is not None]
    return max(below, default=None)


def _placed(path: Path, value: str, cpus: int) -> str:
    """Version 1: within the parent, around the children; version 2 takes what there is."""
    wanted = _cpus_in(value)
    if any(cpu >= cpus for cpu in wanted):
        raise _refused(errno.ERANGE)
    if path.with_name("cgroup.freeze").exists():
        return value
    above = path.parent.parent / "cpuset.cpus"
    if any(not _cpus_in(_says(c / path.name)) <= wanted for c in _children(path.parent)):
        raise _refused(errno.EBUSY)
    if (
        above.exists()
        and (above.parent.parent / path.name).exists()
        and not wanted <= _cpus_in(_says(above))
    ):
        raise _refused(errno.EACCES)
    return value


def _stopped(path: Path, value: str) -> str:
    if path.name == "freezer.state":
        if value not in {"FROZEN", "THAWED"}:
            raise _refused(errno.EINVAL)
        return value
    if value not in {"0", "1"}:
        raise _refused(errno.ERANGE if value.lstrip("-").isdigit() else errno.EINVAL)
    events = path.with_name("cgroup.events")
    _say(events, _says(events).rpartition(" ")[0] + f" {value}")
    return value


def _fenced(path: Path, value: str) -> str:
    if path.name in {"memory.force_empty", "memory.reclaim"}:
        return ""
    if value in {"-1", "max"}:
        return _UNLIMITED if path.name.endswith("_in_bytes") else "max"
    size = _number(value) // 4_096 * 4_096
    if path.name == "memory.limit_in_bytes" and size < int(
        _says(path.with_name("memory.usage_in_bytes"))
    ):
        raise _refused(errno.EBUSY)
    return str(min(size, int(_UNLIMITED)))


def _throttled(path: Path, value: str) -> str:
    device, *words = value.split()
    if device != DEVICE:
        raise _refused(errno.ENODEV)
    others = [line for line in _says(path).splitlines() if not line.startswith(f"{device} ")]
    if path.name != "io.max":
        return "\n".join([*others, value] if _number(words[0]) else others)
    held = dict.fromkeys(("rbps", "wbps", "riops", "wiops"), "max")
    held |= dict(word.split("=") for word in " ".join(_says(path).splitlines()).split()[1:])
    held |= dict(word.split("=") for word in words)
    line = " ".join([device, *(f"{k}={v}" for k, v in held.items())])
    return "\n".join(others if set(held.values()) == {"max"} else [*others, line])


def _disk_weighed(path: Path, value: str) -> str:
    number = _number(value.removeprefix("default "))
    if not 1 <= number <= (10_000 if path.name == "io.weight" else 1_000):
        raise _refused(errno.ERANGE)
    return str(number) if path.name.startswith("blkio") else f"default {number}"


def _children(group: Path) -> list[Path]:
    return [path for path in group.iterdir() if path.is_dir()]


def _cpus_in(listed: str) -> set[int]:
    found: set[int] = set()
    for part in listed.split(","):
        first, _, last = part.partition("-")
        if first:
            found |= set(range(_number(first), _number(last or first) + 1))
    return found


def _number(value: str) -> int:
    try:
        return int(value)
    except ValueError:
        raise _refused(errno.EINVAL) from None


def _refused(number: int) -> OSError:
    return OSError(number, os.strerror(number))


def _says(path: Path) -> str:
    return path.read_text().strip()


def _say(path: Path, content: str) -> None:
    path.write_text(f"{content}\n" if content else "")


_RULES: Final[dict[str, Callable[[Path, str], str]]] = {
    "cpu.shares": _weighed,
    "cpu.weight": _weighed,
    "cpu.idle": _weighed,
    "cpu.cfs_": _limited,
    "cpu.max": _limited,
    "cgroup.freeze": _stopped,
    "freezer.state": _stopped,
    "memory.": _fenced,
    "blkio.throttle.": _throttled,
    "io.max": _throttled,
    "blkio.bfq.weight": _disk_weighed,
    "io.weight": _disk_weighed,
    "io.bfq.weight": _disk_weighed,
}
