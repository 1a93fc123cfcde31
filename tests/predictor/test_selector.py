"""Label selectors as kubectl's: what they want, and what is none."""

from __future__ import annotations

import pytest

from predictor.core.selector import selector
from slacktide.errors import BadInput

WEB = {"app": "web", "tier": "front"}


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("", True),
        ("app=web", True),
        ("app==web,tier!=cache", True),
        ("app = web , tier in (front, back)", True),
        ("tier notin (cache)", True),
        ("gone notin (x)", True),
        ("gone!=x", True),
        ("app", True),
        ("!gone", True),
        ("app=api", False),
        ("app=web,tier=cache", False),
        ("tier in (cache)", False),
        ("gone", False),
        ("!app", False),
        ("app=", False),
    ],
)
def test_a_selector_wants_what_kubernetes_would(text: str, wants: bool) -> None:
    assert selector(text).wants(WEB) is wants


@pytest.mark.parametrize(
    "text", ["app=web,", "=web", "a in b", "a/b/c=d", "a=b c=d", "!", ",", "a=ä", "a" * 5_000]
)
def test_what_is_no_selector_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match="examples: app=web"):
        selector(text)
