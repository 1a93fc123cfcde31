"""The one error every door raises, so that a wrong input is one clear line and exit code 2."""

from __future__ import annotations


class BadInput(Exception):  # noqa: N818  named for what it is, not for how it travels
    """An input that cannot be used: the message names file, column and row, and what to do next."""
