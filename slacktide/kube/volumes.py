"""Volumes and claims as far as they say on which nodes they can be reached. Source: core/v1."""

from __future__ import annotations

import msgspec

from slacktide.kube.objects import Meta


class _Wire(msgspec.Struct, frozen=True, gc=False, rename="camel"):
    """As the API server writes it."""


class VolumeNodeAffinity(_Wire, frozen=True, gc=False):
    """The nodes from which a volume can be reached; judged where it is met."""

    required: msgspec.Raw = msgspec.Raw()

    def __post_init__(self) -> None:
        """What is decoded is a view, which would keep its whole page alive."""
        msgspec.structs.force_setattr(self, "required", msgspec.Raw(bytes(self.required)))


class VolumeSpec(_Wire, frozen=True, gc=False):
    """What there is."""

    node_affinity: VolumeNodeAffinity | None = None


class PersistentVolume(_Wire, frozen=True, gc=False):
    """core/v1, cluster-scoped."""

    metadata: Meta
    spec: VolumeSpec = VolumeSpec()


class ClaimSpec(_Wire, frozen=True, gc=False):
    """What was asked for; the volume's name once there is one."""

    volume_name: str = ""


class PersistentVolumeClaim(_Wire, frozen=True, gc=False):
    """core/v1."""

    metadata: Meta
    spec: ClaimSpec = ClaimSpec()
