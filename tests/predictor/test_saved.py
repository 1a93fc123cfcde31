"""A saved state is the state: bit for bit, over later series, and refused wherever it is not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest

from predictor.core.forecast import ForecastSettings, ForecastState, advance, warmed_up
from predictor.core.history import History
from predictor.core.saved import Saved, Unsound, in_order, restored, saved

DAY_S = 86_400
QUICK = ForecastSettings(horizons_s=(3_600, 4 * 3_600), learn_every_s=6 * 3_600)
Fleet = Callable[..., History]


def equal(one: Any, other: Any) -> bool:
    """Whether two values are the same in every bit, type and shape."""
    if is_dataclass(one):
        return type(one) is type(other) and all(
            equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(one)
        )
    if isinstance(one, tuple):
        return len(one) == len(other) and all(map(equal, one, other))
    if isinstance(one, np.ndarray):
        same = one.dtype == other.dtype and one.shape == other.shape
        return bool(same and one.tobytes() == other.tobytes())
    return type(one) is type(other) and bool(one == other)


def through_text(found: Saved) -> Saved:
    """As a file would hold it."""
    return Saved(json.loads(json.dumps(found.header)), found.columns)


@pytest.fixture(scope="module")
def past() -> History:
    from tests.predictor.conftest import small_fleet

    whole = small_fleet(days=14, pods=30, nodes=10, seed=5)
    return replace(whole, series=tuple(f"shop/pod-{n}/app" for n in range(30)))


@pytest.fixture(scope="module")
def learned(past: History) -> ForecastState:
    state = warmed_up(past, 12 * DAY_S, QUICK)
    assert state is not None
    assert any(model is not None for model in state.cpu.models), "there is a model to save"
    return state


@pytest.fixture(scope="module")
def kept(learned: ForecastState, past: History) -> Saved:
    return through_text(saved(learned, past, QUICK, made_by="a test"))


def test_what_comes_back_is_the_state_bit_for_bit(
    learned: ForecastState, past: History, kept: Saved
) -> None:
    state, ordered = restored(kept, past, QUICK)
    assert equal(state, learned)
    assert ordered is past


def test_a_run_that_goes_on_equals_the_one_that_never_stopped(past: History) -> None:
    unbroken = resumed = None
    for now_s in range(5 * DAY_S, 11 * DAY_S, 6 * 3_600):
        if resumed is not None and now_s % (2 * DAY_S) == 0:  # stopped and begun again every 2 days
            until_now = past.until(resumed.at_s)
            resumed, _ = restored(
                through_text(saved(resumed, until_now, QUICK, made_by="")), past, QUICK
            )
        unbroken, one = advance(unbroken, past, now_s, QUICK)
        resumed, other = advance(resumed, past, now_s, QUICK)
        assert one.peak_cpu_cores.tobytes() == other.peak_cpu_cores.tobytes()
        assert one.peak_memory_bytes.tobytes() == other.peak_memory_bytes.tobytes()
        assert one.reasons(0, 1) == other.reasons(0, 1)
    assert equal(unbroken, resumed)


def test_catching_up_takes_the_same_steps_as_never_stopping(past: History) -> None:
    whole = warmed_up(past, 6 * DAY_S, QUICK)
    half = warmed_up(past, 4 * DAY_S, QUICK)
    assert equal(whole, warmed_up(past, 6 * DAY_S, QUICK, half))


def test_series_in_another_order_and_new_ones_are_told_apart_by_name(
    learned: ForecastState, past: History, kept: Saved
) -> None:
    rng = np.random.default_rng(0)
    newcomer = replace(past.taken([3]), series=("shop/new/app",))
    mixed = joined(past, newcomer).taken(rng.permutation(31).tolist())
    state, ordered = restored(kept, mixed, QUICK)
    assert ordered.series == (*past.series, "shop/new/app")
    assert equal(state, learned)
    _, one = advance(state, ordered, 12 * DAY_S, QUICK)
    _, other = advance(learned, joined(past, newcomer), 12 * DAY_S, QUICK)
    assert one.peak_cpu_cores.tobytes() == other.peak_cpu_cores.tobytes()


def joined(one: History, other: History) -> History:
    """Both fleets' series on the nodes of the first."""
    rows: dict[str, Any] = {
        f.name: np.concatenate([getattr(one, f.name), getattr(other, f.name)])
        for f in fields(one)
        if isinstance(getattr(one, f.name), np.ndarray) and not f.name.startswith("node_")
    }
    return replace(one, series=(*one.series, *other.series), **rows)


def test_series_that_are_gone_are_forgotten_and_the_rest_goes_on(
    past: History, kept: Saved
) -> None:
    left = past.taken(range(5, 30))
    state, ordered = restored(kept, left, QUICK)
    assert ordered.series == past.series
    assert not any(m.resident[:5].any() or m.warm[:5].any() for m in state.cpu.ledger)
    _, made = advance(state, ordered, 12 * DAY_S, QUICK)
    _, fresh = advance(None, left, 12 * DAY_S, QUICK)
    assert np.isfinite(made.peak_cpu_cores).all()
    assert ordered.resident(12 * DAY_S)[:5].sum() == 0
    reference = [
        said.split("7-day peak ")[1][:4] for said in (made.reasons(1, 0), fresh.reasons(1, 0))
    ]
    assert reference[0] == reference[1], "sums are made of who is left"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "is of version 2, not 1"),
        ({"version": None}, "is of version None"),
        ({"features": ["peak"]}, "was learned from other features"),
        ({"settings": "0" * 64}, "was made with other settings"),
        ({"series": ["a", "a"]}, "names a series twice"),
        ({"series": [1]}, "is damaged: series is no str"),
        ({"series": [f"gone-{n}" for n in range(30)]}, "knows 30 series of which 30 are gone"),
        ({"state": None}, "is of another version: state has other fields"),
        ({"state": {"nodes": []}}, "is of another version: state has other fields"),
    ],
)
def test_another_header_is_refused_with_its_reason(
    past: History, kept: Saved, change: dict[str, Any], why: str
) -> None:
    with pytest.raises(Unsound, match=why):
        restored(replace(kept, header={**kept.header, **change}), past, QUICK)


