"""What every server of the house shares; the dashboard's and the predictor's tests do the rest."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import click
import pytest
from starlette.applications import Starlette

from slacktide.cli import build
from slacktide.serving.guard import Guard


def test_an_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="would let everybody in"):
        Guard(Starlette(), token="")


class Room(EntryPoint):
    """A room with one process to serve."""

    def load(self) -> list[click.Command]:
        return [click.Group("serve", commands=[click.Command(self.value)])]


def test_rooms_share_the_group_of_processes() -> None:
    group = build([Room("a", "scheduler", "g"), Room("b", "dashboard", "g")])
    serve = group.commands["serve"]
    assert isinstance(serve, click.Group)
    assert sorted(serve.commands) == ["dashboard", "scheduler"]
