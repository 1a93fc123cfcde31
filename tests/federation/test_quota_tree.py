from __future__ import annotations

import math

import numpy as np
import pytest

from federation.core.quota_tree import QueueSpec, plant
from slacktide.errors import BadInput


def test_a_tree_knows_its_leaves_levels_and_paths() -> None:
    tree = plant(
        [
            QueueSpec("search", parent="company", guaranteed_cpu_cores=10),
            QueueSpec("company", guaranteed_cpu_cores=30),
            QueueSpec("ads", parent="company"),
            QueueSpec("guests"),
        ]
    )
    assert tree.leaf_names == ("search", "ads", "guests")
    assert [level.tolist() for level in tree.levels] == [[1, 3], [0, 2]]
    assert [tree.names[queue] for queue in tree.path(0)] == ["search", "company"]
    np.testing.assert_array_equal(tree.sum_up(np.array([1.0, 2.0, 4.0])), [1, 3, 2, 4])


@pytest.mark.parametrize(
    ("specs", "message"),
    [
        ([], "no queue given"),
        ([QueueSpec("")], "a queue without a name"),
        ([QueueSpec("a"), QueueSpec("a")], "queue 'a' is written twice"),
        ([QueueSpec("a", parent="b")], "queue 'a': parent 'b' is not a queue"),
        ([QueueSpec("a", parent="a")], "a circle of parents: a"),
        (
            [QueueSpec("r"), QueueSpec("a", parent="b"), QueueSpec("b", parent="a")],
            "a circle of parents: a, b",
        ),
        ([QueueSpec("a", guaranteed_cpu_cores=-1)], "'a': guaranteed_cpu_cores must be >= 0"),
        ([QueueSpec("a", guaranteed_cpu_cores=math.nan)], "guaranteed_cpu_cores must be >= 0"),
        ([QueueSpec("a", guaranteed_cpu_cores=math.inf)], "guaranteed_cpu_cores must be >= 0"),
        (
            [QueueSpec("a", guaranteed_cpu_cores=5, max_cpu_cores=4)],
            r"'a': max_cpu_cores \(4\) is less than its guaranteed_cpu_cores \(5\)",
        ),
        ([QueueSpec("a", max_cpu_cores=math.nan)], "max_cpu_cores"),
        ([QueueSpec("a", weight=0)], "'a': weight must be > 0"),
        ([QueueSpec("a", lendable_share=1.5)], r"'a': lendable_share must be in 0\.\.1"),
        (
            [
                QueueSpec("dep", guaranteed_cpu_cores=5),
                QueueSpec("a", parent="dep", guaranteed_cpu_cores=3),
                QueueSpec("b", parent="dep", guaranteed_cpu_cores=3),
            ],
            "queue 'dep' is guaranteed 5 cores, its children 6",
        ),
    ],
)
def test_a_broken_tree_is_refused_with_the_queue_named(
    specs: list[QueueSpec], message: str
) -> None:
    with pytest.raises(BadInput, match=message):
        plant(specs)


def test_guarantees_of_children_may_add_up_to_their_parents_exactly() -> None:
    tenths = [QueueSpec(f"q{i}", parent="dep", guaranteed_cpu_cores=0.1) for i in range(3)]
    assert plant([QueueSpec("dep", guaranteed_cpu_cores=0.3), *tenths]).leaf_names == (
        "q0",
        "q1",
        "q2",
    )
