"""Lists the benchmarks: `python -m bench`."""

from __future__ import annotations

import ast
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """One line a benchmark, from its own docstring."""
    modules = {path.stem: path for path in HERE.glob("[!_]*.py") if path.stem != "figures"}
    packages = {path.parent.name: path for path in HERE.glob("*/__main__.py")}
    for name, path in sorted((modules | packages).items()):
        said = ast.get_docstring(ast.parse(path.read_text())) or ""
        print(f"python -m bench.{name:<18} {said.splitlines()[0]}")


main()
