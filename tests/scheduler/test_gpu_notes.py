"""What nodes and pods say about GPUs is read as documented; nonsense sells nothing and is said."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from scheduler.adapters.gpu_nodes import KeptGpus
from scheduler.adapters.gpu_notes import NodeGpus, gpu_asked, node_gpus
from scheduler.adapters.pods import member_of
from scheduler.core.gpu import GpuAsk
from scheduler.core.member import Decision, decision_of, decision_text
from slacktide.contract import ANNOTATION_GPU_MODEL, ANNOTATION_GPUS, OPENB_GPU_MODEL
from slacktide.errors import BadInput
from tests.scheduler.boards import batch_pod, selling_node

GIB = 2**30
GOOD = {"model": "V100", "count": 2, "memory": "16Gi"}


def test_a_node_says_model_count_and_memory() -> None:
    found = node_gpus({ANNOTATION_GPUS: json.dumps(GOOD | {"broken": [1]})})
    assert found == NodeGpus(count=2, memory="16Gi", model="V100", broken=(1,))
    assert found.bytes_ == 16 * GIB
    assert node_gpus({}) is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("eight", "is not like"),
        ("[" * 3_000, "is not like"),
        ("{}", "is not like"),
        (json.dumps(GOOD | {"count": 0}), "count 0 is not 1 to 64"),
        (json.dumps(GOOD | {"count": 65}), "count 65"),
        (json.dumps(GOOD | {"count": "2"}), "is not like"),
        (json.dumps(GOOD | {"count": 10**30}), "is not 1 to 64"),
        (json.dumps(GOOD | {"memory": "-1Gi"}), "negative"),
        (json.dumps(GOOD | {"memory": "much"}), "not a quantity"),
        (json.dumps(GOOD | {"memory": "0"}), "memory 0 is none of a GPU"),
        (json.dumps(GOOD | {"memory": "9E"}), "memory 9E is none"),
        (json.dumps(GOOD | {"broken": [2]}), "broken names a device"),
        (json.dumps(GOOD | {"cores": 3}), "unknown field"),
        (json.dumps(GOOD | {"model": "x" * 300}), "the model has more"),
        (json.dumps(GOOD | {"model": "x" * 5_000}), "more than 4096"),
    ],
)
def test_nonsense_sells_no_gpu_and_has_a_sentence(text: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        node_gpus({ANNOTATION_GPUS: text})
    gpus = KeptGpus()
    gpus.put(selling_node("n", gpus=json.dumps(GOOD)))
    assert gpus.put(selling_node("n", gpus=text))
    assert said in gpus.refused["n"]
    assert gpus.columns({"n": 0}) is None
    gpus.put(selling_node("n", gpus=json.dumps(GOOD)))
    assert not gpus.refused


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(
    st.text(max_size=60)
    | ANYTHING.map(json.dumps)
    | st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("count", "memory", "model", "broken"), ANYTHING)
    ).map(json.dumps)
)
def test_no_annotation_stops_the_planner(text: str) -> None:
    gpus = KeptGpus()
    gpus.put(selling_node("n", gpus=text))
    assert (gpus.columns({"n": 0}) is None) or "n" not in gpus.refused


@pytest.mark.parametrize(
    ("wants", "notes", "ask"),
    [
        ({}, {}, None),
        ({"slacktide.io/gpu-milli": "500"}, {}, GpuAsk(500)),
        ({"slacktide.io/gpu-milli": "4k"}, {}, GpuAsk(4_000)),
        (
            {"slacktide.io/gpu-milli": "1000", "slacktide.io/gpu-memory": "8Gi"},
            {ANNOTATION_GPU_MODEL: " V100 | A100|"},
            GpuAsk(1_000, 8 * GIB, ("A100", "V100")),
        ),
        ({"koordinator.sh/gpu": "50"}, {}, GpuAsk(500)),
        ({"koordinator.sh/gpu-core": "200"}, {}, GpuAsk(2_000)),
        (
            {"koordinator.sh/gpu-core": "200", "koordinator.sh/gpu-memory": "16Gi"},
            {},
            GpuAsk(2_000, 8 * GIB),
        ),
        (
            {"koordinator.sh/gpu-core": "50", "koordinator.sh/gpu-memory-ratio": "50"},
            {OPENB_GPU_MODEL: "T4"},
            GpuAsk(500, 0, ("T4",)),
        ),
        (
            {"slacktide.io/gpu-milli": "100", "koordinator.sh/gpu": "50"},
            {ANNOTATION_GPU_MODEL: "T4", OPENB_GPU_MODEL: "P100"},
            GpuAsk(100, 0, ("T4",)),
        ),
    ],
)
def test_a_pod_asks(wants: dict[str, str], notes: dict[str, str], ask: GpuAsk | None) -> None:
    one = member_of(batch_pod("p", wants=wants, annotations=notes))
    assert one.gpu == ask
    assert one.plain  # nobody but us decides about GPUs, so it may be bound directly


@pytest.mark.parametrize(
    ("wants", "notes", "said"),
    [
        ({"slacktide.io/gpu-milli": "1500"}, {}, "neither a share"),
        ({"slacktide.io/gpu-memory": "1Gi"}, {}, "add slacktide.io/gpu-milli"),
        (
            {"koordinator.sh/gpu-core": "50", "koordinator.sh/gpu-memory-ratio": "70"},
            {},
            "say koordinator.sh/gpu-memory",
        ),
        ({"slacktide.io/gpu-milli": "1"}, {ANNOTATION_GPU_MODEL: "x" * 257}, "more than 256"),
    ],
)
def test_a_pod_that_asks_for_what_there_is_not_is_left_alone(
    wants: dict[str, str], notes: dict[str, str], said: str
) -> None:
    with pytest.raises(BadInput, match=said):
        member_of(batch_pod("p", wants=wants, annotations=notes))


def test_an_amount_above_what_a_node_can_hold_is_no_ask() -> None:
    with pytest.raises(BadInput, match="neither a share"):
        gpu_asked(lambda _: 1 << 59, {})


@pytest.mark.parametrize("gpus", [[0, 0], [64], [-1], "0", [1.5], [[0]]])
def test_a_decision_with_impossible_devices_is_none_of_ours(gpus: Any) -> None:
    text = {"plan": "1-a-1", "node": "n", "tasks": 1, "epoch": 1}
    assert decision_of(json.dumps(text)) is not None
    assert decision_of(json.dumps(text | {"gpus": gpus})) is None


def test_a_decision_about_many_devices_is_short_enough_to_be_read() -> None:
    decision = Decision("9" * 40, "n" * 253, 10_000, 10**9, 2**33, 2**33, tuple(range(64)))
    assert decision_of(decision_text(decision)) == decision


def test_the_page_says_what_is_read() -> None:
    page = (Path(__file__).parents[2] / "docs/gpus.md").read_text(encoding="utf-8")
    [said] = re.findall(r"slacktide.io/gpus='(.*)'", page)
    assert node_gpus({ANNOTATION_GPUS: said}) == NodeGpus(count=4, memory="16Gi", model="V100")
    [manifest] = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    asks = []
    for pod in yaml.safe_load_all(manifest):
        requests = pod["spec"]["containers"][0]["resources"]["requests"]
        notes = pod["metadata"]["annotations"]
        asks.append(member_of(batch_pod("p", wants=requests, annotations=notes)).gpu)
    assert asks == [GpuAsk(500, 6 * GIB, ("A100", "V100")), GpuAsk(2_000)]
