"""Pages whose words are written by hand and whose marked blocks are computed."""

from __future__ import annotations

import math
import re
from pathlib import Path

NEAR = 0.02  # by which a number may differ on another machine
Blocks = dict[str, str]


def says(path: Path, text: str) -> bool:
    """Whether a file holds the text, its numbers nearly."""
    if not path.is_file():
        return False
    number = re.compile(r"-?\d+(?:\.\d+)?")
    old = path.read_text(encoding="utf-8")
    if number.sub("#", old) != number.sub("#", text):
        return False
    both = zip(number.findall(old), number.findall(text), strict=True)
    return all(math.isclose(float(a), float(b), rel_tol=NEAR, abs_tol=NEAR) for a, b in both)


def with_blocks(page: str, made: Blocks) -> str:
    """The page with each marked block computed anew."""

    def replaced(match: re.Match[str]) -> str:
        return f"{match[1]}{made[match[2]]}\n```"

    return re.sub(r"(<!-- made: (\w+) -->\n```\w*\n).*?```", replaced, page, flags=re.DOTALL)
