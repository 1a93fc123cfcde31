"""Two histograms out of the kernel, for people who hunt a tail: file latency and run-queue delay.

`files`: how long pread64, fsync and fdatasync of online's processes took, from the system call's
entry to its exit, so the page cache, the file system and the device are all in it. `read` is left
out, since on a socket it waits for a client. `ready`: from a wake-up (or being preempted) to the
thread's turn. Tracepoints alone, so a kernel without kprobes will do; bpftrace does the rest.
Off unless asked for: bpftrace takes 95 MB and seconds of CPU to begin, and each system call of the
node then costs about 0.3 us more. Where it is not installed or the kernel refuses, `why_not` says
so and there is no histogram. Always holds: one process for all the time, in a mount namespace of
its own (tracefs is seldom mounted); at most `_READ_BYTES` are taken a call, and a line longer than
`_LONGEST` is dropped.
Source: bpftrace's reference guide; Linux Documentation/trace/events.rst.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from qos_controller.adapters.cgroups.layout import Layout

GROUPS: Final = 32
_READ_BYTES: Final = 16_384
_LONGEST: Final = 65_536
_PROGRAM: Final = """
tracepoint:syscalls:sys_enter_pread64, tracepoint:syscalls:sys_enter_fsync,
tracepoint:syscalls:sys_enter_fdatasync /ONLINE/ { @began[tid] = nsecs; }
tracepoint:syscalls:sys_exit_pread64, tracepoint:syscalls:sys_exit_fsync,
tracepoint:syscalls:sys_exit_fdatasync /@began[tid]/ {
  @files = hist((nsecs - @began[tid]) / 1000); delete(@began[tid]);
}
tracepoint:sched:sched_switch /ONLINE/ {
  @mine[args->prev_pid] = 1;
  if (args->prev_state == 0) { @woken[args->prev_pid] = nsecs; }
}
tracepoint:sched:sched_wakeup /@mine[args->pid]/ { @woken[args->pid] = nsecs; }
tracepoint:sched:sched_switch /@woken[args->next_pid]/ {
  @ready = hist((nsecs - @woken[args->next_pid]) / 1000); delete(@woken[args->next_pid]);
}
interval:s:1 { print(@files); print(@ready); clear(@files); clear(@ready); }
interval:s:60 { clear(@mine); clear(@woken); clear(@began); }
"""
_START: Final = (
    "mount -t tracefs none /sys/kernel/tracing 2>/dev/null; "
    "mount -t debugfs none /sys/kernel/debug 2>/dev/null; "
    'exec bpftrace -f json -B line -e "$1"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histogram:
    """One second of one of them."""

    count: int
    p50_s: float
    p99_s: float
    """Upper ends of the buckets (powers of two) that the quantiles lie in."""


class KernelHistograms:
    """The bpftrace process and the last second that it told."""

    def __init__(self, layout: Layout, groups: Iterable[str]) -> None:
        """Begins; `groups` are those that hold online's processes, none for the whole node."""
        self.last: dict[str, Histogram] = {}
        """`files` and `ready`."""
        self.why_not = ""
        self._rest = b""
        self._process: subprocess.Popen[bytes] | None = None
        if not shutil.which("bpftrace"):
            self.why_not = "bpftrace is not installed"
            return
        program = _PROGRAM.replace("ONLINE", _filter(layout, groups))
        command = ["unshare", "--mount", "sh", "-c", _START, "sh", program]
        try:
            self._process = subprocess.Popen(  # noqa: S603  its own words and numbers alone
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        except OSError as error:
            self.why_not = f"bpftrace did not start: {error.strerror}"
            return
        os.set_blocking(self._out(), False)

    def read(self) -> None:
        """Takes what it has told; never waits."""
        if self._process is None:
            return
        try:
            told = os.read(self._out(), _READ_BYTES)
        except BlockingIOError:
            return
        if not told:
            self.why_not = "the kernel refused bpftrace, or it ended"
            self.close()
            return
        *lines, rest = (self._rest + told).split(b"\n")
        self._rest = rest if len(rest) <= _LONGEST else b""
        for line in lines:
            self.last |= histograms_of(line)

    def close(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None

    def _out(self) -> int:
        if self._process is None or self._process.stdout is None:
            raise ValueError("bpftrace does not run")
        return self._process.stdout.fileno()


def histograms_of(line: bytes) -> dict[str, Histogram]:
    """What one line of bpftrace's JSON tells; nothing where it is no histogram."""
    try:
        told = json.loads(line)
        if told["type"] != "hist":
            return {}
        tables = told["data"].items()
        return {name.removeprefix("@"): _summed_up(buckets) for name, buckets in tables if buckets}
    except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError):
        return {}


def _summed_up(buckets: list[dict[str, int]]) -> Histogram:
    count = sum(int(bucket["count"]) for bucket in buckets)
    return Histogram(
        count=count, p50_s=_quantile(buckets, count, 0.5), p99_s=_quantile(buckets, count, 0.99)
    )


def _quantile(buckets: list[dict[str, int]], count: int, quantile: float) -> float:
    seen = 0
    for bucket in buckets:
        seen += int(bucket["count"])
        if seen >= quantile * count:
            return (int(bucket["max"]) + 1) * 1e-6
    raise ValueError("a histogram without requests")


def _filter(layout: Layout, groups: Iterable[str]) -> str:
    """The condition on bpftrace's `cgroup`, which is the inode of a directory of the v2 tree."""
    ids = []
    for group in list(groups)[:GROUPS]:
        try:
            ids.append(Path(layout.unified, group).stat().st_ino)
        except OSError:
            continue
    return " || ".join(f"cgroup == {number}" for number in ids) or "1"
