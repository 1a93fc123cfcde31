"""What the API server does with a patch, written anew so that the tests do not trust ours."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from admission.core.patch import Operation

Applier = Callable[[Any, Sequence[Operation]], Any]


def _apply(document: Any, operations: Sequence[Operation]) -> Any:
    """RFC 6902's add, replace and remove, strict: a missing parent or target is an error."""
    document = json.loads(json.dumps(document))
    for operation in operations:
        step = operation.as_json()
        *parents, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation.path.split("/")[1:]
        ]
        target = document
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target[part]
        if isinstance(target, list) and last == "-":
            assert step["op"] == "add"
            target.append(step["value"])
            continue
        key = int(last) if isinstance(target, list) else last
        if step["op"] != "add":
            target[key]  # it must be there
        if step["op"] == "remove":
            del target[key]
        else:
            target[key] = step["value"]
    return document


@pytest.fixture(scope="session")
def apply_patch() -> Applier:
    return _apply
