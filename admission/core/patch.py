"""JSON Patch as the difference of two documents, so that a rewrite is an ordinary function.

Rewrites make a changed copy with `with_value` and `without`, which share all that stays; the patch
is what differs. A rewrite that changes nothing gives an empty patch: reviews become idempotent.
Sources: RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a JSON Patch."""

    op: Literal["add", "replace", "remove"]
    path: str
    value: object = None

    def as_json(self) -> dict[str, object]:
        """The operation as the API server reads it."""
        if self.op == "remove":
            return {"op": self.op, "path": self.path}
        return {"op": self.op, "path": self.path, "value": self.value}


def with_value(document: object, path: Path, value: object) -> object:
    """A copy of the document with a value at a path; missing and null parents become objects."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        if not isinstance(document, list):
            raise TypeError(f"no list at {head}")
        return [
            with_value(item, rest, value) if index == head else item
            for index, item in enumerate(document)
        ]
    parent = document if isinstance(document, Mapping) else {}
    return {**parent, head: with_value(parent.get(head), rest, value)}


def without(document: object, path: Path) -> object:
    """A copy of the document without the key at a path; the same document where it has none."""
    head, rest = path[0], path[1:]
    if not isinstance(document, Mapping) or head not in document:
        return document
    if not rest:
        return {key: value for key, value in document.items() if key != head}
    return {**document, head: without(document[str(head)], rest)}


def difference(before: object, after: object, path: str = "") -> tuple[Operation, ...]:
    """The operations that turn `before` into `after`, to be applied in this order."""
    if before is after:
        return ()
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        return _of_objects(before, after, path)
    if isinstance(before, list) and isinstance(after, list) and len(before) <= len(after):
        return _of_lists(before, after, path)
    if type(before) is type(after) and before == after:
        return ()
    return (Operation("replace", path, after),)


def pointer(path: str, key: str) -> str:
    """A JSON Pointer one step deeper: `~` and `/` in the key are escaped (RFC 6901, section 3)."""
    return f"{path}/{key.replace('~', '~0').replace('/', '~1')}"


def _of_objects(
    before: Mapping[str, object], after: Mapping[str, object], path: str
) -> tuple[Operation, ...]:
    operations: list[Operation] = [
        Operation("remove", pointer(path, key)) for key in before if key not in after
    ]
    for key, value in after.items():
        if key in before:
            operations.extend(difference(before[key], value, pointer(path, key)))
        else:
            operations.append(Operation("add", pointer(path, key), value))
    return tuple(operations)


def _of_lists(before: list[object], after: list[object], path: str) -> tuple[Operation, ...]:
    """Element by element; what is longer is appended."""
    operations: list[Operation] = []
    for index, (old, new) in enumerate(zip(before, after, strict=False)):
        operations.extend(difference(old, new, f"{path}/{index}"))
    operations.extend(Operation("add", f"{path}/-", new) for new in after[len(before) :])
    return tuple(operations)
