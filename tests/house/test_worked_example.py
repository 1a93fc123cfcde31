"""The page "how a number is made": each formula gives what is printed, and the code says so."""

from __future__ import annotations

import ast
import math
import operator
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-a-number-is-made.md").read_text(encoding="utf-8")
BLOCKS = dict(re.findall(r"<!-- made: (\w+) -->\n```\w*\n(.*?)\n?```", PAGE, flags=re.DOTALL))
LINE = re.compile(r"^([\w ./-]+?) = (.+) = (-?\d+(?:\.(\d+))?)\b", flags=re.MULTILINE)
FORMULAS = [(name, *found) for name, block in BLOCKS.items() for found in LINE.findall(block)]

NAMES: dict[str, Any] = {
    "sqrt": math.sqrt,
    "exp": math.exp,
    "floor": math.floor,
    "ceil": math.ceil,
    "min": min,
    "max": max,
}
OPERATORS: dict[type, Any] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def computed(formula: str) -> float:
    """What a pocket calculator makes of a formula."""

    def value(node: ast.expr) -> float:
        match node:
            case ast.Constant(value=int() | float() as number):
                return number
            case ast.BinOp(left=left, op=sign, right=right):
                return float(OPERATORS[type(sign)](value(left), value(right)))
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                return -value(inner)
            case ast.Call(func=ast.Name(id=name), args=parts):
                return float(NAMES[name](*map(value, parts)))
        raise AssertionError(f"{formula}: no arithmetic")

    return value(ast.parse(formula, mode="eval").body)


@pytest.mark.parametrize(("block", "name", "formula", "printed", "decimals"), FORMULAS)
def test_the_printed_inputs_give_the_printed_number(
    block: str, name: str, formula: str, printed: str, decimals: str
) -> None:
    # Inputs are rounded too: a product of two with four digits is right to about three.
    allowed = max(2 * 10.0 ** -len(decimals), 2e-4 * abs(float(printed)))
    assert abs(computed(formula) - float(printed)) <= allowed, f"{block}: {name}"


def test_the_page_shows_every_step() -> None:
    names = {name for _, name, *_ in FORMULAS}
    assert {"reference", "base", "margin", "counts", "kept", "reclaimable"} <= names
    assert {"CPU request", "memory request", "room"} <= names
    assert all(BLOCKS.values()), "no block is empty"


def test_numbers_are_the_same_from_step_to_step() -> None:
    said = {name: printed for _, name, _, printed, _ in FORMULAS}
    formulas = {name: formula for _, name, formula, *_ in FORMULAS}
    for name, used_by in (
        ("reference", "of the sum"),
        ("sum", "of the sum"),
        ("of the sum", "base"),
        ("of the trees", "base"),
        ("base", "kept"),
        ("margin", "kept"),
        ("counts", "kept"),
        ("kept", "reclaimable"),
        ("reclaimable", "kubernetes.io/batch-cpu"),
    ):
        assert said[name] in formulas[used_by]
    assert f"keeps {float(said['kept']):.1f} of" in BLOCKS["sentence"].replace("\n", " ")


@pytest.mark.slow
def test_the_code_still_says_what_the_page_says() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "scripts.build_worked_example", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
