"""Kubeflow's jobs (MPIJob, PyTorchJob, TFJob, ...): launcher or master and workers start together.

Source: mpi-operator pkg/apis/kubeflow/v2beta1/constants.go (job-name, job-role, replica-type). The
labels do not say how many pods there will be; the operator makes them at one go, so what is there a
moment after the last one came is taken for the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from scheduler.core.ways_in.shape import Groups, Key, Membership, Shape, WayIn, label
from slacktide.contract import TRAINING_JOB, TRAINING_REPLICA, TRAINING_ROLE
from slacktide.kube.objects import Pod


def membership(pod: Pod) -> Membership | None:
    """By label."""
    gang = label(pod, TRAINING_JOB)
    role = label(pod, TRAINING_REPLICA) or label(pod, TRAINING_ROLE)
    return Membership(pod.metadata.namespace, gang, role.lower()) if gang else None


def shape(_key: Key, pods: Sequence[Pod], _groups: Groups) -> Shape:
    """All that are there and have not failed: those are made anew."""
    count = max(sum(pod.status.phase != "Failed" for pod in pods), 1)
    return Shape(least=count, most=count, settles=True)


TRAINING: Final = WayIn("training", membership, shape)
