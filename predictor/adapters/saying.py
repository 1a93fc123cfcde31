"""How the store tells what a person should know: a line on stderr, unless a caller listens."""

from __future__ import annotations

import sys
from collections.abc import Callable

Say = Callable[[str], None]


def say_on_stderr(line: str) -> None:
    """One line."""
    sys.stderr.write(f"slacktide: {line}\n")
