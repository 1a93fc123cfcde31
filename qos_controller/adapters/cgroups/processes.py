"""What belongs to processes and not to groups: oom_score_adj, I/O priority, the last signal.

Children inherit both priorities, so one pass when a pod appears and one every few seconds is
enough. Always holds: a process that is gone is no error; a PID used anew is told apart by its
start time.

Source of the numbers: ioprio_set(2), include/uapi/linux/ioprio.h. mq-deadline serves real-time
before best-effort before idle since Linux 5.18 and lets none wait beyond prio_aging_expire (10 s).
Measured (p50 / p99): ioprio_set 1.0 / 4 us by ctypes, oom_score_adj 14 / 45 us with its open.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
from typing import Final

from qos_controller.core.standing import IoClass

# The syscalls' numbers: x86_64 has its own, all newer architectures share one table.
_GET, _SET = (252, 251) if platform.machine() == "x86_64" else (31, 30)
_WHO_PROCESS: Final = 1
_CLASS_SHIFT: Final = 13
_REALTIME, _BEST_EFFORT, _IDLE = 1, 2, 3
IO_PRIORITIES: Final[dict[IoClass, int]] = {
    "idle": _IDLE << _CLASS_SHIFT,
    "low": _BEST_EFFORT << _CLASS_SHIFT | 7,
    "normal": _BEST_EFFORT << _CLASS_SHIFT | 4,
    "high": _BEST_EFFORT << _CLASS_SHIFT,
}
_libc: Final = ctypes.CDLL(None, use_errno=True)
_syscall: Final = _libc.syscall
_syscall.restype = ctypes.c_long


def name_of(error: OSError) -> str:
    """The errno's name."""
    return errno.errorcode.get(error.errno or 0, "EIO")


def get_ioprio(thread: int) -> int | None:
    """Its I/O priority; None where it has gone."""
    got = int(_syscall(_GET, _WHO_PROCESS, thread, 0))
    return None if got < 0 else got


def set_ioprio(thread: int, priority: int) -> str:
    """Empty where it worked, else the errno's name."""
    if _syscall(_SET, _WHO_PROCESS, thread, priority) == 0:
        return ""
    return errno.errorcode.get(ctypes.get_errno(), "EIO")


def born(path: str) -> int:
    """Start time, in clock ticks since boot, of the process that a path below /proc is about."""
    proc, _, rest = path.partition("/proc/")
    try:
        with open(f"{proc}/proc/{rest.split('/')[0]}/stat", "rb") as file:  # noqa: PTH123  once a process
            # The name in brackets may hold anything, so fields are counted after the last one.
            return int(file.read().rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def kill_all(pids: tuple[int, ...]) -> int:
    """SIGKILL to each; how many were there."""
    killed = 0
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            continue
        killed += 1
    return killed
