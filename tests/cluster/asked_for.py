"""Who asked an API server for what, by its audit log; and what a role lets its holder ask for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

FORBIDDEN: Final = 403
PLANNER: Final = "slacktide/"  # how the planner's requests begin to say who they are


class Right(NamedTuple):
    """A verb on a resource; `name` is empty where any will do."""

    group: str
    resource: str  # with its subresource: pods/binding
    verb: str
    name: str = ""


class Request(NamedTuple):
    """One that the server answered."""

    right: Right
    status: int
    agent: str


def requests(log: Path, user: str) -> list[Request]:
    """Of one user, to the API's resources."""
    return [
        _request(event) for event in _events(log) if event["user"]["username"] == user if _of(event)
    ]


def _events(log: Path) -> Iterator[dict[str, Any]]:
    for line in log.read_text().splitlines():
        if line.endswith("}"):  # the last one may be on its way
            yield json.loads(line)


def _of(event: Mapping[str, Any]) -> Mapping[str, str]:
    """What it is about; empty for paths that are no resource."""
    found: Mapping[str, str] = event.get("objectRef", {})
    return found if "resource" in found else {}


def _request(event: Mapping[str, Any]) -> Request:
    of = _of(event)
    resource = "/".join(filter(None, (of["resource"], of.get("subresource", ""))))
    right = Right(of.get("apiGroup", ""), resource, event["verb"], of.get("name", ""))
    return Request(right, event.get("responseStatus", {}).get("code", 0), event["userAgent"])


def rights(rules: Iterable[Mapping[str, Any]]) -> set[Right]:
    """Every right that these rules of a role give."""
    return {
        Right(group, resource, verb, name)
        for rule in rules
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
        for name in rule.get("resourceNames", [""])
    }


def covers(given: Right, asked: Right) -> bool:
    """Whether a right lets that be asked for."""
    return given[:3] == asked[:3] and given.name in ("", asked.name)
