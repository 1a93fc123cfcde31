from __future__ import annotations

import csv
import io
import json

import numpy as np
import yaml
from rich.console import Console

from slacktide.output import as_table, as_text

ROWS = [
    {"node": "a", "cpu_cores": np.float64(1.5), "pods": np.int64(1234), "reason": "because"},
    {"node": "b", "cpu_cores": float("nan"), "pods": None, "reason": "no, data"},
]


def test_json_has_null_where_a_number_is_missing() -> None:
    assert json.loads(as_text(ROWS, "json")) == [
        {"node": "a", "cpu_cores": 1.5, "pods": 1234, "reason": "because"},
        {"node": "b", "cpu_cores": None, "pods": None, "reason": "no, data"},
    ]


def test_yaml_and_json_say_the_same() -> None:
    assert yaml.safe_load(as_text(ROWS, "yaml")) == json.loads(as_text(ROWS, "json"))


def test_csv_quotes_what_needs_it() -> None:
    rows = list(csv.DictReader(io.StringIO(as_text(ROWS, "csv"))))
    assert [row["reason"] for row in rows] == ["because", "no, data"]
    assert rows[1]["cpu_cores"] == ""


def test_no_rows_are_an_empty_result_not_a_crash() -> None:
    assert json.loads(as_text([], "json")) == []
    assert as_text([], "csv").strip() == ""


def test_the_table_shows_a_dash_where_a_number_is_missing() -> None:
    console = Console(file=io.StringIO(), width=80)
    console.print(as_table(ROWS, title="nodes"))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # StringIO above
    assert "1,234" in text
    assert "cpu cores" in text
    assert "-" in text.splitlines()[-2]
