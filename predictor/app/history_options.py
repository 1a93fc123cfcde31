"""The options of every command that reads a trace or a stored history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from predictor.adapters.engine import LOCAL
from slacktide.errors import BadInput

Command = TypeVar("Command", bound=Callable[..., Any])

_OPTIONS = (
    click.option(
        "--history",
        type=click.Path(path_type=Path),
        help="A folder that slacktide collect filled; times are seconds since 1970.",
    ),
    click.option("--cluster", help="Of the history; default the only one there."),
    click.option(
        "--engine",
        default=LOCAL,
        show_default=True,
        metavar="URL",
        help="Computes a history: local, or Spark's local[*], spark://, k8s:// or sc:// URL.",
    ),
)


def history_options(command: Command) -> Command:
    """Adds --history, --cluster and --engine."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def one_source(name: str) -> BadInput:
    """What to say where both a trace and a history are given, or neither."""
    return BadInput(f"give one of {name} (a trace folder) and --history (what collect stored)")
