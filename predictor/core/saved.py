"""What a forecast has learned, as columns and a header that a file can hold, and back.

Nothing here knows a field by name: frozen dataclasses, tuples, arrays and plain values are taken
apart and put together by their annotations, so a new field is saved without new code, and a state
of other fields is another version. Nothing that comes from a file is believed: types are those of
the annotations, shapes those of a live state, trees sound and times in order, or `Unsound` says why
not. There is no code in a saved state, hence none to run.
"""

from __future__ import annotations

import hashlib
import json
import math
import types
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from typing import Any, Final, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from predictor.core.forecast import ForecastSettings, ForecastState, advance
from predictor.core.history import History
from predictor.core.learning import Learned
from predictor.core.outlook import FEATURES
from predictor.core.quantile_model import why_no_model
from slacktide.messages import BoolArray

VERSION: Final = 1
Plain = Any  # what JSON holds
Columns = dict[str, NDArray[Any]]  # by dtype: every array of that type, end to end


class Unsound(ValueError):  # noqa: N818  named for what the file is
    """Why a saved state cannot be used, as the rest of a sentence that begins with its name."""


@dataclass(frozen=True, slots=True)
class Saved:
    """A state ready for a file: a header that JSON can hold and columns [n], one per dtype."""

    header: dict[str, Plain]
    columns: Columns


def saved(
    state: ForecastState, history: History, settings: ForecastSettings, *, made_by: str
) -> Saved:
    """The state with what it was learned from; `history` is the one of its last step."""
    parts: dict[str, list[NDArray[Any]]] = {}
    tree = _apart(state, parts, {})
    columns = {
        name: np.concatenate([part.ravel() for part in some]) for name, some in parts.items()
    }
    header = {
        "version": VERSION,
        "made_by": made_by,
        "features": list(FEATURES),
        "settings": settings_digest(settings),
        "from_s": min((m.at_s for m in state.cpu.ledger), default=state.at_s),
        "until_s": state.at_s,
        "series": list(history.series),
        "state": tree,
    }
    return Saved(header, columns)


def settings_digest(settings: ForecastSettings) -> str:
    """A digest of every setting; another promise is another state."""
    told = json.dumps([(f.name, getattr(settings, f.name)) for f in fields(settings)])
    return hashlib.sha256(told.encode()).hexdigest()


def restored(
    found: Saved, history: History, settings: ForecastSettings
) -> tuple[ForecastState, History]:
    """The state, and the history with its series in the state's order and the new ones last.

    Raises:
        Unsound: when it is of another version, of other features, settings or nodes, or broken.
    """
    header = found.header
    if header.get("version") != VERSION:
        raise Unsound(f"is of version {header.get('version')!r}, not {VERSION}")
    if header.get("features") != list(FEATURES):
        raise Unsound("was learned from other features")
    if header.get("settings") != settings_digest(settings):
        raise Unsound("was made with other settings (horizon, risk or pace)")
    state = _together(ForecastState, header.get("state"), found.columns, "state")
    if state.nodes != history.nodes:
        raise Unsound(f"knows {len(state.nodes)} nodes that are not these {len(history.nodes)}")
    series = _together(tuple[str, ...], header.get("series"), {}, "series")
    ordered, gone = in_order(history, series)
    _hold_against(state, history, settings, len(series))
    if gone.any():
        cpu, memory = _without(state.cpu, gone), _without(state.memory, gone)
        state = replace(state, cpu=cpu, memory=memory)
    return state, ordered


def in_order(history: History, series: tuple[str, ...]) -> tuple[History, BoolArray]:
    """The history with the named series [S] first, and [S] those that are gone from it.

    A series that is gone has no samples and runs nowhere.

    Raises:
        Unsound: when names repeat or fewer than half of them are left, which is another fleet.
    """
    if history.series == series:
        return history, np.zeros(len(series), dtype=np.bool_)
    at = {name: row for row, name in enumerate(history.series)}
    if len(at) != len(history.series) or len(set(series)) != len(series):
        raise Unsound("names a series twice")
    known = np.array([at.pop(name, -1) for name in series], dtype=np.int64)
    gone = known < 0
    if gone.sum() > len(gone) / 2:
        raise Unsound(f"knows {len(gone)} series of which {gone.sum()} are gone")
    ordered = history.taken([*known.tolist(), *at.values()])
    return replace(ordered, series=(*series, *at)), gone


def _without(learned: Learned, gone: BoolArray) -> Learned:
    """What was learned, as if the series that are gone had run nowhere; no sums yet."""
    ledger = tuple(
        replace(
            moment,
            resident=moment.resident & ~gone[: len(moment.resident)],
            warm=moment.warm & ~gone[: len(moment.warm)],
        )
        for moment in learned.ledger
    )
    return replace(learned, sums=None, ledger=ledger)


