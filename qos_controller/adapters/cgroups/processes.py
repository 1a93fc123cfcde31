"""What belongs to processes and not to groups: oom_score_adj, I/O priority, the last signal.

Children inherit both priorities, so one pass when a pod appears and one every few seconds is
enough. Always holds: a process that is gone is no error; one pass looks at no more than
`MOST` processes of a group, so a fork bomb costs the agent nothing.

Source of the numbers: ioprio_set(2), include/uapi/linux/ioprio.h. mq-deadline serves real-time
before best-effort before idle and lets none wait beyond prio_aging_expire (10 s).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
from pathlib import Path
from typing import Final

from qos_controller.adapters.cgroups.files import DONE, KeptFiles
from qos_controller.core.standing import IoClass

MOST: Final = 512
PROCESSES: Final = "cgroup.procs"
# The syscalls' numbers: x86_64 has its own, all newer architectures share one table.
_SET, _GET = (251, 252) if platform.machine() == "x86_64" else (30, 31)
_WHO_PROCESS: Final = 1
_CLASS_SHIFT: Final = 13
_BEST_EFFORT, _IDLE = 2, 3
IO_PRIORITIES: Final[dict[IoClass, int]] = {
    "idle": _IDLE << _CLASS_SHIFT,
    "low": _BEST_EFFORT << _CLASS_SHIFT | 7,
    "normal": _BEST_EFFORT << _CLASS_SHIFT | 4,
    "high": _BEST_EFFORT << _CLASS_SHIFT,
}
_libc: Final = ctypes.CDLL(None, use_errno=True)
_syscall: Final = _libc.syscall
_syscall.restype = ctypes.c_long


def listed(path: str, files: KeptFiles) -> list[int]:
    """Processes (cgroup.procs) or threads (tasks, cgroup.threads) of a group, the first `MOST`."""
    content = files.read(path) or b""
    return [int(pid) for pid in content.split(maxsplit=MOST)[:MOST] if pid.isdigit()]


def get_ioprio(thread: int) -> int | None:
    """Its I/O priority; None where it has gone."""
    got = int(_syscall(_GET, _WHO_PROCESS, thread, 0))
    return None if got < 0 else got


def set_ioprio(thread: int, priority: int) -> str:
    """Empty where it worked, else the errno's name."""
    if _syscall(_SET, _WHO_PROCESS, thread, priority) == 0:
        return DONE
    return errno.errorcode.get(ctypes.get_errno(), "EIO")


def oom_score_adj(pid: int) -> int | None:
    """Its oom_score_adj; None where it has gone."""
    try:
        return int(Path(f"/proc/{pid}/oom_score_adj").read_bytes())
    except (OSError, ValueError):
        return None


def set_oom_score_adj(pid: int, score: int) -> str:
    """Empty where it worked; lowering it below where it began needs CAP_SYS_RESOURCE."""
    try:
        Path(f"/proc/{pid}/oom_score_adj").write_bytes(b"%d" % score)
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, "EIO")
    return DONE


def held(path: str, what: str, files: KeptFiles) -> str | None:
    """`what` as the first living process of the group has it, as `give_all` takes it."""
    look = get_ioprio if what == "ioprio" else oom_score_adj
    for pid in listed(path, files):
        value = look(pid)
        if value is not None:
            return f"{what} {value}"
    return None


def give_all(path: str, what: str, files: KeptFiles) -> str:
    """`ioprio 24576` or `oom_score_adj 1000` to each of a group that has another.

    The first refusal that is not a process's end is the answer, else `DONE`; all are tried.
    """
    name, _, number = what.partition(" ")
    value = int(number)
    look, give = (
        (get_ioprio, set_ioprio) if name == "ioprio" else (oom_score_adj, set_oom_score_adj)
    )
    outcome = DONE
    for pid in listed(path, files):
        if look(pid) not in {value, None}:
            refusal = give(pid, value)
            if refusal not in {DONE, "ESRCH", "ENOENT"} and outcome == DONE:
                outcome = refusal
    return outcome


def kill_all(path: str, files: KeptFiles) -> int:
    """SIGKILL to each of a group; how many were there. For trees without cgroup.kill."""
    killed = 0
    for pid in listed(path, files):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
        killed += 1
    return killed
