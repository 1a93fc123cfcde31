"""The tree on disk says what the kernel says: the same writes on both, refusals included."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from slacktide.testing.cgroup_tree import CgroupTree

REAL = Path("/sys/fs/cgroup")
HIERARCHIES = ("cpu", "cpuset", "memory", "blkio", "freezer", "unified")

pytestmark = pytest.mark.skipif(
    not os.environ.get("CI") and not (os.geteuid() == 0 and (REAL / "cpu").is_dir()),
    reason="needs root and control groups version 1 beside the unified tree",
)

TOP, POD, CONTAINER = "", "/pod", "/pod/container"

# Each row: hierarchy, group, file, value. Rows build on one another within a story.
STORIES = {
    "weights": [
        ("cpu", POD, "cpu.shares", "2"),
        ("cpu", POD, "cpu.shares", "1"),
        ("cpu", POD, "cpu.shares", "300000"),
        ("cpu", POD, "cpu.shares", "many"),
        ("cpu", POD, "cpu.idle", "1"),
        ("cpu", POD, "cpu.shares", "512"),
        ("cpu", POD, "cpu.idle", "1"),
        ("cpu", POD, "cpu.idle", "0"),
        ("cpu", POD, "cpu.idle", "2"),
        ("cpu", POD, "cpu.shares", "512"),
    ],
    "a quota is at least a millisecond": [
        ("cpu", POD, "cpu.cfs_quota_us", "999"),
        ("cpu", POD, "cpu.cfs_quota_us", "1000"),
        ("cpu", POD, "cpu.cfs_quota_us", "0"),
        ("cpu", POD, "cpu.cfs_quota_us", "-1"),
        ("cpu", POD, "cpu.cfs_quota_us", "-7"),
        ("cpu", POD, "cpu.cfs_period_us", "999"),
        ("cpu", POD, "cpu.cfs_period_us", "1000001"),
        ("cpu", POD, "cpu.cfs_period_us", "50000"),
    ],
    "no parent below its child, no child above its parent": [
        ("cpu", POD, "cpu.cfs_quota_us", "50000"),
        ("cpu", TOP, "cpu.cfs_quota_us", "20000"),
        ("cpu", TOP, "cpu.cfs_quota_us", "50000"),
        ("cpu", POD, "cpu.cfs_quota_us", "50001"),
        ("cpu", POD, "cpu.cfs_quota_us", "20000"),
        ("cpu", TOP, "cpu.cfs_quota_us", "20000"),
        ("cpu", POD, "cpu.cfs_quota_us", "-1"),
        ("cpu", TOP, "cpu.cfs_quota_us", "10000"),
    ],
    "a grandchild counts through a parent without a limit": [
        ("cpu", CONTAINER, "cpu.cfs_quota_us", "50000"),
        ("cpu", TOP, "cpu.cfs_quota_us", "20000"),
        ("cpu", CONTAINER, "cpu.cfs_quota_us", "20000"),
        ("cpu", TOP, "cpu.cfs_quota_us", "20000"),
        ("cpu", CONTAINER, "cpu.cfs_quota_us", "20001"),
        ("cpu", CONTAINER, "cpu.cfs_period_us", "50000"),
    ],
    "a burst stays within the quota": [
        ("cpu", POD, "cpu.cfs_quota_us", "20000"),
        ("cpu", POD, "cpu.cfs_burst_us", "20001"),
        ("cpu", POD, "cpu.cfs_burst_us", "20000"),
        ("cpu", POD, "cpu.cfs_quota_us", "10000"),
    ],
    "CPUs lie within the parent's and around the children's": [
        ("cpuset", CONTAINER, "cpuset.cpus", "1"),
        ("cpuset", POD, "cpuset.cpus", "0"),
        ("cpuset", POD, "cpuset.cpus", "1"),
        ("cpuset", CONTAINER, "cpuset.cpus", "0-1"),
        ("cpuset", POD, "cpuset.cpus", "0-9999"),
        ("cpuset", POD, "cpuset.cpus", "none"),
    ],
    "memory in whole pages": [
        ("memory", POD, "memory.limit_in_bytes", "1000000"),
        ("memory", POD, "memory.limit_in_bytes", "-1"),
        ("memory", POD, "memory.limit_in_bytes", "lots"),
    ],
    "throttles have a line a device": [
        ("blkio", POD, "blkio.throttle.write_bps_device", "254:0 5000000"),
        ("blkio", POD, "blkio.throttle.write_bps_device", "254:0 0"),
        ("blkio", POD, "blkio.throttle.read_bps_device", "99:99 5000000"),
        ("blkio", POD, "blkio.bfq.weight", "10"),
        ("blkio", POD, "blkio.bfq.weight", "2000"),
    ],
    "frozen and thawed": [
        ("unified", POD, "cgroup.freeze", "1"),
        ("unified", POD, "cgroup.freeze", "0"),
        ("unified", POD, "cgroup.freeze", "2"),
        ("unified", POD, "cgroup.freeze", "yes"),
        ("freezer", POD, "freezer.state", "FROZEN"),
        ("freezer", POD, "freezer.state", "THAWED"),
        ("freezer", POD, "freezer.state", "MELTED"),
    ],
}


@pytest.fixture
def real() -> Iterator[str]:
    name = f"slacktide-test-{os.getpid()}"
    made = [
        REAL / hierarchy / (name + below)
        for below in (TOP, POD, CONTAINER)
        for hierarchy in HIERARCHIES
    ]
    try:
        for group in made:
            group.mkdir()
        for group in made:
            if "cpuset" in group.parts:
                (group / "cpuset.cpus").write_text("0-1")
        yield name
    finally:
        for group in reversed(made):
            if group.exists():
                group.rmdir()


def _written(system: object, path: Path, value: str) -> str:
    """The errno's name, or what the file says afterwards."""
    tree = system if isinstance(system, CgroupTree) else os
    fd = tree.open(str(path), os.O_RDWR)
    try:
        tree.pwrite(fd, value.encode(), 0)
        return " ".join(tree.pread(fd, 4_096, 0).decode().split())
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    finally:
        tree.close(fd)


@pytest.mark.parametrize("story", STORIES)
def test_the_tree_on_disk_answers_as_the_kernel_does(story: str, real: str, tmp_path: Path) -> None:
    tree = CgroupTree(tmp_path, "hybrid")
    for below in (TOP, POD, CONTAINER):
        tree.make("top" + below)
        (tmp_path / "cpuset" / ("top" + below) / "cpuset.cpus").write_text("0-1\n")
    said = [
        (
            f"{group}/{name} = {value}",
            _written(os, REAL / hierarchy / (real + group) / name, value),
            _written(tree, tmp_path / hierarchy / ("top" + group) / name, value),
        )
        for hierarchy, group, name, value in STORIES[story]
    ]
    assert [(row, kernel) for row, kernel, _ in said] == [(row, ours) for row, _, ours in said]
