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

# GPUs. A task asks in resources, which nobody can change once the pod is there; kube-scheduler
# leaves them to our extender, and kubelet drops what a node does not know.
RESOURCE_GPU_MILLI: Final = "slacktide.io/gpu-milli"  # below 1000 a share of one GPU, else n x 1000
RESOURCE_GPU_MEMORY: Final = "slacktide.io/gpu-memory"  # bytes of each GPU
IGNORED_BY_KUBE_SCHEDULER: Final = (RESOURCE_TASK, RESOURCE_GPU_MILLI, RESOURCE_GPU_MEMORY)
ANNOTATION_GPUS: Final = f"{GROUP}/gpus"  # of a node, JSON: the devices it sells
ANNOTATION_GPU_MODEL: Final = f"{GROUP}/gpu-model"  # of a pod: "V100", or "V100|A100" for either
ANNOTATION_GPU_DEVICES: Final = f"{GROUP}/gpu-devices"  # of a pod: "0,3", the devices it was given
# Aliases: Koordinator's device share (docs: device-scheduling-gpu-share), in per cent of a GPU and
# in bytes of all of them; the model as the openb simulator names it (pkg/type/open-gpu-share).
KOORDINATOR_GPU: Final = "koordinator.sh/gpu"  # of time and memory alike
KOORDINATOR_GPU_CORE: Final = "koordinator.sh/gpu-core"
KOORDINATOR_GPU_MEMORY: Final = "koordinator.sh/gpu-memory"
KOORDINATOR_GPU_MEMORY_RATIO: Final = "koordinator.sh/gpu-memory-ratio"
OPENB_GPU_MODEL: Final = "alibabacloud.com/gpu-card-model"

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
ANNOTATION_DECISION: Final = f"{GROUP}/decision"  # JSON: where the planner decided that a pod goes
ANNOTATION_REPLACES: Final = f"{GROUP}/replaces"  # UID of the withdrawn pod that this one is for
ANNOTATION_SUBMITTED: Final = f"{GROUP}/submitted"  # when the first pod of this task was created
ANNOTATION_LIFE: Final = f"{GROUP}/life"  # JSON on a gang's eldest pod: its phase and its setbacks
ANNOTATION_EVICTION: Final = f"{GROUP}/eviction"  # JSON: for which gang a pod is being evicted
ANNOTATION_CHECKPOINT: Final = f"{GROUP}/last-checkpoint"  # RFC 3339: work before it is not lost
ANNOTATION_GRACE: Final = f"{GROUP}/checkpoint-grace"  # "5m" to save its work when it is evicted
ANNOTATION_RIGHTSIZE: Final = f"{GROUP}/right-size"  # "off" leaves the pod as it is
ANNOTATION_ORIGINAL_REQUESTS: Final = f"{GROUP}/original-requests"  # JSON, what the owner asked for
ANNOTATION_REASON: Final = f"{GROUP}/reason"  # the sentence behind the last decision
ANNOTATION_RESERVED: Final = f"{GROUP}/reserved-start"  # RFC 3339: room is kept for it till then
ANNOTATION_MIRROR_POD: Final = "kubernetes.io/config.mirror"  # a static pod's shadow: not ours
ANNOTATION_DURATION: Final = f"{GROUP}/expected-duration"  # "2h", as its owner expects it
ANNOTATION_TIME_LIMIT: Final = f"{GROUP}/time-limit"  # "24h" of running, then it has failed
DEFAULT_QUEUE: Final = "default"
# What the planner alone may say of a pod; the door takes it from whoever else says it.
PLANNERS_OWN: Final = (
    ANNOTATION_DECISION,
    ANNOTATION_EVICTION,
    ANNOTATION_GPU_DEVICES,
    ANNOTATION_LIFE,
    ANNOTATION_REPLACES,
    ANNOTATION_RESERVED,
    ANNOTATION_SUBMITTED,
)

