"""Two laws may hold back batch's CPU: the CPU's for online's sake, the disk's to pace a writer.

Always holds: the smaller quota is in force, a pod that neither names has none, and only what
changed is written.
"""

from __future__ import annotations

import math
from typing import Final

from qos_controller.core import pace
from qos_controller.core.cpu import CpuMemory
from qos_controller.core.decision import Action, SetQuota
from qos_controller.core.disk import DiskMemory
from qos_controller.core.node_settings import NodeSettings
from qos_controller.core.pace import FREE

ALL: Final = ""
"""All offline together."""


def quotas(cpu: CpuMemory, disk: DiskMemory, settings: NodeSettings) -> dict[str, SetQuota]:
    """What is in force, by pod; the empty name is all offline together."""
    found: dict[str, SetQuota] = {}
    if cpu.quota_cores < math.inf:
        found[cpu.whom] = SetQuota(cpu.quota_cores, cpu.whom)
    if cpu.breath.cores < math.inf and (ALL not in found or cpu.breath.cores < found[ALL].cores):
        law = settings.breath
        period_s = law.period_s if cpu.breath.is_sliced else law.pause_period_s
        found[ALL] = SetQuota(cpu.breath.cores, ALL, period_s)
    if disk.pace is FREE:
        return found
    for pod, cores in pace.quotas(disk.pace, settings.disk).items():
        if pod not in found or cores < found[pod].cores:
            found[pod] = SetQuota(cores, pod, settings.disk.period_s)
    return found


def quota_changes(
    before: tuple[CpuMemory, DiskMemory],
    after: tuple[CpuMemory, DiskMemory],
    settings: NodeSettings,
) -> list[Action]:
    """What is to be written."""
    if _is_calm(*before) and _is_calm(*after):
        return []
    old, new = quotas(*before, settings), quotas(*after, settings)
    lifted: list[Action] = [SetQuota(math.inf, pod) for pod in old if pod not in new]
    return lifted + [quota for pod, quota in new.items() if old.get(pod) != quota]


def _is_calm(cpu: CpuMemory, disk: DiskMemory) -> bool:
    return cpu.quota_cores == math.inf == cpu.breath.cores and disk.pace is FREE
