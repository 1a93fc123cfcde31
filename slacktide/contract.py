"""Every string slacktide shares with Kubernetes and its peers: labels, annotations, resources.

One file, so that a reader sees the whole contract and a rename is one line.
"""

from __future__ import annotations

from typing import Final

GROUP: Final = "slacktide.io"
VERSION: Final = "v1alpha1"

# Oversold resources: the names Koordinator and Volcano use, so their jobs run unchanged.
RESOURCE_BATCH_CPU: Final = "kubernetes.io/batch-cpu"  # integer milli-cores
RESOURCE_BATCH_MEMORY: Final = "kubernetes.io/batch-memory"  # bytes
# kube-scheduler refuses names under kubernetes.io as an extender's managedResources: offline pods
# carry one more, which only says "ask the extender"; kubelet drops what a node does not know.
RESOURCE_TASK: Final = "slacktide.io/task"

# Quality of service: Koordinator's spelling is the default, the others are read as aliases.
LABEL_QOS_CLASS: Final = "koordinator.sh/qosClass"
LABEL_QOS_KATALYST: Final = "katalyst.kubewharf.io/qos_level"
LABEL_QOS_VOLCANO: Final = "volcano.sh/qos-level"

QOS_LSE: Final = "LSE"  # latency-sensitive, exclusive cores
QOS_LSR: Final = "LSR"  # latency-sensitive, reserved cores
QOS_LS: Final = "LS"  # latency-sensitive, shared cores
QOS_BE: Final = "BE"  # best effort: the offline side
QOS_CLASSES: Final = (QOS_LSE, QOS_LSR, QOS_LS, QOS_BE)  # the most careful first

# The aliases' values; their keys are annotations with the peers, labels with some users.
KATALYST_LEVELS: Final = {
    "dedicated_cores": QOS_LSE,
    "shared_cores": QOS_LS,
    "system_cores": QOS_LS,
    "reclaimed_cores": QOS_BE,
}
VOLCANO_LEVELS: Final = {"LC": QOS_LSE, "HLS": QOS_LSR, "LS": QOS_LS, "BE": QOS_BE}

# Priority bands, inclusive, as Koordinator documents them.
PRIORITY_PROD: Final = (9000, 9999)
PRIORITY_MID: Final = (7000, 7999)
PRIORITY_BATCH: Final = (5000, 5999)
PRIORITY_FREE: Final = (3000, 3999)

SCHEDULER_OFFLINE: Final = "slacktide-scheduler"
PRIORITY_CLASS_BATCH: Final = "slacktide-batch"
GATE_GANG: Final = f"{GROUP}/gang"  # a scheduling gate, lifted when the whole gang has a place

LABEL_QUEUE: Final = f"{GROUP}/queue"
ANNOTATION_GANG_NAME: Final = f"{GROUP}/gang-name"
ANNOTATION_GANG_MIN: Final = f"{GROUP}/gang-min-available"
ANNOTATION_GANG_TOTAL: Final = f"{GROUP}/gang-total"
ANNOTATION_DURATION: Final = f"{GROUP}/expected-duration-s"  # of a task, in seconds, by its owner
ANNOTATION_DECISION: Final = f"{GROUP}/decision"  # JSON: where the planner decided that a pod goes
ANNOTATION_REPLACES: Final = f"{GROUP}/replaces"  # UID of the withdrawn pod that this one is for
ANNOTATION_RIGHTSIZE: Final = f"{GROUP}/right-size"  # "off" leaves the pod as it is
ANNOTATION_ORIGINAL_REQUESTS: Final = f"{GROUP}/original-requests"  # JSON, what the owner asked for
ANNOTATION_REASON: Final = f"{GROUP}/reason"  # the sentence behind the last decision
ANNOTATION_MIRROR_POD: Final = "kubernetes.io/config.mirror"  # a static pod's shadow: not ours
