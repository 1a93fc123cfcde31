"""The queue tree of a job trace: paths, what is guaranteed, what a page is shown."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.core.quota_tree import QuotaTree
from simulator.core.queues import GUARANTEED_SHARE, ROOT, queue_rows, tree_of

CORES = 1_000.0

parts = st.sampled_from(["red", "blue", "own", "own*", ROOT, ""])
paths = st.lists(parts, min_size=1, max_size=3).map("/".join).filter(bool)


def parent_of(tree: QuotaTree, name: str) -> str | None:
    above = int(tree.parent[tree.names.index(name)])
    return None if above < 0 else tree.names[above]


def guaranteed(tree: QuotaTree, name: str) -> float:
    return float(tree.guaranteed_cpu_cores[tree.names.index(name)])


def test_plain_names_stand_below_one_root() -> None:
    tree, leaf_of = tree_of(["b", "a", "b"], capacity_cores=CORES)
    assert tree.names[0] == ROOT
    assert [tree.leaf_names[leaf_of[name]] for name in ("a", "b")] == ["a", "b"]
    assert parent_of(tree, "a") == parent_of(tree, "b") == ROOT
    assert parent_of(tree, ROOT) is None


def test_a_name_with_slashes_is_a_path() -> None:
    tree, leaf_of = tree_of(["lab/nlp/large", "lab/vision"], capacity_cores=CORES)
    assert parent_of(tree, "lab/nlp/large") == "lab/nlp"
    assert parent_of(tree, "lab/nlp") == parent_of(tree, "lab/vision") == "lab"
    assert parent_of(tree, "lab") == ROOT
    assert sorted(tree.leaf_names) == sorted(leaf_of) == ["lab/nlp/large", "lab/vision"]


def test_a_queue_with_queues_below_it_keeps_its_own_gangs_in_a_leaf() -> None:
    tree, leaf_of = tree_of(["lab", "lab/nlp"], capacity_cores=CORES)
    assert tree.leaf_names[leaf_of["lab"]] == "lab/own"
    assert tree.leaf_names[leaf_of["lab/nlp"]] == "lab/nlp"
    assert guaranteed(tree, "lab") == pytest.approx(GUARANTEED_SHARE * CORES)


def test_guarantees_are_even_and_add_up_to_the_share_at_every_level() -> None:
    tree, _ = tree_of(["a/x", "a/y", "b", "c/x/deep"], capacity_cores=CORES)
    each = GUARANTEED_SHARE * CORES / 4
    assert [guaranteed(tree, name) for name in tree.leaf_names] == pytest.approx([each] * 4)
    assert guaranteed(tree, "a") == pytest.approx(2 * each)
    assert guaranteed(tree, "c/x") == guaranteed(tree, "c") == pytest.approx(each)
    assert guaranteed(tree, ROOT) == pytest.approx(GUARANTEED_SHARE * CORES)


@given(names=st.lists(paths, min_size=1, max_size=12), cores=st.floats(0, 1e6))
def test_any_names_make_a_tree_with_a_leaf_for_each(names: list[str], cores: float) -> None:
    tree, leaf_of = tree_of(names, capacity_cores=cores)
    assert set(leaf_of) == set(names)
    assert sorted(leaf_of.values()) == list(range(len(tree.leaves)))
    sums = tree.sum_up(tree.guaranteed_cpu_cores[tree.leaves])
    assert sums == pytest.approx(tree.guaranteed_cpu_cores)
    assert guaranteed(tree, ROOT) == pytest.approx(GUARANTEED_SHARE * cores)


@pytest.mark.parametrize("name", [ROOT, f"{ROOT}/mine"])
def test_a_queue_that_is_called_like_the_root_still_has_a_leaf(name: str) -> None:
    tree, leaf_of = tree_of([name, "other"], capacity_cores=CORES)
    assert len(set(leaf_of.values())) == 2
    assert tree.names.count(ROOT) == 1


def test_a_page_is_shown_sums_and_what_is_borrowed() -> None:
    tree, leaf_of = tree_of(["lab/nlp", "lab/vision", "web"], capacity_cores=CORES)
    used, pending = np.zeros(3), np.zeros(3)
    used[leaf_of["lab/nlp"]], used[leaf_of["web"]] = 150.0, 10.0
    pending[leaf_of["lab/vision"]] = 4
    rows = {row.name: row for row in queue_rows(tree, used, pending)}
    assert list(rows) == list(tree.names)
    assert rows["lab/nlp"].borrowed_cores == pytest.approx(50)
    assert rows["lab"].used_cores == 150
    assert rows["lab"].borrowed_cores == 0
    assert (rows["lab"].pending_gangs, rows["lab/nlp"].pending_gangs) == (4, 0)
    assert rows[ROOT].used_cores == 160
    assert rows[ROOT].pending_gangs == 4
    assert (rows[ROOT].parent, rows["lab"].parent) == (None, ROOT)
