"""One kernel, whoever runs it: a process pool, Spark in one process, Spark on two workers."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from predictor.adapters.embedded_runner import embedded
from predictor.adapters.engine import check_engine, fitted
from predictor.core.fit import Fitted, Question
from slacktide.errors import BadInput
from tests.predictor.real_spark import cluster, environment, skip_without_spark
from tests.predictor.stored_fleet import stored_fleet

FIT_ON = Path(__file__).with_name("fit_on.py")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("store")
    (root / "asked.pickle").write_bytes(pickle.dumps(stored_fleet(root)))
    return root


@pytest.fixture(scope="module")
def asked(store: Path) -> Question:
    question = pickle.loads((store / "asked.pickle").read_bytes())  # noqa: S301  written above
    assert isinstance(question, Question)
    return question


@pytest.fixture(scope="module")
def alone(store: Path, asked: Question) -> Fitted:
    return embedded(store, asked, processes=1)


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    skip_without_spark()
    with cluster(tmp_path_factory.mktemp("spark")) as url:
        yield url


def on_engine(store: Path, engine: str, out: Path) -> Fitted:
    run = subprocess.run(
        [sys.executable, str(FIT_ON), str(store), engine, str(out)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4_000:]
    names = ("use", "circumstances", "forecasts")
    return Fitted(*(pq.read_table(out / f"{name}.parquet") for name in names))


def same(found: pa.Table, expected: pa.Table) -> None:
    """Integers and texts equal, floats to 1e-9, nulls and rows in the same places."""
    assert found.schema.equals(expected.schema)
    for name in expected.column_names:
        if pa.types.is_floating(expected.schema.field(name).type):
            ours, theirs = (np.asarray(table[name], np.float64) for table in (found, expected))
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=0, err_msg=name)
        else:
            assert found[name].to_pylist() == expected[name].to_pylist(), name


def test_spark_in_one_process_says_what_the_process_pool_says(
    store: Path, alone: Fitted, tmp_path: Path
) -> None:
    skip_without_spark()
    found = on_engine(store, "local[2]", tmp_path)
    same(found.use, alone.use)
    same(found.circumstances, alone.circumstances)
    same(found.forecasts, alone.forecasts)


def test_two_workers_of_a_cluster_say_what_the_process_pool_says(
    store: Path, alone: Fitted, workers: str, tmp_path: Path
) -> None:
    found = on_engine(store, workers, tmp_path)
    same(found.use, alone.use)
    same(found.circumstances, alone.circumstances)
    same(found.forecasts, alone.forecasts)


def test_any_number_of_processes_says_the_same(store: Path, asked: Question, alone: Fitted) -> None:
    found = embedded(store, asked, processes=2)
    assert found.use.equals(alone.use)
    assert found.circumstances.equals(alone.circumstances)
    assert found.forecasts.equals(alone.forecasts)


@pytest.mark.parametrize(
    "engine", ["local", "local[*]", "local[2]", "spark://a:7077", "k8s://https://a", "sc://a:15002"]
)
def test_an_engine_is_one_word_or_a_url(engine: str) -> None:
    assert check_engine(engine) == engine


@pytest.mark.parametrize("engine", ["", "spark", "local[0]", "http://a", "yarn", "local [2]"])
def test_what_names_no_engine_is_refused_with_those_there_are(engine: str) -> None:
    with pytest.raises(BadInput, match=r"give local .*spark://HOST:PORT"):
        check_engine(engine)


def test_spark_without_java_says_what_to_install(
    store: Path, asked: Question, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("pyspark")
    pytest.importorskip("pandas")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(BadInput, match="needs Java 17: install it, or set JAVA_HOME"):
        fitted(store, asked, "local[1]")
