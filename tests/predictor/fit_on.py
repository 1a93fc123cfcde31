"""Fits a stored history on an engine, in a process of its own: python fit_on.py STORE ENGINE OUT.

A JVM lives as long as the process that started it; a test's must not live on in the next one's.
"""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import pyarrow.parquet as pq

from predictor.adapters.engine import fitted


def main(store: Path, engine: str, out: Path) -> None:
    """Asks what lies beside the store and writes both tables."""
    asked = pickle.loads((store / "asked.pickle").read_bytes())  # noqa: S301  the test wrote it
    found = fitted(store, asked, engine)
    pq.write_table(found.use, out / "use.parquet")
    pq.write_table(found.circumstances, out / "circumstances.parquet")
    pq.write_table(found.forecasts, out / "forecasts.parquet")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
