"""Fits a stored history on Spark: the same kernel, a group of rows a shard.

The driver names the files that count and the workers read from them only what is needed, so every
worker must see the store under the same path and have slacktide installed. What the shards said is
merged by Spark itself. Rows reach a kernel in no order; it makes its own, so the numbers do not
depend on how many workers there are.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from predictor.adapters.day_files import Torn
from predictor.adapters.parquet_store import ParquetStore
from predictor.core.circumstances import CIRCUMSTANCES
from predictor.core.fit import COLUMNS, Fitted, Question, fit, fleet
from predictor.core.tables import SAMPLES
from predictor.core.use import LARGEST, NAMES, USE
from slacktide.errors import BadInput
from slacktide.predictions import SCHEMA as FORECASTS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DAY_S: Final = 86_400
CONF: Final[dict[str, bool | float | int | str | None]] = {
    "spark.app.name": "slacktide",
    "spark.ui.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.parquet.enableVectorizedReader": "false",  # knows no BYTE_STREAM_SPLIT
    "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
}
Kernel = Callable[[tuple[pa.Scalar, ...], pa.Table], pa.Table]

ALONE: Final[dict[str, bool | float | int | str | None]] = {  # nobody else is to connect
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


def on_spark(root: Path, asked: Question, engine: str) -> Fitted:
    """The whole fleet's tables, from the Spark that `engine` names.

    Raises:
        BadInput: Spark, Java or the cluster is not there, or the store is torn.
    """
    _check_parts(engine)
    store = ParquetStore(root)
    files = _files(store, asked)
    if not files:
        return fleet([])
    session = _session(engine, asked.shards)
    try:
        samples = _samples(session, store, asked, files)
        kernel = _kernel(store, asked)
        said = samples.groupBy("shard").applyInArrow(kernel, _ddl(_SAID)).cache()
        rest = {name: _rows(said, name) for name in ("circumstances", "forecasts")}
        return fleet([Fitted(use=_use(said), **rest)])
    finally:
        session.stop()


_TABLES: Final = {"use": USE, "circumstances": CIRCUMSTANCES, "forecasts": FORECASTS}

# What one shard says: rows of all three in one table, told apart by the first column.
_SAID: Final = pa.schema(
    {"table": pa.string()}
    | {field.name: field.type for schema in _TABLES.values() for field in schema}
)


def _kernel(store: ParquetStore, asked: Question) -> Kernel:
    """The function that workers run; it carries the containers and nodes of the cluster."""
    about = store.inventory(asked.cluster)
    containers, nodes = about.containers(), about.nodes()

    def run(key: tuple[pa.Scalar, ...], rows: pa.Table) -> pa.Table:
        found = fit(_as_written(rows), containers, nodes, asked, key[0].as_py())
        parts = [_widened(name, getattr(found, name)) for name in _TABLES]
        return pa.concat_tables(parts).combine_chunks()

    return run


def _as_written(rows: pa.Table) -> pa.Table:
    """Where a sample was written twice, the later writing comes last."""
    if len(pc.unique(rows["written"])) > 1:
        rows = rows.sort_by("written")
    return rows.select(COLUMNS)


def _widened(name: str, table: pa.Table) -> pa.Table:
    columns = {
        field.name: table[field.name]
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in _SAID
    }
    columns["table"] = pa.array([name] * len(table), pa.string())
    return pa.table(columns, schema=_SAID)


def _use(said: DataFrame) -> pa.Table:
    """A workload's replicas lie in several shards: the hungriest one counts."""
    from pyspark.sql import functions as f  # noqa: PLC0415  pyspark is an extra

    largest = [f.max(name).alias(name) for name in LARGEST]
    merged = said.where("table = 'use'").groupBy(*NAMES)
    return merged.agg(f.sum("replicas").alias("replicas"), *largest).toArrow().cast(USE)


def _rows(said: DataFrame, name: str) -> pa.Table:
    schema = _TABLES[name]
    return said.where(f"table = '{name}'").select(*schema.names).toArrow().cast(schema)


def _files(store: ParquetStore, asked: Question) -> list[str]:
    """The files that count in the window; a torn one is said and left out, as reading it would."""
    found = []
    for number in store.days(asked.cluster):
        if asked.from_s // DAY_S <= number <= asked.now_s // DAY_S:
            day = store.day(asked.cluster, number)
            opened = [file for shard in day.shards() for file in day.opened(shard)]
            store.readable([file for file in opened if isinstance(file, Torn)], COLUMNS)
            found += [str(file.path.resolve()) for file in opened if not isinstance(file, Torn)]
    return found


def _samples(
    session: SparkSession, store: ParquetStore, asked: Question, files: list[str]
) -> DataFrame:
    """Only the columns needed, with each row's shard and the number of its writing."""
    from pyspark.sql import functions as f  # noqa: PLC0415  pyspark is an extra

    wanted = pa.schema([SAMPLES.field(name) for name in COLUMNS])
    folder = store.folder(asked.cluster).resolve()
    read = session.read.schema(f"{_ddl(wanted)}, shard int").option("basePath", str(folder))
    written = f.regexp_extract(f.input_file_name(), r"/(\d+)-[^/]*$", 1).cast("int")
    window = f.col("ts_s").between(asked.from_s, asked.now_s)
    return read.parquet(*files).where(window).select("shard", *COLUMNS, written.alias("written"))


_SQL_TYPE: Final = {
    "int64": "bigint",
    "string": "string",
    "double": "double",
    "float": "float",
    "bool": "boolean",
}


def _ddl(schema: pa.Schema) -> str:
    """The schema in Spark's words."""
    return ", ".join(f"{field.name} {_SQL_TYPE[str(field.type)]}" for field in schema)


def _check_parts(engine: str) -> None:
    """Raises `BadInput` where Spark could not even start."""
    missing = [name for name in ("pyspark", "pandas") if find_spec(name) is None]
    if missing:
        raise BadInput(f"--engine {engine} needs {missing[0]}: pip install 'slacktide[spark]'")
    java_home = os.environ.get("JAVA_HOME")
    java = Path(java_home, "bin", "java").is_file() if java_home else shutil.which("java")
    if not java and not engine.startswith("sc://"):
        raise BadInput(f"--engine {engine} needs Java 17: install it, or set JAVA_HOME")


def _session(engine: str, shards: int) -> SparkSession:
    from py4j.protocol import Py4JError  # noqa: PLC0415  pyspark is an extra
    from pyspark.errors import PySparkException  # noqa: PLC0415
    from pyspark.sql import SparkSession  # noqa: PLC0415

    remote = engine.startswith("sc://")
    conf = CONF | {"spark.sql.shuffle.partitions": shards}
    wanted = {name: conf[name] for name in conf if not remote or name.startswith("spark.sql.")}
    builder = SparkSession.builder.config(map=wanted)
    if engine.startswith("local["):
        builder = builder.config(map=ALONE)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)  # workers elsewhere have their own
    builder = builder.remote(engine) if remote else builder.master(engine)
    try:
        return builder.getOrCreate()
    except (PySparkException, Py4JError, OSError, ImportError, ValueError) as why:
        raise BadInput(f"--engine {engine}: Spark did not start: {_line(why)}") from why


def _line(why: Exception) -> str:
    """What went wrong: of Java's errors the one that caused it."""
    said = str(why).strip().splitlines() or [type(why).__name__]
    return next((line.removeprefix(": ") for line in said if line.startswith(": ")), said[0])
