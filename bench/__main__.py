"""Lists the benchmarks: `python -m bench`."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """One line a benchmark, from its own docstring."""
    for path in sorted(HERE.glob("[!_]*.py")):
        if path.stem == "figures":
            continue
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        print(f"python -m bench.{path.stem:<18} {said.splitlines()[0]}")


main()
