"""What is held of a hundred thousand pods: their fields, and nothing that came with them."""

from __future__ import annotations

import gc
import sys
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from bench._real_pods import real_pod
from slacktide.kube.objects import Page, Pod, PodSpec


def body_of(pods: int) -> bytes:
    made = [real_pod(k, batch=k % 2 == 0, namespace="shop", node="n1") for k in range(pods)]
    for one in made:
        one["spec"]["affinity"] = {"nodeAffinity": {"pool": one["metadata"]["name"]}}
    return msgspec.json.encode({"metadata": {"resourceVersion": "5"}, "items": made})


def test_a_held_pod_does_not_keep_its_page_alive() -> None:
    body = body_of(20)
    before = sys.getrefcount(body)
    page = msgspec.json.decode(body, type=Page[Pod])
    assert len(page.items) == 20
    assert sys.getrefcount(body) == before


def test_a_text_that_pods_have_in_common_is_held_once() -> None:
    first, second = msgspec.json.decode(body_of(2), type=Page[Pod]).items
    assert first.spec.tolerations is second.spec.tolerations
    assert first.spec.affinity != second.spec.affinity


def test_pythons_collector_has_nothing_to_do_with_pods() -> None:
    page = msgspec.json.decode(body_of(1), type=Page[Pod])
    pod = page.items[0]
    assert not any(gc.is_tracked(part) for part in (pod, pod.metadata, pod.spec, pod.status))


@pytest.mark.parametrize(
    ("spec", "claims"),
    [
        ({}, [None]),
        ({"ephemeral": None}, [None]),
        ({"ephemeral": {"volumeClaimTemplate": {"spec": {"storageClassName": "fast"}}}}, ["made"]),
    ],
)
def test_a_volume_says_whether_its_claim_is_made_with_the_pod(
    spec: Mapping[str, Any], claims: list[str | None]
) -> None:
    found = msgspec.convert({"volumes": [{"name": "scratch", **spec}]}, PodSpec)
    assert ["made" if one.ephemeral is not None else None for one in found.volumes] == claims