def _apart(value: Any, parts: dict[str, list[NDArray[Any]]], ends: dict[str, int]) -> Plain:  # noqa: ANN401  any field's
    if is_dataclass(value):
        return {f.name: _apart(getattr(value, f.name), parts, ends) for f in fields(value)}
    if isinstance(value, tuple):
        return [_apart(item, parts, ends) for item in value]
    if not isinstance(value, np.ndarray):
        return value.item() if isinstance(value, np.generic) else value
    name = value.dtype.name
    parts.setdefault(name, []).append(value)
    first = ends.get(name, 0)
    ends[name] = first + value.size
    return [first, *value.shape]


@cache
def _annotated(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _together(kind: Any, plain: Plain, columns: Columns, where: str) -> Any:  # noqa: ANN401  any field's
    """A value of an annotated type; raises `Unsound` where the plain one is none."""
    if isinstance(kind, type) and is_dataclass(kind):
        known = _annotated(kind)
        if not isinstance(plain, dict) or plain.keys() != known.keys():
            raise Unsound(f"is of another version: {where} has other fields")
        parts = {n: _together(k, plain[n], columns, f"{where}.{n}") for n, k in known.items()}
        return kind(**parts)
    origin, inner = get_origin(kind), get_args(kind)
    if origin is types.UnionType:
        return None if plain is None else _together(inner[0], plain, columns, where)
    if origin is tuple and isinstance(plain, list):
        return tuple(_together(inner[0], item, columns, where) for item in plain)
    if origin is np.ndarray:
        return _array(np.dtype(get_args(inner[1])[0]), plain, columns, where)
    if type(plain) is kind and (kind is not float or math.isfinite(plain)):
        return plain
    raise Unsound(f"is damaged: {where} is no {getattr(kind, '__name__', kind)}")


def _array(dtype: np.dtype[Any], plain: Plain, columns: Columns, where: str) -> NDArray[Any]:
    column = columns.get(dtype.name, np.zeros(0, dtype))
    whole = isinstance(plain, list) and all(type(n) is int and n >= 0 for n in plain)
    if not whole or len(plain) < 2 or column.dtype != dtype or column.ndim != 1:
        raise Unsound(f"is damaged: {where} is no array of {dtype.name}")
    first, *shape = plain
    size = 1
    for axis in shape:
        size *= axis
    if first + size > len(column):
        raise Unsound(f"is damaged: {where} is larger than what the file holds")
    return column[first : first + size].reshape(shape)


def _hold_against(
    state: ForecastState, history: History, settings: ForecastSettings, series: int
) -> None:
    """Raises `Unsound` where shapes are not those of a state that was learned from this history.

    The example is such a state, made of no series at time 0: an axis of it that is 0 counts series.
    """
    example, _ = advance(None, history.taken([]), 0, settings)
    for name in ("cpu", "memory"):
        learned: Learned = getattr(state, name)
        model: Learned = getattr(example, name)
        if learned.series is not None and model.series is None:
            raise Unsound(f"knows {name}, which this history has not")
        _alike(learned, model, series, name)
        for one in learned.models:
            why = "" if one is None else why_no_model(one)
            if why:
                raise Unsound(f"is damaged: in a model of {name} {why}")
        times = [moment.at_s for moment in learned.ledger]
        if times != sorted(set(times)) or max(times, default=state.at_s) > state.at_s:
            raise Unsound(f"is damaged: its moments of {name} are not in order")


def _alike(value: Any, model: Any, series: int, where: str) -> None:  # noqa: ANN401  any field's
    """Raises `Unsound` where shapes differ; a moment may know fewer series than came later."""
    if isinstance(model, tuple) and len(value) != len(model) and not where.endswith(".ledger"):
        raise Unsound(f"is damaged: {where} has {len(value)} parts, not {len(model)}")
    if isinstance(model, tuple):
        for item in value:
            _alike(item, model[0], series, where)
    if not is_dataclass(model) or value is None:
        return
    known: set[int] = set()
    for f in fields(model):
        part, like = getattr(value, f.name), getattr(model, f.name)
        _alike(part, like, series, f"{where}.{f.name}")
        if isinstance(like, np.ndarray):
            shape = tuple(n if m else 0 for n, m in zip(part.shape, like.shape, strict=False))
            known |= {n for n, m in zip(part.shape, like.shape, strict=False) if not m}
            if part.ndim != like.ndim or shape != like.shape:
                raise Unsound(f"is damaged: {where}.{f.name} has the shape {part.shape}")
    fewer = where.endswith(".ledger")
    if len(known) > 1 or any(n > series if fewer else n != series for n in known):
        raise Unsound(f"is damaged: {where} is of {sorted(known)} series, not {series}")
