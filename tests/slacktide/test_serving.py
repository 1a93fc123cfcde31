"""What every server of the house shares; the dashboard's and the predictor's tests do the rest."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from slacktide.serving.guard import Guard


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="would let everybody in"):
        Guard(Starlette(), token="")
