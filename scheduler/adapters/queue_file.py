"""Queue objects from a YAML file, as `kubectl apply` would take them.

Always holds: nothing above the limit is parsed, YAML aliases are refused (a few lines of them can
stand for billions of values), and what is wrong is one line with the document's place in the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from slacktide.contract import GROUP, VERSION
from slacktide.errors import BadInput
from slacktide.kube.queues import Queue

MOST_BYTES: Final = 256 << 10  # some 1,000 queues


class _NoAliases(yaml.SafeLoader):
    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401  PyYAML's signature
        if self.check_event(yaml.AliasEvent):
            raise BadInput("queues: YAML aliases are not read here; write the value out")
        return super().compose_node(parent, index)


def queues_of_yaml(text: bytes) -> list[Queue]:
    """The Queue objects of a file; other kinds in it are passed over.

    Raises:
        BadInput: too large, no YAML, or a Queue that has another shape than its CRD says.
    """
    if len(text) > MOST_BYTES:
        raise BadInput(f"queues: more than {MOST_BYTES} bytes")
    try:
        documents = list(yaml.load_all(text, _NoAliases))
    except (yaml.YAMLError, RecursionError, ValueError) as why:
        raise BadInput(f"queues: no YAML: {' '.join(str(why).split())[:200]}") from why
    return list(_queues(documents))


def _queues(documents: list[object]) -> Iterator[Queue]:
    for place, document in enumerate(documents):
        if not isinstance(document, dict) or document.get("kind") != "Queue":
            continue
        if document.get("apiVersion") != f"{GROUP}/{VERSION}":
            continue
        try:
            yield msgspec.convert(document, Queue)
        except msgspec.ValidationError as why:
            raise BadInput(f"queues: document {place + 1}: {why}") from why
