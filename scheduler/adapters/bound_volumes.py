"""Where the volumes of a pod's claims can be reached, as far as they are bound.

A claim that is not bound yet, or whose volume is not known, is left to kube-scheduler, which
verifies every volume; so is a zone that a volume says by labels alone, as in-tree ones did.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from scheduler.core.constraints import NodeSelector
from slacktide.kube.objects import Pod
from slacktide.kube.volumes import PersistentVolume, PersistentVolumeClaim

Named = tuple[str, str]  # namespace and name


@dataclass(frozen=True, slots=True)
class BoundVolumes:
    """What the mirrors hold: they change, this does not."""

    volumes: Mapping[Named, PersistentVolume] = field(default_factory=dict)
    claims: Mapping[Named, PersistentVolumeClaim] = field(default_factory=dict)

    def of(self, pod: Pod) -> dict[str, NodeSelector]:
        """By the name of the claim; only those that are bound to a volume that is known."""
        found: dict[str, NodeSelector] = {}
        for one in pod.spec.volumes:
            if one.persistent_volume_claim is not None:
                name = one.persistent_volume_claim.claim_name
                reach = self._reach((pod.metadata.namespace, name))
                if reach is not None:
                    found[name] = reach
        return found

    def _reach(self, claim: Named) -> NodeSelector | None:
        bound = self.claims.get(claim)
        volume = self.volumes.get(("", bound.spec.volume_name)) if bound is not None else None
        if volume is None:
            return None
        affinity = volume.spec.node_affinity
        if affinity is None or bytes(affinity.required) in {b"", b"null"}:
            return NodeSelector()  # from everywhere
        try:
            return msgspec.json.decode(affinity.required, type=NodeSelector)
        except msgspec.DecodeError:
            return None
