"""`slacktide`: the floor's command line, which finds the rooms' subcommands by entry point.

Each room registers a list of click commands under the group `slacktide.commands`; a room that is
not installed is simply not there. Exit codes: 0 done, 1 found something wrong, 2 wrong use.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points

import click

from slacktide import __version__
from slacktide.errors import BadInput
from slacktide.settings import Settings
from slacktide.telemetry import configure_logging

COMMAND_GROUP = "slacktide.commands"

# Work is spread over processes. OpenMP threads inside each would outnumber the cores and spend
# them spinning for one another; who has a whole machine for one fit sets it higher.
os.environ.setdefault("OMP_NUM_THREADS", "1")


def build(rooms: Iterable[EntryPoint]) -> click.Group:
    """The command line with the subcommands of the rooms that are there."""
    group = click.Group(
        name="slacktide",
        help=(
            "Forecasts the slack of online services, sells it to batch jobs, and takes it back "
            "the moment online needs it.\n\nStart with: slacktide up --once"
        ),
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    )
    for room in rooms:
        for command in room.load():
            _add(group, command)
    return click.version_option(__version__, prog_name="slacktide")(group)


def _add(group: click.Group, command: click.Command) -> None:
    """Adds a command; a group that several rooms have (`serve`) gets the subcommands of each."""
    there = group.commands.get(command.name or "")
    if isinstance(there, click.Group) and isinstance(command, click.Group):
        for part in command.commands.values():
            there.add_command(part)
    else:
        group.add_command(command)


def main() -> None:
    """Runs the command line; wrong input is one line on stderr and exit code 2."""
    configure_logging(Settings())
    try:
        build(entry_points(group=COMMAND_GROUP))()
    except BadInput as error:
        click.echo(f"slacktide: {error}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()