@pytest.mark.parametrize(
    "other",
    [
        replace(QUICK, horizons_s=(3_600,)),
        replace(QUICK, cpu_risk=0.02),
        replace(QUICK, memory_risk=0.1),
        replace(QUICK, keep_s=DAY_S),
        replace(QUICK, half_life_s=DAY_S),
    ],
)
def test_another_promise_is_another_state(
    past: History, kept: Saved, other: ForecastSettings
) -> None:
    with pytest.raises(Unsound, match="other settings"):
        restored(kept, past, other)


def test_other_nodes_are_another_fleet(past: History, kept: Saved) -> None:
    renamed = replace(past, nodes=(*past.nodes[:-1], "new"))
    with pytest.raises(Unsound, match="knows 10 nodes that are not these 10"):
        restored(kept, renamed, QUICK)


def put(value: Any) -> Callable[[Any], Any]:
    return lambda _: value


FORGED: list[tuple[str, Callable[[Any], Any], str]] = [
    ("cpu.ledger.0.features", put([0, 10, 2]), "has the shape"),
    ("cpu.ledger.0.features", put([0, 1 << 40, 1 << 40, 36]), "larger than what the file holds"),
    ("cpu.ledger.0.features", put([-1, 10]), "no array of float32"),
    ("cpu.ledger.0.features", put([0.5, 10]), "no array of float32"),
    ("cpu.ledger.0.features", put([1 << 62, 1]), "larger than what the file holds"),
    ("cpu.ledger.0.features", put(None), "no array of float32"),
    ("cpu.ledger.0.resident", put([0, 31]), "is of"),
    ("cpu.ledger.0.warm", put([0, 3]), "is of"),
    ("cpu.ledger.0.at_s", put(1 << 50), "not in order"),
    ("cpu.ledger.0.at_s", put("soon"), "at_s is no int"),
    ("cpu.ledger.0.at_s", put(True), "at_s is no int"),
    ("cpu.ledger", lambda moments: moments[::-1], "not in order"),
    ("cpu.ledger", put({"0": 1}), "ledger is no tuple"),
    ("cpu.series.peak", put([0, 3, 336]), "is of"),
    ("cpu.series.peak", put([0, 30, 5]), "has the shape"),
    ("cpu.sums.peak", put([0, 3, 336]), "has the shape"),
    ("cpu.models", put([None]), "has 1 parts, not 2"),
    ("cpu.margins", put([None, float("nan")]), "is no float"),
    ("cpu.margins", put([None] * 9), "has 9 parts, not 2"),
    ("cpu.keepers.0.debt", put(float("inf")), "is no float"),
    ("cpu.models.0.trees.tree", put([0, 3]), "its splits differ in number"),
    ("cpu.models.0.shares", put([0, 3]), "the shares are none"),
    ("memory.fitted_s", put([]), "has 0 parts, not 2"),
    ("memory.fitted_rows", put([1.5, 2.5]), "is no int"),
]


@pytest.mark.parametrize(("where", "change", "why"), FORGED)
def test_a_forged_state_is_refused_by_name(
    past: History, kept: Saved, where: str, change: Callable[[Any], Any], why: str
) -> None:
    header = json.loads(json.dumps(kept.header))
    *path, last = where.split(".")
    at = header["state"]
    for step in path:
        at = at[int(step)] if isinstance(at, list) else at[step]
    key = int(last) if isinstance(at, list) else last
    at[key] = change(at[key])
    with pytest.raises(Unsound, match=why):
        restored(Saved(header, kept.columns), past, QUICK)


def test_trees_that_point_nowhere_are_refused(past: History, kept: Saved) -> None:
    at = kept.header["state"]["cpu"]["models"][0]["trees"]["tree"]
    columns = {**kept.columns, "int64": kept.columns["int64"].copy()}
    columns["int64"][at[0]] = 1 << 40
    with pytest.raises(Unsound, match="in a model of cpu a split belongs to no tree"):
        restored(Saved(kept.header, columns), past, QUICK)


def test_columns_of_another_type_or_none_are_refused(past: History, kept: Saved) -> None:
    wide = {**kept.columns, "float32": kept.columns["float32"].astype(">f4")}
    with pytest.raises(Unsound, match="no array of float32"):
        restored(Saved(kept.header, wide), past, QUICK)
    with pytest.raises(Unsound, match="larger than what the file holds"):
        restored(Saved(kept.header, {}), past, QUICK)


def test_memory_that_this_history_has_not_is_refused(past: History, kept: Saved) -> None:
    with pytest.raises(Unsound, match="knows memory, which this history has not"):
        restored(kept, replace(past, memory_bytes=None), QUICK)


def test_a_history_without_names_is_taken_as_it_stands(past: History) -> None:
    nameless = replace(past, series=())
    assert in_order(nameless, ())[0] is nameless
