"""Where a stored history is fitted: one word or URL chooses, and the answer is the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from predictor.adapters.embedded_runner import Shown, embedded
from predictor.core.fit import Fitted, Question
from slacktide.errors import BadInput

LOCAL: Final = "local"
_SPARK: Final = re.compile(r"local\[(\*|[1-9]\d*)(,\d+)?\]|(spark|k8s|sc)://\S+")


def check_engine(engine: str) -> str:
    """The engine as typed. Raises `BadInput` where it names none."""
    if engine == LOCAL or _SPARK.fullmatch(engine):
        return engine
    raise BadInput(
        f"--engine {engine}: give local (processes of this machine), or Spark's local[*],"
        " spark://HOST:PORT, k8s://URL or sc://HOST:PORT"
    )


def fitted(
    root: Path,
    asked: Question,
    engine: str = LOCAL,
    *,
    shown: Shown = iter,
    state: Path | None = None,
) -> Fitted:
    """The whole fleet's tables, made where `engine` says; `state` as of `embedded`.

    Raises:
        BadInput: no such engine, or what it needs is not there.
    """
    if check_engine(engine) == LOCAL:
        return embedded(root, asked, shown=shown, state=state)
    if state is not None:
        raise BadInput("--state goes with --engine local: it is a folder of this machine")
    from predictor.adapters.spark_runner import on_spark  # noqa: PLC0415  pyspark is an extra

    return on_spark(root, asked, engine)
