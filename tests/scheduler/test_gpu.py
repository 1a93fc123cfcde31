"""Devices give what they have, once; tasks lie on one device or on whole ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scheduler.core.gpu import WHOLE, GpuAsk, GpuHolds, GpuRoom, gpu_ask
from scheduler.core.gpu_usable import Expected, Left, TaskClass
from tests.scheduler.clusters import real, whole
from tests.scheduler.gpu_worlds import GIB, SIZE_BYTES, USUAL, Sells, gpu_columns, gpu_room

ROOMY = Left(real([1e3]), real([1e15]), 0.0, 0.0)
HALF, ONE, TWO = gpu_ask(500), gpu_ask(1_000), gpu_ask(2_000)


@pytest.mark.parametrize(
    ("ask", "milli", "tasks"),
    [
        (HALF, (1_000, 1_000), 4),
        (HALF, (999, 499, 500), 2),  # 499 of one and 1 of another are no share
        (ONE, (1_000, 999), 1),
        (TWO, (1_000, 1_000, 1_000), 1),
        (TWO, (1_000, 500, 500), 0),
        (gpu_ask(500, memory_bytes=12 * GIB), (1_000,), 1),  # time for two, memory for one
        (gpu_ask(1, memory_bytes=17 * GIB), (1_000,), 0),
        (gpu_ask(1, models=("A100",)), (1_000,), 0),
        (gpu_ask(1, models=("A100", "V100")), (3,), 3),
        (HALF, (-200, 1_000), 2),  # more was promised of the first than there is
    ],
)
def test_so_many_tasks_fit_a_node(ask: GpuAsk, milli: tuple[int, ...], tasks: int) -> None:
    room = gpu_room([Sells(0, milli)], [ask])
    assert room.fits(0).tolist() == [tasks]
    assert room.fits(0, whole([0, 0])).tolist() == [tasks, tasks]


@pytest.mark.parametrize("milli", [0, -1, 1_001, 1_500, 65_000])
def test_no_task_asks_for_one_and_a_half_devices(milli: int) -> None:
    with pytest.raises(ValueError, match="neither a share"):
        gpu_ask(milli)


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (HALF, "500 milli of one GPU"),
        (gpu_ask(4_000, models=("V100",)), "4 whole GPUs of model V100"),
        (gpu_ask(1_000, memory_bytes=GIB), "1 whole GPU with 1 GiB"),
        (gpu_ask(2_000, memory_bytes=GIB), "2 whole GPUs with 1 GiB each"),
        (gpu_ask(10, models=("B", "A", "A")), "10 milli of one GPU of model A or B"),
    ],
)
def test_an_ask_is_said_in_words(ask: GpuAsk, said: str) -> None:
    assert ask.said == said


def test_a_share_goes_where_it_spoils_no_whole_device() -> None:
    room = gpu_room([Sells(0, (1_000, 600, 1_000))], [HALF], USUAL)
    room.take(whole([0]), whole([1]), 0, ROOMY)
    assert room.taken[0].devices == (1,)


def test_a_task_that_names_no_memory_takes_its_share_of_it() -> None:
    room = gpu_room([Sells(0, (1_000,))], [gpu_ask(250), gpu_ask(100, memory_bytes=13 * GIB)])
    room.take(whole([0]), whole([1]), 0, ROOMY)
    assert room.bytes_[0, 0] == SIZE_BYTES * 3 // 4
    assert room.fits(1).tolist() == [0]


def test_more_than_fits_is_given_to_nobody() -> None:
    room = gpu_room([Sells(0, (1_000,))], [TWO])
    with pytest.raises(ValueError, match="more of its GPUs than fits"):
        room.take(whole([0]), whole([1]), 0, ROOMY)


def test_what_has_ended_is_free_again_and_never_more_than_there_is() -> None:
    columns = gpu_columns([Sells(3, (400, 1_000))])
    holds = GpuHolds(whole([0, 1, 2]), whole([0, 1, 9]), whole([600] * 3), whole([6 * GIB] * 3))
    node = whole([3, 3, 3])
    after = columns.without(holds, node, np.array([True, True, True]))
    assert after.free_milli.tolist() == [[1_000, 1_000]]
    kept = columns.without(holds, node, np.array([False, True, True]))
    assert kept.free_milli.tolist() == [[400, 1_000]]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ("a", "b")}, "one row and one model"),
        ({"free_milli": np.array([[1_001]])}, "more is free than there is"),
        ({"free_bytes": np.array([[1, 2]])}, "has shape"),
    ],
)
def test_columns_that_contradict_one_another_are_refused(
    changes: dict[str, object], message: str
) -> None:
    columns = gpu_columns([Sells(0, (1_000,))])
    fields = ("node", "models", "size_bytes", "free_milli", "free_bytes")
    with pytest.raises(ValueError, match=message):
        type(columns)(**{name: getattr(columns, name) for name in fields} | changes)


ASKS = st.builds(
    gpu_ask,
    st.sampled_from([1, 190, 333, 500, 810, 1_000, 2_000, 4_000]),
    memory_bytes=st.sampled_from([0, GIB, 9 * GIB]),
    models=st.sampled_from([(), ("V100",), ("T4", "V100")]),
)
SELLS = st.lists(
    st.builds(
        Sells,
        st.just(0),
        st.lists(st.sampled_from([0, 100, 500, 810, 1_000]), min_size=1, max_size=4).map(tuple),
        st.sampled_from(["V100", "T4"]),
    ),
    min_size=1,
    max_size=4,
).map(lambda many: [one._replace(node=node) for node, one in enumerate(many)])
CLASSES = st.builds(
    TaskClass,
    st.sampled_from([0.0, 1.0, 4.0]),
    st.sampled_from([0.0, 2.0 * GIB]),
    st.sampled_from([190, 500, 1_000]),
    st.just(1),
    st.sampled_from([0, 9 * GIB]),
    st.sampled_from([(), ("V100",)]),
) | st.sampled_from([TaskClass(1.0, 0.0, 1_000, 2), TaskClass(1.0, 0.0, 1_000, 4)])
EXPECTED = st.dictionaries(CLASSES, st.integers(1, 9).map(float), max_size=5).map(Expected.of)


@given(SELLS, st.lists(ASKS, min_size=1, max_size=3), EXPECTED, st.data())
def test_no_device_gives_more_than_it_has_and_a_task_counts_once(
    sells: list[Sells], asks: list[GpuAsk], expected: Expected, data: st.DataObject
) -> None:
    room = gpu_room(sells, asks, expected)
    begin = room.milli.copy()
    for _ in range(data.draw(st.integers(1, 6))):
        ask, node = data.draw(
            st.tuples(st.integers(0, len(asks) - 1), st.integers(0, len(sells) - 1))
        )
        fits, before = int(room.fits(ask)[node]), len(room.taken)
        if fits:
            count = data.draw(st.integers(1, min(fits, 3)))
            room.take(whole([node]), whole([count]), ask, ROOMY)
            assert len(room.taken) == before + count
            assert int(room.fits(ask)[node]) == fits - count
    assert (room.milli >= 0).all()
    assert (room.bytes_ >= 0).all()
    gone = np.zeros_like(begin)
    for one in room.taken:
        asked = asks[one.ask]
        assert len(set(one.devices)) == asked.devices
        gone[one.node, list(one.devices)] += asked.share_milli
        if asked.milli >= WHOLE:
            assert (begin[one.node, list(one.devices)] == WHOLE).all()
    assert (begin - gone == room.milli).all()


@given(SELLS, ASKS)
def test_what_is_put_back_is_as_it_was(sells: list[Sells], ask: GpuAsk) -> None:
    room = gpu_room(sells, [ask])
    nodes = np.flatnonzero(room.fits(0))
    milli, bytes_, saved = room.milli.copy(), room.bytes_.copy(), room.saved(nodes)
    left = Left(np.full(len(nodes), 1e3), np.full(len(nodes), 1e15), 0.0, 0.0)
    room.take(nodes, np.ones(len(nodes), np.int64), 0, left)
    room.put_back(saved)
    assert (room.milli == milli).all()
    assert (room.bytes_ == bytes_).all()
    assert not room.taken


@given(SELLS, ASKS, EXPECTED, st.sampled_from([0.5, 3.0, 9.0]), st.booleans())
def test_the_usable_gpus_lost_are_those_that_a_plain_count_finds(
    sells: list[Sells], ask: GpuAsk, expected: Expected, cores: float, asks_none: bool
) -> None:
    room = gpu_room(sells, [ask], expected)
    nodes = np.arange(len(sells))
    left = Left(np.full(len(sells), cores), np.full(len(sells), 3.0 * GIB), 0.5, 0.5 * GIB)
    lost = room.lost(-1 if asks_none else 0, nodes, left)
    for node in nodes.tolist():
        want = lost_by_hand(room, node, None if asks_none else ask, cores)
        assert lost[node] == pytest.approx(want, abs=1e-5)


def lost_by_hand(room: GpuRoom, node: int, ask: GpuAsk | None, cores: float) -> float:
    """Device after device, class after class."""
    milli, bytes_ = room.milli[node].tolist(), room.bytes_[node].tolist()
    before = usable_by_hand(room, node, (milli, bytes_), cores, 3.0 * GIB)
    after = []
    for chosen in choices_by_hand(room, node, ask):
        then = (list(milli), list(bytes_))
        for device in chosen:
            assert ask is not None
            then[0][device] -= ask.share_milli
            then[1][device] -= needs_by_hand(room, node, device, ask.memory_bytes, ask.share_milli)
        after.append(usable_by_hand(room, node, then, cores - 0.5, 2.5 * GIB))
    return before - max(after) if after else np.inf


def choices_by_hand(room: GpuRoom, node: int, ask: GpuAsk | None) -> list[tuple[int, ...]]:
    if ask is None:
        return [()]
    able = [
        device
        for device in range(room.milli.shape[1])
        if room.milli[node, device] >= ask.share_milli
        and room.bytes_[node, device]
        >= needs_by_hand(room, node, device, ask.memory_bytes, ask.share_milli)
    ]
    if ask.milli < WHOLE:
        return [(device,) for device in able]
    return [tuple(able[: ask.devices])] if len(able) >= ask.devices else []


def needs_by_hand(room: GpuRoom, node: int, device: int, memory: int, share: int) -> int:
    return memory or int(room.columns.size_bytes[node, device]) * share // WHOLE


def usable_by_hand(
    room: GpuRoom, node: int, devices: tuple[list[int], list[int]], cores: float, memory: float
) -> float:
    milli, bytes_ = devices
    expected, total = room.columns.expected, 0.0
    for k in range(len(expected)):
        share = int(expected.share_milli[k])
        able = [
            left
            for device, left in enumerate(milli)
            if left >= share
            and bytes_[device]
            >= needs_by_hand(room, node, device, int(expected.gpu_bytes[k]), share)
        ]
        models = expected.models[k]
        if (
            len(able) >= expected.devices[k]
            and cores >= expected.cpu_cores[k]
            and memory >= expected.memory_bytes[k]
            and (not models or room.columns.models[node] in models)
        ):
            wants = (float(expected.cpu_cores[k]), float(expected.memory_bytes[k]))
            tasks = min(
                there / wanted if wanted else np.inf
                for there, wanted in zip((cores, memory), wants, strict=True)
            )
            most = tasks * share * int(expected.devices[k])
            total += float(expected.weight[k]) * min(sum(able), most) / 1_000
    return total


def test_classes_for_which_little_is_left_weigh_more() -> None:
    expected = Expected.of({TaskClass(1.0, 0.0, 1_000, 4): 1.0, TaskClass(1.0, 0.0, 1_000, 1): 1.0})
    room = gpu_room([Sells(0, (1_000,) * 4), Sells(1, (1_000,) * 3)], [ONE], expected)
    room.weigh(real([8.0, 8.0]), real([1e12, 1e12]))
    weight = room.columns.expected.weight
    assert weight.tolist() == pytest.approx([7 / 11, 4 / 11])  # 4 GPUs are left to one, 7 to all
