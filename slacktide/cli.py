"""`slacktide`: the floor's command line, which finds the rooms' subcommands by entry point.

Each room registers its click commands under the group `slacktide.commands`, one entry point each; a
room that is not installed is simply not there. A command is imported when it is called, so nobody
waits for what they do not use. An entry point `serve.predictor` is the command `predictor` of the
group `serve`, to which several rooms add; where `top` is a command of its own, `top.node` is one
beside it, called by two words. Exit codes: 0 done, 1 found something wrong, 2 wrong use.
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


GROUPS = {
    "doctor": "Check what slacktide needs and say what to do.",
    "explain": "Show why a number, a place or a wait is what it is.",
    "serve": "Run one of slacktide's processes until it is stopped.",
}


class RoomCommands(click.Group):
    """The commands of all rooms, each loaded when asked for."""

    def __init__(self, entries: Iterable[EntryPoint], name: str, help_text: str) -> None:
        """`entries` are those of the group `slacktide.commands` that begin with `name`, if any."""
        width = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
        super().__init__(name=name, help=help_text, context_settings=width)
        self._entries: dict[str, list[EntryPoint]] = {}
        found = sorted(entries, key=lambda entry: entry.name)
        commands = {entry.name for entry in found}
        for entry in found:
            first, _, rest = entry.name.partition(".")
            name = f"{first} {rest}" if rest and first in commands else first
            self._entries.setdefault(name, []).append(entry)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, without loading any."""
        del ctx
        return sorted(self._entries)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """One of them; a group, which is not loaded, where names go on after a dot."""
        del ctx
        entries = self._entries.get(cmd_name, [])
        if not entries:
            return None
        below = [_below(entry) for entry in entries if "." in entry.name and " " not in cmd_name]
        if below:
            return RoomCommands(below, cmd_name, GROUPS.get(cmd_name, ""))
        command: click.Command = entries[0].load()
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command of the first word, or of the first two where there is one of that name."""
        both = " ".join(args[:2])
        if both in self._entries and both != args[0]:
            args = [both, *args[2:]]
        return super().resolve_command(ctx, args)


def _below(entry: EntryPoint) -> EntryPoint:
    """The entry as its group knows it."""
    return EntryPoint(entry.name.partition(".")[2], entry.value, entry.group)


def build(entries: Iterable[EntryPoint]) -> click.Group:
    """The command line with the subcommands of the rooms that are there."""
    said = (
        "Forecasts the slack of online services, sells it to batch jobs, and takes it back "
        "the moment online needs it.\n\nStart with: slacktide up --once"
    )
    return click.version_option(__version__, prog_name="slacktide")(
        RoomCommands(entries, "slacktide", said)
    )


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