# How the peers name a gang, its roles and its queue. Read from their public API definitions:
# scheduler-plugins apis/scheduling/v1alpha1, koordinator apis/extension, volcano apis
# scheduling/v1beta1 and batch/v1alpha1, kueue pkg/controller/constants, jobset api/v1alpha2,
# kuberay controllers/ray/utils, spark-operator pkg/common, mpi-operator apis/kubeflow/v2beta1.
LABEL_POD_GROUP: Final = "scheduling.x-k8s.io/pod-group"
LABEL_POD_GROUP_OLD: Final = (
    "pod-group.scheduling.sigs.k8s.io"  # before it was renamed; Koordinator
)
LABEL_LIGHT_GROUP: Final = "pod-group.scheduling.sigs.k8s.io/name"  # a gang without an object
LABEL_LIGHT_GROUP_MIN: Final = "pod-group.scheduling.sigs.k8s.io/min-available"

KOORDINATOR_GANG: Final = "gang.scheduling.koordinator.sh/name"
KOORDINATOR_MIN: Final = "gang.scheduling.koordinator.sh/min-available"
KOORDINATOR_TOTAL: Final = "gang.scheduling.koordinator.sh/total-number"
KOORDINATOR_WAIT: Final = "gang.scheduling.koordinator.sh/waiting-time"
KOORDINATOR_MODE: Final = "gang.scheduling.koordinator.sh/mode"
KOORDINATOR_GROUPS: Final = "gang.scheduling.koordinator.sh/groups"
KOORDINATOR_QUOTA: Final = "quota.scheduling.koordinator.sh/name"

VOLCANO_GROUP: Final = "scheduling.k8s.io/group-name"
VOLCANO_GROUP_NEW: Final = "scheduling.volcano.sh/group-name"
VOLCANO_TASK: Final = "volcano.sh/task-spec"
VOLCANO_QUEUE: Final = "volcano.sh/queue-name"
VOLCANO_QUEUE_ANNOTATION: Final = "scheduling.volcano.sh/queue-name"

KUEUE_QUEUE: Final = "kueue.x-k8s.io/queue-name"
KUEUE_GATE: Final = "kueue.x-k8s.io/admission"
KUEUE_CHECK: Final = f"{GROUP}/forecast-capacity"  # controllerName of an AdmissionCheck
KUEUE_GROUP: Final = "kueue.x-k8s.io/pod-group-name"
KUEUE_GROUP_TOTAL: Final = "kueue.x-k8s.io/pod-group-total-count"
KUEUE_MIN_PARALLELISM: Final = "kueue.x-k8s.io/job-min-parallelism"
KUEUE_ONE_DOMAIN: Final = "kueue.x-k8s.io/podset-required-topology"
KUEUE_RATHER_ONE_DOMAIN: Final = "kueue.x-k8s.io/podset-preferred-topology"

JOBSET: Final = "jobset.sigs.k8s.io/jobset-name"
JOBSET_ROLE: Final = "jobset.sigs.k8s.io/replicatedjob-name"
RAY_CLUSTER: Final = "ray.io/cluster"
RAY_NODE_TYPE: Final = "ray.io/node-type"
RAY_WORKER_GROUP: Final = "ray.io/group"
SPARK_APPLICATION: Final = "spark-app-selector"
SPARK_ROLE: Final = "spark-role"
TRAINING_JOB: Final = "training.kubeflow.org/job-name"
TRAINING_ROLE: Final = "training.kubeflow.org/job-role"
TRAINING_REPLICA: Final = "training.kubeflow.org/replica-type"

# The node agent. A pod says what it promises and where its latency is seen; its owner, or the
# node's, switches the agent off. `p99<30ms` reads: 99 % of requests within 30 ms.
ANNOTATION_SLO: Final = f"{GROUP}/slo"
ANNOTATION_LATENCY_FROM: Final = f"{GROUP}/latency-from"  # datagram, nginx, http://, prometheus://
ANNOTATION_AGENT: Final = f"{GROUP}/agent"  # of a pod or a node: "off"
ANNOTATION_CPUS: Final = f"{GROUP}/cpus"  # of a pod: "2-3", the whole cores it was bound to
ANNOTATION_QOS_REPORT: Final = f"{GROUP}/qos-report"  # of a node, JSON: the agent's QosReport
