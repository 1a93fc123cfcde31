"""Queue objects become a tree, whatever they contradict; files of them are read with care."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduler.adapters.queue_file import MOST_BYTES, queues_of_yaml
from scheduler.core.queue_objects import planted
from scheduler.core.queues import TOP
from slacktide.errors import BadInput
from slacktide.kube.objects import Meta
from slacktide.kube.queues import Amounts, Queue, QueueSpec

Cores = str | int | float | None


def queue(
    name: str, parent: str = "", *, guaranteed: Cores = None, most: Cores = None, weight: int = 1
) -> Queue:
    spec = QueueSpec(
        parent=parent, guaranteed=Amounts(guaranteed), max=Amounts(most), weight=weight
    )
    return Queue(Meta(name=name), spec)


def test_the_tree_is_as_written() -> None:
    made = planted(
        [
            queue("department", guaranteed="10", most=40),
            queue("web", "department", guaranteed="500m", weight=3),
            queue("ads", "department", guaranteed=8),
        ]
    )
    tree = made.tree
    assert tree.names == ("ads", "default", "department", "web")
    assert tree.parent.tolist() == [2, TOP, TOP, 2]
    assert tree.guaranteed_cpu_cores.tolist() == [8, 0, 10, 0.5]
    assert tree.max_cpu_cores.tolist() == [math.inf, math.inf, 40, math.inf]
    assert tree.weight.tolist() == [1, 1, 1, 3]
    assert made.problems == {}
    assert made.leaf("web") == (3, "")


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("nobody", "there is no queue nobody"),
        ("top", "queue top has queues below it: wait in one, such as leaf"),
    ],
)
def test_a_gang_waits_in_a_leaf_that_is_there(name: str, why: str) -> None:
    assert planted([queue("top"), queue("leaf", "top")]).leaf(name) == (None, why)


def test_without_any_object_all_wait_in_the_default_queue() -> None:
    assert planted([]).leaf("default") == (0, "")


@pytest.mark.parametrize(
    ("objects", "guaranteed", "problems"),
    [
        (
            [queue("a", "gone", guaranteed=2)],
            {"a": 2.0},
            {"a": "its parent gone is not there: it counts as one at the top"},
        ),
        (
            [queue("a", "b"), queue("b", "a", guaranteed=1)],
            {"a": 1.0, "b": 1.0},
            {"a": "it is its own ancestor: it counts as one at the top"},
        ),
        (
            [queue("a", "a")],
            {"a": 0.0},
            {"a": "it is its own ancestor: it counts as one at the top"},
        ),
        (
            [queue("a", guaranteed=9, most=4)],
            {"a": 4.0},
            {"a": "it is guaranteed its maximum of 4 cores, not more"},
        ),
        (
            [queue("a", guaranteed="much")],
            {"a": 0.0},
            {
                "a": "guaranteed.cpu counts as not written: "
                "not a quantity: 'much' (examples: 250m, 2, 1.5Gi, 12e6)"
            },
        ),
        (
            [queue("a", most="1e12")],
            {"a": 0.0},
            {"a": "max.cpu counts as not written: 1e+12 cores are more than there are"},
        ),
        (
            [queue("a"), queue("b", "a", guaranteed=3), queue("c", "a", guaranteed=1)],
            {"a": 4.0, "b": 3.0, "c": 1.0},
            {},
        ),
        (
            [
                queue("a", guaranteed=2),
                queue("b", "a", guaranteed=3),
                queue("c", "a", guaranteed=1),
                queue("d", "b", guaranteed=3),
            ],
            {"a": 2.0, "b": 1.5, "c": 0.5, "d": 1.5},
            {
                "a": "its children are guaranteed 4 cores and it has 2: "
                "each counts for 50% of its own",
                "b": "its children are guaranteed 3 cores and it has 1.5: "
                "each counts for 50% of its own",
            },
        ),
    ],
)
def test_what_contradicts_itself_is_mended_and_said(
    objects: list[Queue], guaranteed: dict[str, float], problems: dict[str, str]
) -> None:
    made = planted(objects)
    found = dict(zip(made.tree.names, made.tree.guaranteed_cpu_cores.tolist(), strict=True))
    assert {name: found[name] for name in guaranteed} == guaranteed
    assert dict(made.problems) == problems


names = st.sampled_from(["default", "a", "b", "c", "d", "e"])
amounts = st.one_of(
    st.none(), st.integers(-2, 50), st.floats(), st.sampled_from(["3", "500m", "x", "1e99", "-1"])
)
objects = st.lists(
    st.builds(queue, names, st.one_of(st.just(""), names), guaranteed=amounts, most=amounts),
    max_size=6,
)


@given(objects)
@settings(deadline=None)  # a busy machine is no failure
def test_any_objects_make_a_tree_with_a_default_queue(found: list[Queue]) -> None:
    made = planted(found)  # a tree that is none would raise
    assert set(made.tree.names) == {"default", *(one.metadata.name for one in found)}
    assert made.lendable_share.shape == (len(made.tree.names),)
    assert set(made.problems) <= set(made.tree.names)
    assert planted(reversed(found)).tree.names == made.tree.names


WRITTEN = b"""
apiVersion: slacktide.io/v1alpha1
kind: Queue
metadata: {name: web}
spec: {parent: all, max: {cpu: 8}, lendablePercent: 50}
---
apiVersion: scheduling.volcano.sh/v1beta1
kind: Queue
metadata: {name: theirs}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
"""


def test_queues_are_read_from_a_file_of_several_kinds() -> None:
    (web,) = queues_of_yaml(WRITTEN)
    assert (web.metadata.name, web.spec.parent, web.spec.max.cpu) == ("web", "all", 8)
    assert planted([web]).lendable_share.tolist() == [1.0, 0.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"{", "no YAML"),
        (b"\xff\xfe\x00", "no YAML"),
        (b"[" * 20_000, "no YAML"),
        (b"a: &a [1]\nb: *a", "aliases are not read here"),
        (b"#" * (MOST_BYTES + 1), "more than 262144 bytes"),
        (WRITTEN.replace(b"{name: web}", b"{}"), "document 1: .*name"),
        (WRITTEN.replace(b"{cpu: 8}", b"8"), r"document 1: .*\$.spec.max"),
    ],
    ids=["open", "binary", "deep", "alias", "large", "nameless", "shape"],
)
def test_a_file_that_cannot_be_used_is_one_line(text: bytes, said: str) -> None:
    with pytest.raises(BadInput, match=said) as refused:
        queues_of_yaml(text)
    assert "\n" not in str(refused.value)


def test_the_chart_has_the_definition_of_these_objects() -> None:
    import yaml

    file = Path(__file__).parents[2] / "charts/slacktide/definitions/queues.yaml"
    (version,) = yaml.safe_load(file.read_text())["spec"]["versions"]
    spec = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
    fields = {field.replace("_p", "P") for field in QueueSpec.__struct_fields__}
    assert set(spec) == fields
