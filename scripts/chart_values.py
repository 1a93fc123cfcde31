"""The chart's values as a table, from the comments of its values.yaml."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

CHART: Final = Path(__file__).resolve().parent.parent / "charts/slacktide"
_TABLE: Final = re.compile(r"(<!-- values -->\n).*(?=\n<!-- end -->)", re.DOTALL)
WHOLE: Final = frozenset({"resources", "namespaceSelector"})  # told in one row
_LINE: Final = re.compile(r"^( *)(#|[\w]+:) ?(.*)$")


def readme() -> str:
    """The chart's page with its table made anew."""
    page = (CHART / "README.md").read_text(encoding="utf-8")
    return _TABLE.sub(lambda found: found[1] + table(), page)


def table() -> str:
    """A row a value: its path, default and comment."""
    defaults = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    rows = [f"| `{path}` | `{_shown(_at(defaults, path))}` | {why} |" for path, why in told()]
    return "\n".join(["| value | default | meaning |", "| --- | --- | --- |", *rows])


def told() -> Iterator[tuple[str, str]]:
    """(path, comment) of every value that has a comment and is no section of others."""
    above: list[tuple[int, str]] = []
    comment: list[str] = []
    for line in (CHART / "values.yaml").read_text(encoding="utf-8").splitlines():
        found = _LINE.match(line)
        if found is None:
            comment = []
        elif found[2] == "#":
            comment.append(found[3])
        else:
            indent, name, rest = len(found[1]), found[2][:-1], found[3]
            above = [*(one for one in above if one[0] < indent), (indent, name)]
            if comment and (rest or name in WHOLE):
                yield ".".join(part for _, part in above), " ".join(comment)
            comment = []


def leaves(values: Any, path: str = "") -> Iterator[str]:  # noqa: ANN401  what YAML may hold
    """The paths of all values; what has no comment inside is one of them."""
    if isinstance(values, dict) and values and path.rpartition(".")[2] not in WHOLE:
        for name, value in values.items():
            yield from leaves(value, f"{path}.{name}" if path else name)
    else:
        yield path


def _at(values: Any, path: str) -> Any:  # noqa: ANN401  what YAML may hold
    for name in path.split("."):
        values = values[name]
    return values


def _shown(value: object) -> str:
    return value if isinstance(value, str) and value else json.dumps(value)
