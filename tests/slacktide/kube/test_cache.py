"""Whatever order events come in, and however often, the cache ends true."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from slacktide.kube.cache import Cache, Change
from slacktide.kube.objects import Meta, Pod, PodSpec


def pod(uid: str, version: int, node: str = "") -> Pod:
    meta = Meta(name=uid, uid=uid, namespace="shop", resource_version=str(version))
    return Pod(metadata=meta, spec=PodSpec(node_name=node))


def by_node() -> Cache[Pod]:
    return Cache({"node": lambda one: one.spec.node_name})


def test_a_list_tells_what_is_new_changed_and_gone() -> None:
    cache = by_node()
    cache.replace([pod("a", 1), pod("b", 2)])
    changes = cache.replace([pod("b", 5, "n1"), pod("c", 6)])
    assert changes == [
        Change(pod("b", 2), pod("b", 5, "n1")),
        Change(None, pod("c", 6)),
        Change(pod("a", 1), None),
    ]


def test_an_index_follows_an_object_that_moves() -> None:
    cache = by_node()
    cache.put(pod("a", 1, "n1"))
    cache.put(pod("a", 2, "n2"))
    assert cache.by("node", "n1") == ()
    assert cache.by("node", "n2") == (pod("a", 2, "n2"),)


def test_a_late_event_does_not_bring_a_deleted_object_back() -> None:
    cache = by_node()
    cache.put(pod("a", 1))
    cache.remove(pod("a", 3))
    assert cache.put(pod("a", 2)) is None
    assert len(cache) == 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3)), min_size=1, max_size=20),
    st.randoms(use_true_random=False),
)
def test_duplicated_and_reordered_events_end_in_the_newest_state(
    steps: list[tuple[str, int]], shuffle: object
) -> None:
    history = [pod(uid, version, f"n{node}") for version, (uid, node) in enumerate(steps, 1)]
    seen = history + history
    shuffle.shuffle(seen)  # type: ignore[attr-defined]  # random.Random
    cache = by_node()
    for one in seen:
        cache.put(one)
    newest = {one.metadata.uid: one for one in history}
    assert {one.metadata.uid: one for one in cache} == newest
    for node in ("n1", "n2", "n3"):
        there = {one.metadata.uid for one in cache.by("node", node)}
        assert there == {uid for uid, one in newest.items() if one.spec.node_name == node}
