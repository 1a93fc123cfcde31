"""Kubernetes' label selectors as people type them: `app=web,tier!=cache,env in (prod, test),!old`.

Grammar and meaning are those of `k8s.io/apimachinery/pkg/labels/selector.go`: requirements joined
by commas, all of which must hold; `!=` and `notin` also hold where the label is absent.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from slacktide.errors import BadInput

_KEY: Final = r"(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?"
_VALUE: Final = r"(?:[A-Za-z0-9](?:[-\w.]{0,61}[A-Za-z0-9])?)?"
_LISTED: Final = rf"\(\s*{_VALUE}\s*(?:,\s*{_VALUE}\s*)*\)"
_REQUIREMENT: Final = re.compile(
    rf"\s*(?:(?P<absent>!)\s*(?P<gone>{_KEY})"
    rf"|(?P<key>{_KEY})\s+(?P<word>in|notin)\s*(?P<listed>{_LISTED})"
    rf"|(?P<name>{_KEY})\s*(?:(?P<sign>==|=|!=)\s*(?P<value>{_VALUE}))?)\s*(?:,|\Z)",
    re.ASCII,
)
_LONGEST: Final = 4096  # characters: a selector is typed by a person


@dataclass(frozen=True, slots=True)
class Requirement:
    """One part of a selector; `values` None asks for the label's presence alone."""

    key: str
    values: frozenset[str] | None
    wanted: bool  # False: the values, or the label, must not be there

    def holds(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels passes."""
        if self.values is None:
            return (self.key in labels) == self.wanted
        return (labels.get(self.key) in self.values) == self.wanted


@dataclass(frozen=True, slots=True)
class Selector:
    """All requirements must hold; none wants everything."""

    requirements: tuple[Requirement, ...] = ()

    def wants(self, labels: Mapping[str, str]) -> bool:
        """Whether an object with these labels passes."""
        return all(requirement.holds(labels) for requirement in self.requirements)


EVERYTHING: Final = Selector()


def selector(text: str) -> Selector:
    """The selector as typed.

    Raises:
        BadInput: it is none; the message shows where it went wrong.
    """
    found: list[Requirement] = []
    place = 0
    while place < len(text.rstrip()) or text.rstrip().endswith(","):
        match = _REQUIREMENT.match(text, place) if len(text) <= _LONGEST else None
        if match is None or match.end() == place:
            wrong = text[place : place + 40]
            raise BadInput(
                f"--selector: no label selector from {wrong!r} on;"
                " examples: app=web,tier!=cache  'env in (prod,test),!old'"
            )
        found.append(_requirement(match))
        place = match.end()
    return Selector(tuple(found))


def _requirement(match: re.Match[str]) -> Requirement:
    if match["absent"]:
        return Requirement(match["gone"], None, wanted=False)
    if match["word"]:
        values = frozenset(value.strip() for value in match["listed"][1:-1].split(","))
        return Requirement(match["key"], values, wanted=match["word"] == "in")
    if match["sign"]:
        return Requirement(match["name"], frozenset({match["value"]}), wanted=match["sign"] != "!=")
    return Requirement(match["name"], None, wanted=True)
